// The packed form of the records, a single page, and when one form becomes the other: a tree becomes packed
// again at half of what made it one, so that a few records more or less do not turn it to and fro.

#include "base/mem.h"
#include "store/records_form.h"

_Static_assert(RECORDS_PACKED_BYTES / 8 * 9 + 32 <= PAGE_MOST, "a packed page has 16-bit slots");

// The size for a page that needs `live` bytes: an eighth more, and what the allocator would round it up to.
static size_t packed_size(size_t live)
{
	return mem_cost(live + live / 8) - sizeof(size_t);
}

// Moves the cells into a page of another size.  false: no memory, it stays.
static bool packed_resize(struct records *r, size_t size)
{
	struct page *page = form_alloc(r, size);
	if (page == NULL)
		return false;
	page_init(page, size);
	if (r->page != NULL) {
		page_append(page, r->page, 0, r->page->count);
		form_free(r, r->page, r->page->size);
	}
	r->page = page;
	return true;
}

// The old page stays until the record is in the tree: subkey and value may point into it.
static bool packed_grow(struct records *r, wherry_span subkey, wherry_span value)
{
	struct records grown = *r;
	if (!tree_begin(&grown))
		return false;
	if (!tree_put(&grown, subkey, value)) {
		mem_free(grown.tree->root);
		mem_free(grown.tree);
		return false;
	}
	form_free(&grown, r->page, r->page->size);
	*r = grown;
	return true;
}

bool packed_put(struct records *r, wherry_span subkey, wherry_span value)
{
	bool found = false;
	unsigned index = r->page == NULL ? 0 : page_find(r->page, subkey, &found);
	if (found && page_overwrite(r->page, index, value))
		return true;
	size_t live = r->page == NULL ? sizeof *r->page : page_live(r->page);
	size_t given_up = found ? page_cell_size(r->page, index) : 0;
	size_t need = cell_size(subkey, value), after = live - given_up + need;
	if (r->page != NULL && (after > RECORDS_PACKED_BYTES || r->page->count + !found > RECORDS_PACKED_COUNT))
		return packed_grow(r, subkey, value);
	struct cell cell;
	if (!cell_make(&cell, subkey, value))
		return false;
	if ((r->page == NULL || after > r->page->size) && !packed_resize(r, packed_size(after))) {
		cell_discard(&cell);
		return false;
	}
	form_put(r, r->page, index, found, &cell);
	if (need < given_up)
		form_settle(r);
	return true;
}

bool packed_del(struct records *r, wherry_span subkey)
{
	bool found = false;
	unsigned index = r->page == NULL ? 0 : page_find(r->page, subkey, &found);
	if (found)
		r->memory -= page_remove(r->page, index);
	return found;
}

static void packed_settle(struct records *r)
{
	if (r->page == NULL)
		return;
	size_t size = packed_size(page_live(r->page));
	if (r->page->count == 0) {
		form_free(r, r->page, r->page->size);
		r->page = NULL;
	} else if (size <= r->page->size * 3u / 4) {
		packed_resize(r, size);
	}
}

static void tree_settle(struct records *r)
{
	const struct tree *tree = r->tree;
	if (tree->count > RECORDS_PACKED_COUNT / 2 || tree->bytes > RECORDS_PACKED_BYTES / 2)
		return;
	struct page *page = NULL;
	if (tree->count > 0) {
		size_t size = packed_size(sizeof *page + tree->bytes);
		page = form_alloc(r, size);
		if (page == NULL)
			return; // a small tree then, until the next removal
		page_init(page, size);
	}
	tree_end(r, page);
}

void form_settle(struct records *r)
{
	if (r->is_tree)
		tree_settle(r);
	else
		packed_settle(r);
}
