// Taking records out so that they can be put back.  Why a restored record fits: its leaf, or page, had room for it when
// it was taken, has given none of that to a neighbour since (that is records_settle's work, later), and what came in
// meanwhile is gone again: undone before, or, by splits, gone to other leaves.

#include "store/records_take.h"

#include <assert.h>

#include "base/mem.h"
#include "store/records_form.h"

static_assert(CELL_MOST <= UINT16_MAX, "a taken cell's length fits");

struct spot {
	struct path path;
	struct leaf *leaf; // NULL: packed
	struct page *page; // NULL: no records
	unsigned index;
	bool found;
};

static void find(const struct records *r, wherry_span subkey, struct spot *spot)
{
	spot->leaf = r->is_tree ? tree_descend(r->tree, subkey, &spot->path) : NULL;
	spot->page = r->is_tree ? &spot->leaf->page : r->page;
	spot->found = false;
	spot->index = spot->page == NULL ? 0 : page_find(spot->page, subkey, &spot->found);
}

// The tree counts one more (1) or one less (-1) at the spot.
static void count(struct records *r, const struct spot *spot, int more, size_t bytes)
{
	if (spot->leaf == NULL)
		return;
	uint64_t by = more > 0 ? 1 : UINT64_MAX;
	r->tree->count += by;
	r->tree->bytes += more > 0 ? bytes : 0 - bytes;
	for (unsigned level = 0; level < r->tree->height; level++)
		spot->path.node[level]->below[spot->path.at[level]] += by;
}

static size_t outside_cost(const struct outside *outside)
{
	return outside == NULL ? 0 : mem_cost(sizeof *outside + outside->subkey_len + outside->value_len);
}

// The cell as it was: bytes of what is inside, or the address.
static struct cell cell_of(const struct records_taken *taken)
{
	struct cell cell;
	cell.outside = taken->outside;
	cell.len = taken->len;
	memcpy(cell.bytes, taken->bytes, taken->len);
	return cell;
}

static wherry_span subkey_of(const struct records_taken *taken)
{
	if (taken->outside != NULL)
		return (wherry_span){taken->outside->bytes, taken->outside->subkey_len};
	size_t subkey_len, value_len;
	const uint8_t *at = cell_length(taken->bytes, &subkey_len);
	return (wherry_span){cell_length(at, &value_len), subkey_len};
}

size_t records_taken_size(const struct records *r, wherry_span subkey)
{
	struct spot spot;
	find(r, subkey, &spot);
	if (!spot.found)
		return 0;
	return sizeof(struct records_taken) + page_cell_size(spot.page, spot.index) - SLOT_BYTES;
}

void records_take(struct records *r, wherry_span subkey, struct records_taken *taken)
{
	struct spot spot;
	find(r, subkey, &spot);
	assert(spot.found);
	size_t size = page_cell_size(spot.page, spot.index);
	uint8_t *cell = (uint8_t *)(uintptr_t)page_cell(spot.page, spot.index);
	taken->outside = page_outside(spot.page, spot.index);
	taken->len = (uint16_t)(size - SLOT_BYTES);
	memcpy(taken->bytes, cell, taken->len);
	if (taken->outside != NULL) { // ours from here on: nothing is left for the page to free
		r->memory -= outside_cost(taken->outside);
		memset(cell, 0, sizeof taken->outside);
	}
	page_remove(spot.page, spot.index);
	if (spot.leaf != NULL)
		spot.leaf->recent -= spot.index <= spot.leaf->recent;
	count(r, &spot, -1, size);
	form_touch(r);
}

void records_restore(struct records *r, const struct records_taken *taken)
{
	struct spot spot;
	find(r, subkey_of(taken), &spot);
	struct cell cell = cell_of(taken);
	size_t size = (size_t)cell.len + SLOT_BYTES;
	assert(!spot.found && spot.page != NULL && page_live(spot.page) + size <= spot.page->size);
	form_put(r, spot.page, spot.index, false, &cell);
	count(r, &spot, 1, size);
	form_touch(r);
}

void records_discard(const struct records_taken *taken)
{
	mem_free(taken->outside);
}

void records_drop(struct records *r, wherry_span subkey)
{
	struct spot spot;
	find(r, subkey, &spot);
	assert(spot.found);
	size_t size = page_cell_size(spot.page, spot.index);
	r->memory -= page_remove(spot.page, spot.index);
	if (spot.leaf != NULL)
		spot.leaf->recent -= spot.index <= spot.leaf->recent;
	count(r, &spot, -1, size);
	form_touch(r);
}

void records_settle(struct records *r, wherry_span subkey)
{
	struct spot spot;
	find(r, subkey, &spot);
	if (spot.leaf != NULL)
		tree_mend(r, &spot.path);
	form_settle(r);
	form_touch(r);
}
