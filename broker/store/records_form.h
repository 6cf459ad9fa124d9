// The inside of the records: their two forms, and the tree's nodes.  For records*.c only.
//
// THE TREE.  Leaves hold pages of one size and are linked both ways.  An inner node has children, how many
// records are below each, and a separator in front of each but the first: no subkey on its left is >= it,
// none on its right < it.  Separators are copies of their own, so a removal never has to make one.  Nodes
// that become thin are joined with a sibling where the two fit well into one; nothing is borrowed.  A leaf
// remembers where the last insertion was: rising or falling runs split there, not in the middle, and leave
// full leaves behind.
//
// MEMORY.  Each function that can fail gets all it needs before it changes anything.  While records are taken
// out (records_take.h) a page may be empty and leaves thin: all but the fault checks live with that.

#ifndef STORE_RECORDS_FORM_H
#define STORE_RECORDS_FORM_H

#include "store/records.h"
#include "store/records_page.h"

struct records {
	union {
		struct page *page; // NULL: no records
		struct tree *tree;
	};
	uint64_t is_tree : 1, version : 63;
	size_t memory; // of all allocations, this one included
};

// More levels than any memory can fill; a put that would need another answers that there is none.
enum { TREE_FANOUT = 64, TREE_DEPTH = 24, LEAF_BYTES = 3064 };

struct leaf {
	struct leaf *prev, *next;
	uint32_t recent; // index of the last insertion
	uint32_t reserved;
	struct page page;
};

enum { LEAF_PAGE = LEAF_BYTES - offsetof(struct leaf, page) };

struct separator {
	size_t len;
	uint8_t bytes[];
};

// The first bytes of a subkey, the missing ones 0, in memcmp order.  Two heads that are equal decide nothing.
struct head {
	uint64_t first, second;
};

struct inner {
	unsigned count;
	struct head head[TREE_FANOUT]; // of the separator, so that a search seldom has to follow it; [0] is not used
	struct separator *separator[TREE_FANOUT];
	void *child[TREE_FANOUT];
	uint64_t below[TREE_FANOUT];
};

struct tree {
	void *root;      // a leaf if height is 0
	unsigned height; // levels of inner nodes
	uint64_t count;
	uint64_t bytes; // of the cells and slots, holes left out: what one page would need
};

// The way down to a leaf: the inner nodes, the root first, and the child taken in each.
struct path {
	struct inner *node[TREE_DEPTH];
	unsigned at[TREE_DEPTH];
};

_Static_assert((int)LEAF_PAGE <= (int)PAGE_MOST, "page_pack() has room for a leaf");
_Static_assert(RECORDS_PACKED_BYTES + CELL_MOST + SLOT_BYTES <= (int)LEAF_PAGE, "a packed page fits into a leaf");
_Static_assert((CELL_MOST + SLOT_BYTES) * 4 <= (int)LEAF_PAGE, "half a leaf and a cell leave room for a cell");

static inline struct leaf *leaf_of(const struct page *page)
{
	return (struct leaf *)((uintptr_t)page - offsetof(struct leaf, page));
}

static inline void form_touch(struct records *r)
{
	r->version = (r->version + 1) & (UINT64_MAX >> 1);
}

// Allocations that the records' memory counts.
void *form_alloc(struct records *, size_t size);
void form_free(struct records *, void *, size_t size);
// Puts the cell into a page of the records, in the place of the one there if `found`.  The page has room.
void form_put(struct records *, struct page *, unsigned index, bool found, const struct cell *);

// records_packed.c.  A put answers false where there is no memory, and has changed nothing.
bool packed_put(struct records *, wherry_span subkey, wherry_span value);
bool packed_del(struct records *, wherry_span subkey); // leaves the page as it is
void form_settle(struct records *); // gives back memory, or changes to packed, where records have become few

// records_tree.c
// The leaf where `subkey` is or would be, and the way there.
struct leaf *tree_descend(const struct tree *, wherry_span subkey, struct path *);
struct leaf *tree_edge(const struct tree *, int direction);   // the first leaf, with direction -1 the last
uint64_t tree_rank(const struct tree *, const struct path *); // records left of the path's leaf
// *rank is below count, and becomes the index in the leaf answered.
struct leaf *tree_seek_rank(const struct tree *, uint64_t *rank);
bool tree_put(struct records *, wherry_span subkey, wherry_span value);

// Copies children, with all that belongs to them; within one node too.  Counts are left to the caller.
void inner_carry(struct inner *to, unsigned at, const struct inner *from, unsigned first, unsigned count);
void inner_separate(struct inner *, unsigned at, struct separator *);

// records_mend.c
bool tree_del(struct records *, wherry_span subkey);   // an emptied tree stays a tree
void tree_mend(struct records *, const struct path *); // the leaf at the end of the path shrank

// records_whole.c.  What answers false had no memory, and left nothing.
bool tree_begin(struct records *); // of the cells of a page, which is the caller's to free
void tree_end(struct records *,
    struct page *);                                    // becomes packed: cells move into the page; NULL: they are freed
bool tree_copy(struct records *, const struct tree *); // becomes a copy
void separator_free(struct records *, struct separator *); // NULL does nothing
const char *tree_fault(const struct records *);

#endif
