// The tree of the records: the ways down, and insertion with the splits that it takes.  See records_form.h.

#include <endian.h>

#include "base/buffer.h"
#include "store/records_form.h"

enum { NO_RUN = UINT32_MAX - 1 };

// --- down ------------------------------------------------------------------------------------------------

static uint64_t head_word(const uint8_t *bytes, size_t len)
{
	uint64_t word = 0;
	memcpy(&word, bytes, len < sizeof word ? len : sizeof word);
	return be64toh(word);
}

static struct head head_of(const void *bytes, size_t len)
{
	struct head head = {0, 0};
	if (len > 0)
		head.first = head_word(bytes, len);
	if (len > sizeof head.first)
		head.second = head_word((const uint8_t *)bytes + sizeof head.first, len - sizeof head.first);
	return head;
}

static int head_compare(struct head a, struct head b)
{
	if (a.first != b.first)
		return a.first < b.first ? -1 : 1;
	return (a.second > b.second) - (a.second < b.second);
}

// The child below which `subkey` belongs: the last whose separator is not above it.
static unsigned inner_find(const struct inner *inner, wherry_span subkey, struct head head)
{
	unsigned low = 1, high = inner->count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = head_compare(inner->head[middle], head);
		if (order == 0) {
			const struct separator *separator = inner->separator[middle];
			order = span_compare(span_of(separator->bytes, separator->len), subkey);
		}
		if (order <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

struct leaf *tree_descend(const struct tree *tree, wherry_span subkey, struct path *path)
{
	void *node = tree->root;
	struct head head = head_of(subkey.ptr, subkey.len);
	for (unsigned level = 0; level < tree->height; level++) {
		struct inner *inner = node;
		path->node[level] = inner;
		path->at[level] = inner_find(inner, subkey, head);
		node = inner->child[path->at[level]];
	}
	return node;
}

struct leaf *tree_edge(const struct tree *tree, int direction)
{
	void *node = tree->root;
	for (unsigned level = 0; level < tree->height; level++) {
		const struct inner *inner = node;
		node = inner->child[direction < 0 ? inner->count - 1 : 0];
	}
	return node;
}

uint64_t tree_rank(const struct tree *tree, const struct path *path)
{
	uint64_t rank = 0;
	for (unsigned level = 0; level < tree->height; level++)
		for (unsigned i = 0; i < path->at[level]; i++)
			rank += path->node[level]->below[i];
	return rank;
}

struct leaf *tree_seek_rank(const struct tree *tree, uint64_t *rank)
{
	void *node = tree->root;
	for (unsigned level = 0; level < tree->height; level++) {
		const struct inner *inner = node;
		unsigned i = 0;
		while (*rank >= inner->below[i])
			*rank -= inner->below[i++];
		node = inner->child[i];
	}
	return node;
}

// --- splits ----------------------------------------------------------------------------------------------

// Where a record goes in, or is.
struct spot {
	struct leaf *leaf;
	unsigned index;
	bool found;
};

// How a leaf is to be split, and all the memory that takes.
struct split {
	unsigned at;   // index of the first record that moves to the new leaf
	bool to_right; // the new record goes to the new leaf
	struct leaf *leaf;
	struct separator *separator;
	struct inner *inner[TREE_DEPTH];
	unsigned inners;
};

// The shortest prefix of `high` that is above `low`.
static struct separator *separator_new(struct records *r, wherry_span low, wherry_span high)
{
	const uint8_t *a = low.ptr, *b = high.ptr;
	size_t len = 0;
	while (len < low.len && a[len] == b[len])
		len++;
	len++;
	struct separator *separator = form_alloc(r, sizeof *separator + len);
	if (separator != NULL) {
		separator->len = len;
		memcpy(separator->bytes, high.ptr, len);
	}
	return separator;
}

static void split_release(struct records *r, struct split *split)
{
	form_free(r, split->leaf, LEAF_BYTES);
	separator_free(r, split->separator);
	while (split->inners > 0)
		form_free(r, split->inner[--split->inners], sizeof **split->inner);
}

// Every full inner node above the leaf splits too, and if all of them are full, the tree gets a new root.
static bool split_reserve(
    struct records *r, const struct path *path, wherry_span low, wherry_span high, struct split *split)
{
	unsigned level = r->tree->height, needed = 0;
	while (level > 0 && path->node[level - 1]->count == TREE_FANOUT) {
		level--;
		needed++;
	}
	if (level == 0)
		needed++;
	split->leaf = form_alloc(r, LEAF_BYTES);
	split->separator = separator_new(r, low, high);
	bool complete = split->leaf != NULL && split->separator != NULL && r->tree->height < TREE_DEPTH;
	while (complete && split->inners < needed) {
		split->inner[split->inners] = form_alloc(r, sizeof **split->inner);
		complete = split->inner[split->inners] != NULL;
		split->inners += complete;
	}
	if (!complete)
		split_release(r, split);
	return complete;
}

// Decides where to split.  A run goes on where the last insertion was: split there, so that what it leaves
// behind is full.  Otherwise in the middle, by bytes.
static bool split_plan(struct records *r, const struct path *path, const struct spot *spot, wherry_span subkey,
    size_t need, struct split *split)
{
	const struct page *page = &spot->leaf->page;
	uint32_t recent = spot->leaf->recent;
	bool run = !spot->found && (spot->index == recent || spot->index == recent + 1);
	size_t left = sizeof *page, half = page_live(page) / 2;
	unsigned at = 0;
	while (run ? at < spot->index : left < half)
		left += page_cell_size(page, at++);
	bool between = !spot->found && spot->index == at;
	*split = (struct split){.at = at};
	split->to_right = spot->index > at || (spot->index == at && spot->found) ||
			  (between && (at == page->count || left + need > page->size));
	wherry_span low = between && !split->to_right ? subkey : page_at(page, at - 1).subkey;
	wherry_span high = between && split->to_right ? subkey : page_at(page, at).subkey;
	return split_reserve(r, path, low, high, split);
}

void inner_carry(struct inner *to, unsigned at, const struct inner *from, unsigned first, unsigned count)
{
	memmove(&to->head[at], &from->head[first], count * sizeof *to->head);
	memmove(&to->separator[at], &from->separator[first], count * sizeof *to->separator);
	memmove(&to->child[at], &from->child[first], count * sizeof *to->child);
	memmove(&to->below[at], &from->below[first], count * sizeof *to->below);
}

void inner_separate(struct inner *inner, unsigned at, struct separator *separator)
{
	inner->separator[at] = separator;
	if (separator != NULL)
		inner->head[at] = head_of(separator->bytes, separator->len);
}

static void inner_insert(struct inner *inner, unsigned at, void *child, struct separator *separator, uint64_t below)
{
	inner_carry(inner, at + 1, inner, at, inner->count - at);
	inner_separate(inner, at, separator);
	inner->child[at] = child;
	inner->below[at] = below;
	inner->count++;
}

// Inserts into a full node, which gives its upper part to `right`; answers the separator between the two.
static struct separator *inner_split(
    struct inner *left, struct inner *right, unsigned at, void *child, struct separator *separator, uint64_t below)
{
	left->count = at == TREE_FANOUT ? TREE_FANOUT : TREE_FANOUT / 2;
	right->count = TREE_FANOUT - left->count;
	inner_carry(right, 0, left, left->count, right->count);
	if (at <= left->count && right->count > 0)
		inner_insert(left, at, child, separator, below);
	else
		inner_insert(right, at - left->count, child, separator, below);
	return right->separator[0];
}

static uint64_t inner_total(const struct inner *inner)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < inner->count; i++)
		total += inner->below[i];
	return total;
}

// Hangs the new right sibling of the path's leaf into the tree; `moved` of the records below the path are its
// own.
static void graft(struct tree *tree, const struct path *path, struct split *split, uint64_t moved)
{
	void *right = split->leaf;
	struct separator *separator = split->separator;
	for (unsigned level = tree->height; level-- > 0;) {
		struct inner *inner = path->node[level];
		unsigned at = path->at[level];
		inner->below[at] -= moved;
		if (inner->count < TREE_FANOUT) {
			inner_insert(inner, at + 1, right, separator, moved);
			return;
		}
		struct inner *more = split->inner[--split->inners];
		separator = inner_split(inner, more, at + 1, right, separator, moved);
		moved = inner_total(more);
		right = more;
	}
	struct inner *root = split->inner[--split->inners];
	root->count = 0;
	inner_insert(root, 0, tree->root, NULL, tree->count - moved);
	inner_insert(root, 1, right, separator, moved);
	tree->root = root;
	tree->height++;
}

// tree->count and the path's counts have the new record already.
static void leaf_split(struct tree *tree, const struct path *path, struct spot *spot, struct split *split)
{
	struct leaf *left = spot->leaf, *right = split->leaf;
	page_init(&right->page, LEAF_PAGE);
	page_append(&right->page, &left->page, split->at, left->page.count - split->at);
	page_truncate(&left->page, split->at);
	left->recent = right->recent = NO_RUN;
	right->prev = left;
	right->next = left->next;
	left->next = right;
	if (right->next != NULL)
		right->next->prev = right;
	graft(tree, path, split, right->page.count + (uint64_t)(split->to_right && !spot->found));
	if (split->to_right) {
		spot->leaf = right;
		spot->index -= split->at;
	}
}

// --- put -------------------------------------------------------------------------------------------------

// A page that would have little left after packing is split instead: else each insertion would pack it again.
static bool has_room(const struct page *page, size_t need, size_t given_up)
{
	size_t most = need <= given_up ? page->size : page->size - page->size / 8;
	return page_free(page) >= need || page_live(page) - given_up + need <= most;
}

static void count_one_more(struct tree *tree, const struct path *path)
{
	tree->count++;
	for (unsigned level = 0; level < tree->height; level++)
		path->node[level]->below[path->at[level]]++;
}

bool tree_put(struct records *r, wherry_span subkey, wherry_span value)
{
	struct path path;
	struct spot spot = {.leaf = tree_descend(r->tree, subkey, &path)};
	struct page *page = &spot.leaf->page;
	spot.index = page_find(page, subkey, &spot.found);
	if (spot.found && page_overwrite(page, spot.index, value))
		return true;
	size_t need = cell_size(subkey, value), given_up = spot.found ? page_cell_size(page, spot.index) : 0;
	struct cell cell;
	struct split split;
	if (!cell_make(&cell, subkey, value))
		return false;
	bool splits = !has_room(page, need, given_up);
	if (splits && !split_plan(r, &path, &spot, subkey, need, &split)) {
		cell_discard(&cell);
		return false;
	}
	if (!spot.found)
		count_one_more(r->tree, &path);
	if (splits)
		leaf_split(r->tree, &path, &spot, &split);
	form_put(r, &spot.leaf->page, spot.index, spot.found, &cell);
	spot.leaf->recent = spot.index;
	r->tree->bytes += need - given_up;
	if (need < given_up) {
		tree_mend(r, &path);
		form_settle(r);
	}
	return true;
}
