// The records of one key: the face of the two forms.  See records_form.h.

#include "store/records.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "store/records_form.h"

struct records *records_new(void)
{
	struct records *r = mem_zalloc(sizeof *r);
	if (r != NULL)
		r->memory = mem_cost(sizeof *r);
	return r;
}

// Answers how it ends: with no records, in the packed form.
static void clear(struct records *r)
{
	if (r->is_tree) {
		tree_end(r, NULL);
	} else if (r->page != NULL) {
		page_free_outside(r->page);
		mem_free(r->page);
		r->page = NULL;
	}
}

void records_free(struct records *r)
{
	if (r == NULL)
		return;
	clear(r);
	mem_free(r);
}

static struct page *page_clone(const struct page *from)
{
	struct page *page = page_new(from->size);
	if (page == NULL)
		return NULL;
	memcpy(page, from, from->size);
	if (page_copy_outside(page))
		return page;
	mem_free(page);
	return NULL;
}

struct records *records_clone(const struct records *from)
{
	struct records *r = records_new();
	if (r == NULL)
		return NULL;
	r->version = from->version;
	bool complete = true;
	if (from->is_tree) {
		complete = tree_copy(r, from->tree);
	} else if (from->page != NULL) {
		r->page = page_clone(from->page);
		r->memory = from->memory;
		complete = r->page != NULL;
	}
	if (complete)
		return r;
	mem_free(r);
	return NULL;
}

uint64_t records_count(const struct records *r)
{
	if (r->is_tree)
		return r->tree->count;
	return r->page == NULL ? 0 : r->page->count;
}

size_t records_memory(const struct records *r)
{
	return r->memory;
}

uint64_t records_version(const struct records *r)
{
	return r->version;
}

bool records_is_tree(const struct records *r)
{
	return r->is_tree;
}

// --- finding ---------------------------------------------------------------------------------------------

// The page and index of the first record not below `subkey`; the index may be behind the last of the page.
static struct page *find(const struct records *r, wherry_span subkey, struct path *path, unsigned *index, bool *found)
{
	struct page *page = r->is_tree ? &tree_descend(r->tree, subkey, path)->page : r->page;
	*found = false;
	*index = page == NULL ? 0 : page_find(page, subkey, found);
	return page;
}

bool records_get(const struct records *r, wherry_span subkey, wherry_span *value)
{
	struct path path;
	unsigned index;
	bool found;
	const struct page *page = find(r, subkey, &path, &index, &found);
	if (found)
		*value = page_at(page, index).value;
	return found;
}

bool records_rank(const struct records *r, wherry_span subkey, uint64_t *rank)
{
	struct path path;
	unsigned index;
	bool found;
	find(r, subkey, &path, &index, &found);
	if (found)
		*rank = index + (r->is_tree ? tree_rank(r->tree, &path) : 0);
	return found;
}

static struct records_place place_at(const struct page *page, unsigned index)
{
	return (struct records_place){.leaf = page, .index = index};
}

// The first record (direction 1) or the last (-1) of this leaf or, where it is empty, of the next that is
// not.
static struct records_place leaf_place(const struct leaf *leaf, int direction)
{
	while (leaf != NULL && leaf->page.count == 0)
		leaf = direction < 0 ? leaf->prev : leaf->next;
	if (leaf == NULL)
		return place_at(NULL, 0);
	return place_at(&leaf->page, direction < 0 ? leaf->page.count - 1u : 0);
}

// The nearest record before (-1) or behind (1) all of this page.
static struct records_place beyond(const struct records *r, const struct page *page, int direction)
{
	if (!r->is_tree)
		return place_at(NULL, 0);
	const struct leaf *leaf = leaf_of(page);
	return leaf_place(direction < 0 ? leaf->prev : leaf->next, direction);
}

static struct records_place seek_last(const struct records *r)
{
	if (r->is_tree)
		return leaf_place(tree_edge(r->tree, -1), -1);
	return records_count(r) == 0 ? place_at(NULL, 0) : place_at(r->page, r->page->count - 1u);
}

struct records_place records_seek(const struct records *r, wherry_span subkey, int direction)
{
	if (direction < 0 && subkey.len == 0)
		return seek_last(r);
	struct path path;
	unsigned index;
	bool found;
	const struct page *page = find(r, subkey, &path, &index, &found);
	if (page == NULL)
		return place_at(NULL, 0);
	if (direction < 0 && !found)
		return index > 0 ? place_at(page, index - 1) : beyond(r, page, -1);
	return index < page->count ? place_at(page, index) : beyond(r, page, 1);
}

struct records_place records_seek_rank(const struct records *r, uint64_t rank)
{
	if (rank >= records_count(r))
		return place_at(NULL, 0);
	const struct page *page = r->is_tree ? &tree_seek_rank(r->tree, &rank)->page : r->page;
	return place_at(page, (unsigned)rank);
}

bool records_step(
    const struct records *r, struct records_place *place, int direction, wherry_span *subkey, wherry_span *value)
{
	const struct page *page = place->leaf;
	if (page == NULL)
		return false;
	struct record record = page_at(page, place->index);
	*subkey = record.subkey;
	*value = record.value;
	if (direction < 0)
		*place = place->index > 0 ? place_at(page, place->index - 1) : beyond(r, page, -1);
	else
		*place = place->index + 1 < page->count ? place_at(page, place->index + 1) : beyond(r, page, 1);
	return true;
}

// --- changing --------------------------------------------------------------------------------------------

int records_put(struct records *r, wherry_span subkey, wherry_span value)
{
	if (!(r->is_tree ? tree_put(r, subkey, value) : packed_put(r, subkey, value)))
		return WHERRY_ENOMEM;
	form_touch(r);
	return WHERRY_OK;
}

bool records_del(struct records *r, wherry_span subkey)
{
	if (!(r->is_tree ? tree_del(r, subkey) : packed_del(r, subkey)))
		return false;
	form_settle(r);
	form_touch(r);
	return true;
}

bool records_patch(struct records *r, wherry_span subkey, uint64_t at, wherry_span bytes)
{
	wherry_span value;
	if (!records_get(r, subkey, &value) || at > value.len || bytes.len > value.len - at)
		return false;
	if (bytes.len > 0)
		memmove((uint8_t *)value.ptr + at, bytes.ptr, bytes.len); // it may be part of the value
	form_touch(r);
	return true;
}

const char *records_fault(const struct records *r)
{
	if (r->is_tree)
		return tree_fault(r);
	size_t memory = mem_cost(sizeof *r);
	if (r->page != NULL) {
		if (r->page->count == 0)
			return "an empty page was kept";
		const char *fault = page_fault(r->page);
		if (fault != NULL)
			return fault;
		memory += mem_cost(r->page->size) + page_outside_memory(r->page);
	}
	return memory == r->memory ? NULL : "the memory is miscounted";
}
