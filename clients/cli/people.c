// Answers for people: strings bare, lists one element a line, maps one pair a line, lists of maps as a table.

#include <stdlib.h>
#include <string.h>

#include "value.h"

static void put_bytes(const char *bytes, size_t len, FILE *f)
{
	fputs("b\"", f);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c >= 0x20 && c < 0x7f)
			fputc(c, f);
		else
			fprintf(f, "\\x%02x", c);
	}
	fputc('"', f);
}

static void put_text(const char *text, size_t len, FILE *f, bool terminal)
{
	if (len == 0) // then msgpack-c has no pointer either
		return;
	if (!terminal)
		fwrite(text, 1, len, f);
	else if (text_is_utf8(text, len))
		put_tame(text, len, false, f);
	else
		put_bytes(text, len, f);
}

static void put_scalar(const msgpack_object *o, FILE *f, bool terminal)
{
	char text[TIME_ROOM] = "";
	if (o->type == MSGPACK_OBJECT_EXT && o->via.ext.type == EXT_TIME)
		time_print(&o->via.ext, text);
	if (o->type == MSGPACK_OBJECT_STR)
		put_text(o->via.str.ptr, o->via.str.size, f, terminal);
	else if (o->type == MSGPACK_OBJECT_BIN)
		put_text(o->via.bin.ptr, o->via.bin.size, f, terminal);
	else if (o->type == MSGPACK_OBJECT_NIL)
		fputs("(nil)", f);
	else if (text[0] != 0)
		fputs(text, f);
	else
		value_as_json(o, f);
}

// --- tables -------------------------------------------------------------------------------------------------------------

// Inside a table, what has a name stands by its name.
static const msgpack_object *by_name(const msgpack_object *o)
{
	for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
		const msgpack_object *key = &o->via.map.ptr[i].key;
		if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == 4 &&
		    memcmp(key->via.str.ptr, "name", 4) == 0)
			return &o->via.map.ptr[i].val;
	}
	return o;
}

static void put_cell(const msgpack_object *o, FILE *f, bool terminal)
{
	if (o->type != MSGPACK_OBJECT_ARRAY) {
		put_scalar(o, f, terminal);
		return;
	}
	for (uint32_t i = 0; i < o->via.array.size; i++) {
		fputs(i > 0 ? " " : "", f);
		put_scalar(by_name(&o->via.array.ptr[i]), f, terminal);
	}
}

// On a terminal, a column is at most so wide: json shows all.
enum { COLUMN = 60 };

static void cut_cell(char *text)
{
	size_t width = 0;
	for (; *text != 0; text++) {
		width += ((unsigned char)*text & 0xc0) != 0x80;
		if (width > COLUMN) {
			memcpy(text - 3, "...", 4);
			return;
		}
	}
}

static char *cell_text(const msgpack_object *o, bool terminal)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (f == NULL)
		return NULL;
	if (o != NULL && o->type != MSGPACK_OBJECT_NIL)
		put_cell(o, f, terminal);
	fclose(f);
	for (char *c = text; c != NULL && *c != 0; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	if (text != NULL && terminal)
		cut_cell(text);
	return text;
}

static size_t width_of(const char *text)
{
	size_t width = 0;
	for (; *text != 0; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const msgpack_object *find(const msgpack_object_map *m, const msgpack_object *key)
{
	for (uint32_t i = 0; i < m->size; i++)
		if (msgpack_object_equal(m->ptr[i].key, *key))
			return &m->ptr[i].val;
	return NULL;
}

// Rows of maps, all with the first one's keys.
static bool is_table(const msgpack_object_array *a)
{
	for (uint32_t row = 0; row < a->size; row++) {
		if (a->ptr[row].type != MSGPACK_OBJECT_MAP || a->ptr[row].via.map.size != a->ptr[0].via.map.size)
			return false;
		const msgpack_object_map *first = &a->ptr[0].via.map;
		for (uint32_t i = 0; i < first->size; i++)
			if (first->ptr[i].key.type != MSGPACK_OBJECT_STR ||
			    find(&a->ptr[row].via.map, &first->ptr[i].key) == NULL)
				return false;
	}
	return a->size > 0 && a->ptr[0].via.map.size > 0;
}

static void put_row(char *const *cells, const size_t *widths, uint32_t columns, FILE *f)
{
	for (uint32_t c = 0; c < columns; c++) {
		const char *cell = cells[c] != NULL ? cells[c] : "";
		fputs(cell, f);
		for (size_t pad = width_of(cell); c + 1 < columns && pad < widths[c] + 2; pad++)
			fputc(' ', f);
	}
	fputc('\n', f);
}

static void fill_cells(const msgpack_object_array *a, char **cells, size_t *widths, bool terminal)
{
	const msgpack_object_map *head = &a->ptr[0].via.map;
	for (size_t i = 0; i < (size_t)(a->size + 1) * head->size; i++) {
		const msgpack_object *key = &head->ptr[i % head->size].key;
		const msgpack_object *value = i < head->size ? key : find(&a->ptr[i / head->size - 1].via.map, key);
		cells[i] = cell_text(value, terminal);
		size_t width = cells[i] != NULL ? width_of(cells[i]) : 0;
		if (width > widths[i % head->size])
			widths[i % head->size] = width;
	}
}

static bool put_table(const msgpack_object_array *a, FILE *f, bool terminal)
{
	uint32_t columns = a->ptr[0].via.map.size;
	size_t count = (size_t)(a->size + 1) * columns;
	char **cells = calloc(count, sizeof(*cells));
	size_t *widths = calloc(columns, sizeof(*widths));
	bool ok = cells != NULL && widths != NULL;
	if (ok)
		fill_cells(a, cells, widths, terminal);
	for (size_t row = 0; ok && row <= a->size; row++)
		put_row(cells + row * columns, widths, columns, f);
	for (size_t i = 0; cells != NULL && i < count; i++)
		free(cells[i]);
	free(cells);
	free(widths);
	return ok;
}

// --- by kind ------------------------------------------------------------------------------------------------------------

struct page {
	FILE *file;
	bool terminal;
};

static void put_line(void *arg, size_t index, const msgpack_object *o)
{
	const struct page *page = arg;
	(void)index;
	put_scalar(o, page->file, page->terminal);
	fputc('\n', page->file);
}

static void put_pairs(const msgpack_object_map *m, const struct page *page)
{
	for (uint32_t i = 0; i < m->size; i++) {
		put_scalar(&m->ptr[i].key, page->file, page->terminal);
		fputs(": ", page->file);
		put_scalar(&m->ptr[i].val, page->file, page->terminal);
		fputc('\n', page->file);
	}
}

void value_for_people(const msgpack_object *o, FILE *f, bool terminal)
{
	struct page page = {f, terminal};
	bool empty = (o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == 0) ||
		     (o->type == MSGPACK_OBJECT_MAP && o->via.map.size == 0);
	if (empty)
		fputs("(empty)\n", f);
	else if (o->type == MSGPACK_OBJECT_ARRAY && is_table(&o->via.array) && put_table(&o->via.array, f, terminal))
		return;
	else if (o->type == MSGPACK_OBJECT_ARRAY)
		for (uint32_t i = 0; i < o->via.array.size; i++)
			put_line(&page, i, &o->via.array.ptr[i]);
	else if (o->type == MSGPACK_OBJECT_MAP)
		put_pairs(&o->via.map, &page);
	else if (is_tuple(o) && o->via.ext.size > 0)
		tuple_each(o, put_line, &page);
	else
		put_line(&page, 0, o);
}
