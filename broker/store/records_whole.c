// The tree of the records by the whole: made of a page and put into one again, copied, freed, checked.

#include "base/buffer.h"
#include "base/mem.h"
#include "store/records_form.h"

void *form_alloc(struct records *r, size_t size)
{
	void *block = mem_alloc(size);
	if (block != NULL)
		r->memory += mem_cost(size);
	return block;
}

void form_free(struct records *r, void *block, size_t size)
{
	if (block != NULL)
		r->memory -= mem_cost(size);
	mem_free(block);
}

void form_put(struct records *r, struct page *page, unsigned index, bool found, const struct cell *cell)
{
	if (found)
		r->memory -= page_remove(page, index);
	if (page_free(page) < cell->len + (size_t)SLOT_BYTES)
		page_pack(page);
	page_insert(page, index, cell);
	r->memory += cell_outside_memory(cell);
}

// --- between the forms -----------------------------------------------------------------------------------

bool tree_begin(struct records *r)
{
	const struct page *page = r->page;
	struct tree *tree = form_alloc(r, sizeof *tree);
	struct leaf *leaf = form_alloc(r, LEAF_BYTES);
	if (tree == NULL || leaf == NULL) {
		form_free(r, tree, sizeof *tree);
		form_free(r, leaf, LEAF_BYTES);
		return false;
	}
	*leaf = (struct leaf){0};
	page_init(&leaf->page, LEAF_PAGE);
	page_append(&leaf->page, page, 0, page->count);
	leaf->recent = page->count - 1u; // a packed page most likely grew at its end
	*tree = (struct tree){.root = leaf, .count = page->count, .bytes = page_live(page) - sizeof *page};
	r->tree = tree;
	r->is_tree = 1;
	return true;
}

void separator_free(struct records *r, struct separator *separator)
{
	if (separator != NULL)
		form_free(r, separator, sizeof *separator + separator->len);
}

static void node_free(struct records *r, void *node, unsigned height, bool outside_too)
{
	if (height == 0) {
		struct leaf *leaf = node;
		if (outside_too) {
			r->memory -= page_outside_memory(&leaf->page);
			page_free_outside(&leaf->page);
		}
		form_free(r, leaf, LEAF_BYTES);
		return;
	}
	struct inner *inner = node;
	for (unsigned i = 0; i < inner->count; i++) {
		node_free(r, inner->child[i], height - 1, outside_too);
		separator_free(r, i > 0 ? inner->separator[i] : NULL);
	}
	form_free(r, inner, sizeof *inner);
}

void tree_end(struct records *r, struct page *page)
{
	struct tree *tree = r->tree;
	for (struct leaf *leaf = tree_edge(tree, 1); page != NULL && leaf != NULL; leaf = leaf->next)
		page_append(page, &leaf->page, 0, leaf->page.count);
	node_free(r, tree->root, tree->height, page == NULL);
	form_free(r, tree, sizeof *tree);
	r->page = page;
	r->is_tree = 0;
}

// --- copy ------------------------------------------------------------------------------------------------

static struct leaf *leaf_copy(struct records *r, const struct leaf *from, struct leaf **last)
{
	struct leaf *leaf = form_alloc(r, LEAF_BYTES);
	if (leaf == NULL)
		return NULL;
	memcpy(leaf, from, LEAF_BYTES);
	if (!page_copy_outside(&leaf->page)) {
		form_free(r, leaf, LEAF_BYTES);
		return NULL;
	}
	r->memory += page_outside_memory(&leaf->page);
	leaf->prev = *last;
	leaf->next = NULL;
	if (*last != NULL)
		(*last)->next = leaf;
	*last = leaf;
	return leaf;
}

static struct separator *separator_copy(struct records *r, const struct separator *from)
{
	struct separator *separator = form_alloc(r, sizeof *separator + from->len);
	if (separator != NULL)
		memcpy(separator, from, sizeof *separator + from->len);
	return separator;
}

static void *node_copy(struct records *r, const void *from, unsigned height, struct leaf **last)
{
	if (height == 0)
		return leaf_copy(r, from, last);
	const struct inner *old = from;
	struct inner *inner = form_alloc(r, sizeof *inner);
	if (inner == NULL)
		return NULL;
	// Whatever fails, the first `count` children and their separators are there to be freed.
	for (inner->count = 0; inner->count < old->count; inner->count++) {
		unsigned i = inner->count;
		inner->below[i] = old->below[i];
		inner_separate(inner, i, i > 0 ? separator_copy(r, old->separator[i]) : NULL);
		bool complete = i == 0 || inner->separator[i] != NULL;
		inner->child[i] = complete ? node_copy(r, old->child[i], height - 1, last) : NULL;
		if (inner->child[i] == NULL) {
			separator_free(r, inner->separator[i]);
			node_free(r, inner, height, true);
			return NULL;
		}
	}
	return inner;
}

bool tree_copy(struct records *r, const struct tree *from)
{
	struct tree *tree = form_alloc(r, sizeof *tree);
	if (tree == NULL)
		return false;
	*tree = *from;
	struct leaf *last = NULL;
	tree->root = node_copy(r, from->root, from->height, &last);
	if (tree->root == NULL) {
		form_free(r, tree, sizeof *tree);
		return false;
	}
	r->tree = tree;
	r->is_tree = 1;
	return true;
}

// --- the checks ------------------------------------------------------------------------------------------

struct walk { // what was seen so far
	uint64_t count, bytes;
	size_t memory;
	const struct leaf *last;
};

struct bounds {
	const struct separator *low, *high; // NULL: none
};

static const char *leaf_fault(const struct leaf *leaf, struct bounds bounds, struct walk *walk)
{
	const struct page *page = &leaf->page;
	if (page->size != LEAF_PAGE || (page->count == 0 && (bounds.low != NULL || bounds.high != NULL)))
		return "a leaf is empty or of a wrong size";
	const char *fault = page_fault(page);
	if (fault != NULL || page->count == 0)
		return fault;
	wherry_span first = page_at(page, 0).subkey, end = page_at(page, page->count - 1u).subkey;
	if (bounds.low != NULL && span_compare(span_of(bounds.low->bytes, bounds.low->len), first) > 0)
		return "a record is below the separator on its left";
	if (bounds.high != NULL && span_compare(span_of(bounds.high->bytes, bounds.high->len), end) <= 0)
		return "a record is not below the separator on its right";
	if (leaf->prev != walk->last || (walk->last != NULL && walk->last->next != leaf))
		return "the leaves are linked wrongly";
	walk->last = leaf;
	walk->count += page->count;
	walk->bytes += page_live(page) - sizeof *page;
	walk->memory += mem_cost(LEAF_BYTES) + page_outside_memory(page);
	return NULL;
}

static const char *node_fault(const void *node, unsigned height, struct bounds bounds, struct walk *walk)
{
	if (height == 0)
		return leaf_fault(node, bounds, walk);
	const struct inner *inner = node;
	if (inner->count == 0 || inner->count > TREE_FANOUT)
		return "an inner node has no children or too many";
	walk->memory += mem_cost(sizeof *inner);
	for (unsigned i = 0; i < inner->count; i++) {
		struct bounds own = bounds;
		if (i > 0) {
			own.low = inner->separator[i];
			walk->memory += mem_cost(sizeof *own.low + own.low->len);
		}
		if (i + 1 < inner->count)
			own.high = inner->separator[i + 1];
		uint64_t before = walk->count;
		const char *fault = node_fault(inner->child[i], height - 1, own, walk);
		if (fault != NULL)
			return fault;
		if (inner->below[i] != walk->count - before)
			return "an inner node's count is not what is below it";
	}
	return NULL;
}

const char *tree_fault(const struct records *r)
{
	const struct tree *tree = r->tree;
	struct walk walk = {.memory = mem_cost(sizeof *r) + mem_cost(sizeof *tree)};
	const char *fault = node_fault(tree->root, tree->height, (struct bounds){NULL, NULL}, &walk);
	if (fault != NULL)
		return fault;
	if (tree->height > 0 && ((const struct inner *)tree->root)->count < 2)
		return "the root has a single child";
	if (walk.last != NULL && walk.last->next != NULL)
		return "the leaves are linked wrongly";
	if (walk.count != tree->count || walk.bytes != tree->bytes)
		return "the tree's count or bytes are wrong";
	return walk.memory == r->memory ? NULL : "the memory is miscounted";
}
