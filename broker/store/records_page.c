// Pages of records: the making of cells, search, insertion and removal within one block.  See records_page.h.

#include "store/records_page.h"

#include "base/buffer.h"
#include "base/mem.h"

enum { LENGTH_SHORT = 0x80, LENGTH_MOST = 0x8000 };

_Static_assert((int)CELL_MOST < (int)LENGTH_MOST, "a length takes two bytes at most");
_Static_assert(offsetof(struct page, slot) == sizeof(struct page), "page_free() counts no padding");

// --- cells -----------------------------------------------------------------------------------------------

static size_t inside_size(size_t subkey_len, size_t value_len)
{
	return 2u + (subkey_len >= LENGTH_SHORT) + (value_len >= LENGTH_SHORT) + subkey_len + value_len;
}

static bool fits_inside(size_t subkey_len, size_t value_len)
{
	return subkey_len <= CELL_MOST && value_len <= CELL_MOST && inside_size(subkey_len, value_len) <= CELL_MOST;
}

static size_t outside_memory(const struct outside *outside)
{
	return outside == NULL ? 0 : mem_cost(sizeof *outside + outside->subkey_len + outside->value_len);
}

static uint8_t *put_length(uint8_t *at, size_t len)
{
	if (len >= LENGTH_SHORT)
		*at++ = (uint8_t)(LENGTH_SHORT | len >> 8);
	*at++ = (uint8_t)len;
	return at;
}

static uint8_t *put_bytes(uint8_t *at, wherry_span bytes)
{
	if (bytes.len > 0) // ptr may be NULL, which memcpy() must not see
		memcpy(at, bytes.ptr, bytes.len);
	return at + bytes.len;
}

static struct outside *outside_new(wherry_span subkey, wherry_span value)
{
	if (subkey.len > SIZE_MAX / 4 || value.len > SIZE_MAX / 4)
		return NULL;
	struct outside *outside = mem_alloc(sizeof *outside + subkey.len + value.len);
	if (outside == NULL)
		return NULL;
	outside->subkey_len = subkey.len;
	outside->value_len = value.len;
	put_bytes(put_bytes(outside->bytes, subkey), value);
	return outside;
}

size_t cell_size(wherry_span subkey, wherry_span value)
{
	bool inside = fits_inside(subkey.len, value.len);
	return SLOT_BYTES + (inside ? inside_size(subkey.len, value.len) : sizeof(struct outside *));
}

bool cell_make(struct cell *cell, wherry_span subkey, wherry_span value)
{
	cell->outside = NULL;
	if (fits_inside(subkey.len, value.len)) {
		uint8_t *at = put_length(put_length(cell->bytes, subkey.len), value.len);
		at = put_bytes(put_bytes(at, subkey), value);
		cell->len = (uint16_t)(at - cell->bytes);
		return true;
	}
	cell->outside = outside_new(subkey, value);
	cell->len = sizeof cell->outside;
	memcpy(cell->bytes, &cell->outside, sizeof cell->outside);
	return cell->outside != NULL;
}

void cell_discard(struct cell *cell)
{
	mem_free(cell->outside);
	cell->outside = NULL;
}

size_t cell_outside_memory(const struct cell *cell)
{
	return outside_memory(cell->outside);
}

// --- pages -----------------------------------------------------------------------------------------------

struct page *page_new(size_t size)
{
	struct page *page = mem_alloc(size);
	if (page != NULL)
		page_init(page, size);
	return page;
}

void page_init(struct page *page, size_t size)
{
	*page = (struct page){.size = (uint16_t)size};
}

unsigned page_find(const struct page *page, wherry_span subkey, bool *found)
{
	unsigned low = 0, high = page->count;
	*found = false;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = span_compare(page_at(page, middle).subkey, subkey);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
		*found |= order == 0;
	}
	return low;
}

bool page_overwrite(struct page *page, unsigned index, wherry_span value)
{
	wherry_span old = page_at(page, index).value;
	if (old.len != value.len)
		return false;
	if (value.len > 0)
		memmove((void *)old.ptr, value.ptr, value.len); // it may be part of itself
	return true;
}

static size_t cell_len(const struct page *page, unsigned index)
{
	if (page->slot[index] & SLOT_OUTSIDE)
		return sizeof(struct outside *);
	struct record record = page_at(page, index);
	return inside_size(record.subkey.len, record.value.len);
}

size_t page_cell_size(const struct page *page, unsigned index)
{
	return SLOT_BYTES + cell_len(page, index);
}

// The cell goes to the front of the cells; answers its slot.
static uint16_t add_cell(struct page *page, const uint8_t *bytes, size_t len, bool outside)
{
	page->cells = (uint16_t)(page->cells + len);
	memcpy((uint8_t *)page + page->size - page->cells, bytes, len);
	return (uint16_t)(page->cells | (outside ? SLOT_OUTSIDE : 0));
}

void page_insert(struct page *page, unsigned index, const struct cell *cell)
{
	uint16_t slot = add_cell(page, cell->bytes, cell->len, cell->outside != NULL);
	uint16_t *at = &page->slot[index];
	memmove(at + 1, at, (page->count - index) * sizeof *at);
	*at = slot;
	page->count++;
}

size_t page_remove(struct page *page, unsigned index)
{
	struct outside *outside = page_outside(page, index);
	size_t given_back = outside_memory(outside), len = cell_len(page, index);
	mem_free(outside);
	if ((page->slot[index] & ~SLOT_OUTSIDE) == page->cells)
		page->cells = (uint16_t)(page->cells - len);
	else
		page->holes = (uint16_t)(page->holes + len);
	page->count--;
	uint16_t *at = &page->slot[index];
	memmove(at, at + 1, (page->count - index) * sizeof *at);
	if (page->count == 0)
		page->cells = page->holes = 0;
	return given_back;
}

void page_append(struct page *to, const struct page *from, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		bool outside = from->slot[i] & SLOT_OUTSIDE;
		uint16_t slot = add_cell(to, page_cell(from, i), cell_len(from, i), outside);
		to->slot[to->count++] = slot;
	}
}

void page_truncate(struct page *page, unsigned count)
{
	for (unsigned i = count; i < page->count; i++)
		page->holes = (uint16_t)(page->holes + cell_len(page, i));
	page->count = (uint16_t)count;
	if (count == 0)
		page->cells = page->holes = 0;
}

void page_pack(struct page *page)
{
	_Alignas(struct page) uint8_t room[PAGE_MOST];
	struct page *packed = (struct page *)room;
	page_init(packed, page->size);
	page_append(packed, page, 0, page->count);
	memcpy(page, packed, sizeof *page + page->count * sizeof *page->slot);
	uint8_t *end = (uint8_t *)page + page->size;
	memcpy(end - page->cells, room + page->size - page->cells, page->cells);
}

bool page_copy_outside(struct page *page)
{
	for (unsigned i = 0; i < page->count; i++) {
		if (!(page->slot[i] & SLOT_OUTSIDE))
			continue;
		struct record record = page_at(page, i);
		struct outside *copy = outside_new(record.subkey, record.value);
		if (copy == NULL) {
			page->count = (uint16_t)i;
			page_free_outside(page);
			return false;
		}
		memcpy((uint8_t *)page + page->size - (page->slot[i] & ~SLOT_OUTSIDE), &copy, sizeof copy);
	}
	return true;
}

void page_free_outside(struct page *page)
{
	for (unsigned i = 0; i < page->count; i++)
		mem_free(page_outside(page, i));
	page_init(page, page->size);
}

size_t page_outside_memory(const struct page *page)
{
	size_t memory = 0;
	for (unsigned i = 0; i < page->count; i++)
		memory += outside_memory(page_outside(page, i));
	return memory;
}

const char *page_fault(const struct page *page)
{
	size_t taken = sizeof *page + (size_t)page->count * SLOT_BYTES + page->cells, cells = 0;
	if (taken > page->size)
		return "a page's slots and cells overlap";
	for (unsigned i = 0; i < page->count; i++) {
		if ((page->slot[i] & ~SLOT_OUTSIDE) > page->cells)
			return "a slot points outside of the cells";
		cells += cell_len(page, i);
		if (i > 0 && span_compare(page_at(page, i - 1).subkey, page_at(page, i).subkey) >= 0)
			return "a page's records are out of order";
	}
	return cells + page->holes == page->cells ? NULL : "a page's holes are miscounted";
}
