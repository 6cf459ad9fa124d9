// A page: up to some kilobytes of records in one block of fixed size, sorted by subkey.  The packed form is
// one page, a leaf of the tree holds one.  Slots, in order, from the front; cells, as they came, from the
// end; the room of a removed cell is a hole until page_pack().
//
//   | size cells holes count | slot 0 | slot 1 | ...  free  ... | cell | cell | cell |
//
// A slot is the distance of its cell from the end of the page, so a page can be moved into one of another
// size.  A cell is [subkey length][value length][subkey][value], lengths in one or two bytes; a record longer
// than CELL_MOST lives outside, in an allocation of its own, and its cell is the address (top bit of the
// slot).  Pages never free or copy what is outside unless the function says so: moving a cell moves the
// ownership.

#ifndef STORE_RECORDS_PAGE_H
#define STORE_RECORDS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wherry/module.h"

enum { PAGE_MOST = 4096, CELL_MOST = 512, SLOT_BYTES = 2, SLOT_OUTSIDE = 0x8000 };

struct outside {
	size_t subkey_len, value_len;
	uint8_t bytes[];
};

struct page {
	uint16_t size;  // of the whole page, this header included; <= PAGE_MOST
	uint16_t cells; // bytes of cells, holes included
	uint16_t holes;
	uint16_t count;
	uint16_t slot[];
};

struct record {
	wherry_span subkey, value;
};

// A record made ready for a page.  Made before anything moves: subkey and value may point into the very page.
struct cell {
	struct outside *outside; // or NULL; the cell's owner's until it is in a page
	uint16_t len;
	uint8_t bytes[CELL_MOST];
};

size_t cell_size(wherry_span subkey, wherry_span value);              // in a page, its slot included
bool cell_make(struct cell *, wherry_span subkey, wherry_span value); // false: no memory
void cell_discard(struct cell *);
size_t cell_outside_memory(const struct cell *); // 0 if it is inside

struct page *page_new(size_t size); // NULL: no memory
void page_init(struct page *, size_t size);

// The index of the first record not below `subkey`.
unsigned page_find(const struct page *, wherry_span subkey, bool *found);
bool page_overwrite(struct page *, unsigned index, wherry_span value); // false: it has another length
void page_insert(struct page *, unsigned index, const struct cell *);  // there is page_free() for it
size_t page_remove(struct page *,
    unsigned index); // frees what is outside; answers how much memory that gave back
void page_append(struct page *to, const struct page *from, unsigned first, unsigned count); // behind the last
void page_truncate(struct page *, unsigned count); // forgets the cells behind, which are elsewhere now
void page_pack(struct page *);                     // closes the holes
bool page_copy_outside(struct page *); // a copied page gets copies of its own; false: it owns nothing outside
void page_free_outside(struct page *); // the page is empty then
size_t page_outside_memory(const struct page *);
const char *page_fault(const struct page *);

size_t page_cell_size(const struct page *, unsigned index); // as cell_size()

// Bytes between the slots and the cells.
static inline size_t page_free(const struct page *page)
{
	return page->size - sizeof *page - (size_t)page->count * SLOT_BYTES - page->cells;
}

// The least size of a page for what is in it.
static inline size_t page_live(const struct page *page)
{
	return sizeof *page + (size_t)page->count * SLOT_BYTES + page->cells - page->holes;
}

static inline const uint8_t *page_cell(const struct page *page, unsigned index)
{
	return (const uint8_t *)page + page->size - (page->slot[index] & ~SLOT_OUTSIDE);
}

static inline struct outside *page_outside(const struct page *page, unsigned index)
{
	struct outside *outside = NULL;
	if (page->slot[index] & SLOT_OUTSIDE)
		memcpy(&outside, page_cell(page, index), sizeof outside);
	return outside;
}

static inline const uint8_t *cell_length(const uint8_t *at, size_t *len)
{
	if (*at < 0x80) {
		*len = *at;
		return at + 1;
	}
	*len = (size_t)(*at & 0x7f) << 8 | at[1];
	return at + 2;
}

static inline struct record page_at(const struct page *page, unsigned index)
{
	const struct outside *outside = page_outside(page, index);
	if (outside != NULL)
		return (struct record){
		    {outside->bytes, outside->subkey_len}, {outside->bytes + outside->subkey_len, outside->value_len}};
	struct record record;
	const uint8_t *at = cell_length(page_cell(page, index), &record.subkey.len);
	at = cell_length(at, &record.value.len);
	record.subkey.ptr = at;
	record.value.ptr = at + record.subkey.len;
	return record;
}

#endif
