// Answers in a line each.  The frequent ones take a short way: numbers, nil, yes and no, plain text.

#include <msgpack.h>
#include <string.h>

#include "pipe.h"
#include "value.h"

// --- the short way ------------------------------------------------------------------------------------------------------

static void put_number(uint64_t number, FILE *f)
{
	char digits[24], *at = digits + sizeof(digits);
	*--at = '\n';
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	fwrite_unlocked(at, 1, (size_t)(digits + sizeof(digits) - at), f);
}

static bool put_plain(const uint8_t *text, size_t len, bool json, FILE *f)
{
	if (!text_is_plain((const char *)text, len))
		return false;
	if (json)
		putc_unlocked('"', f);
	fwrite_unlocked(text, 1, len, f);
	if (json)
		putc_unlocked('"', f);
	putc_unlocked('\n', f);
	return true;
}

// false: nothing was written; it has to go the long way.
static bool put_quickly(const uint8_t *e, size_t len, bool json, FILE *f)
{
	if (e[0] < 0x80) {
		put_number(e[0], f);
		return true;
	}
	if ((e[0] & 0xe0) == 0xa0)
		return put_plain(e + 1, len - 1, json, f);
	switch (e[0]) {
	case 0xc0:
		fputs_unlocked(json ? "null\n" : "(nil)\n", f);
		return true;
	case 0xc2:
		fputs_unlocked("false\n", f);
		return true;
	case 0xc3:
		fputs_unlocked("true\n", f);
		return true;
	case 0xcc:
	case 0xcd:
	case 0xce:
	case 0xcf: {
		uint64_t number = 0;
		for (size_t i = 1; i < len; i++)
			number = number << 8 | e[i];
		put_number(number, f);
		return true;
	}
	case 0xd9:
		return put_plain(e + 2, len - 2, json, f);
	default:
		return false;
	}
}

// --- the long way -------------------------------------------------------------------------------------------------------

static void put_for_people(const msgpack_object *o, FILE *f)
{
	if (o->type == MSGPACK_OBJECT_NIL)
		fputs("(nil)", f);
	else if (o->type == MSGPACK_OBJECT_STR && text_is_utf8(o->via.str.ptr, o->via.str.size))
		put_tame(o->via.str.ptr, o->via.str.size, true, f);
	else
		value_as_json(o, f);
}

static void put_slowly(const struct settings *s, const wherry_reply *r, FILE *f)
{
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, r->result, r->result_len, NULL) != MSGPACK_UNPACK_SUCCESS)
		fputs("error: ELIMIT: the answer nests too deeply to be shown; -o raw writes it as it is", f);
	else if (s->output == OUTPUT_TABLE)
		put_for_people(&u.data, f);
	else
		value_as_json(&u.data, f);
	fputc('\n', f);
	msgpack_unpacked_destroy(&u);
}

void pipe_print_answer(const struct settings *s, const wherry_reply *r, FILE *f)
{
	if (s->output == OUTPUT_RAW) {
		value_raw(r->result, r->result_len, f);
		fputc('\n', f);
	} else if (!put_quickly(r->result, r->result_len, s->output == OUTPUT_JSON, f)) {
		put_slowly(s, r, f);
	}
}

void pipe_print_error(const wherry_error *e, FILE *f)
{
	fputs("error: ", f);
	put_tame(e->name, strlen(e->name), true, f);
	fputs(": ", f);
	put_tame(e->text, strlen(e->text), true, f);
	fputc('\n', f);
}
