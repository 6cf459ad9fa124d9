// wherry_write and wherry_read of checked modules.  A reply is written by the thread that runs the command, while it
// runs, and not once it has failed.

#include "module/checked_inside.h"

#include <stdio.h>

// The broker's own reply; NULL: nothing may be written now.
static wherry_out *reply_of(const wherry_out *out, const char *function)
{
	const struct checked_here *here = checked_here();
	struct watched *k = here != NULL ? here->run : NULL;
	if (k == NULL || out != k->reply) {
		char name[32];
		snprintf(name, sizeof(name), "write->%s", function);
		misuse_of_call(out, name);
		return NULL;
	}
	if (k->failed) {
		misuse_here("write->%s after fail(): an error has no reply", function);
		return NULL;
	}
	return k->real->face.reply;
}

static bool is_whole(wherry_span s, const char *function)
{
	if (!span_is_whole(s))
		misuse_here("write->%s: the span's ptr is NULL", function);
	return span_is_whole(s);
}

static void write_nil(wherry_out *out)
{
	wherry_out *reply = reply_of(out, "nil");
	if (reply != NULL)
		pack_nil(reply);
}

#define WRITES(name, pack, type)                              \
	static void write_##name(wherry_out *out, type value) \
	{                                                     \
		wherry_out *reply = reply_of(out, #name);     \
		if (reply != NULL)                            \
			pack(reply, value);                   \
	}
#define WRITES_SPAN(name, pack)                                      \
	static void write_##name(wherry_out *out, wherry_span value) \
	{                                                            \
		wherry_out *reply = reply_of(out, #name);            \
		if (reply != NULL && is_whole(value, #name))         \
			pack(reply, value);                          \
	}

WRITES(boolean, pack_bool, int32_t)
WRITES(integer, pack_int, int64_t)
WRITES(uinteger, pack_uint, uint64_t)
WRITES(real, pack_real, double)
WRITES(cstring, pack_cstring, const char *)
WRITES(array, pack_array, uint32_t)
WRITES(map, pack_map, uint32_t)
WRITES_SPAN(text, pack_text)
WRITES_SPAN(bytes, pack_bytes)
WRITES_SPAN(raw, pack_raw)

static void write_ext(wherry_out *out, int32_t type, wherry_span value)
{
	wherry_out *reply = reply_of(out, "ext");
	if (reply != NULL && is_whole(value, "ext"))
		pack_ext(reply, type, value);
}

static void write_revision(wherry_out *out)
{
	wherry_out *reply = reply_of(out, "revision");
	if (reply != NULL)
		pack_revision(reply);
}

const wherry_write checked_write = {
    .size = sizeof(wherry_write),
    .nil = write_nil,
    .boolean = write_boolean,
    .integer = write_integer,
    .uinteger = write_uinteger,
    .real = write_real,
    .text = write_text,
    .cstring = write_cstring,
    .bytes = write_bytes,
    .array = write_array,
    .map = write_map,
    .ext = write_ext,
    .raw = write_raw,
    .revision = write_revision,
};

// --- reading ----------------------------------------------------------------------------------------------------------

static bool is_there(const void *pointer, const char *function, const char *what)
{
	if (pointer == NULL)
		misuse_here("read->%s: %s is NULL", function, what);
	return pointer != NULL;
}

static int32_t read_value(wherry_span raw, wherry_value *out)
{
	if (!is_there(out, "value", "out") || !span_is_whole(raw))
		return WHERRY_EARG;
	return host_read.value(raw, out);
}

static int32_t read_open(const wherry_value *value, wherry_reader *reader)
{
	if (!is_there(value, "open", "the value") || !is_there(reader, "open", "the reader"))
		return WHERRY_EARG;
	return host_read.open(value, reader);
}

static int32_t read_next(wherry_reader *reader, wherry_value *out)
{
	if (!is_there(reader, "next", "the reader") || !is_there(out, "next", "out"))
		return WHERRY_EARG;
	return host_read.next(reader, out);
}

static int32_t read_equal(wherry_span a, wherry_span b)
{
	if (!span_is_whole(a) || !span_is_whole(b)) {
		misuse_here("read->equal: a span's ptr is NULL");
		return WHERRY_EARG;
	}
	return host_read.equal(a, b);
}

static int32_t read_canonical(const wherry_value *value, void *buffer, size_t room, size_t *len)
{
	if (!is_there(value, "canonical", "the value") || !is_there(len, "canonical", "len") ||
	    (room > 0 && !is_there(buffer, "canonical", "the buffer")))
		return WHERRY_EARG;
	return host_read.canonical(value, buffer, room, len);
}

static const char *read_glob_fault(wherry_span pattern)
{
	return host_read.glob_fault(pattern);
}

static int32_t is_glob(wherry_span text)
{
	return host_read.is_glob(text);
}

static int32_t read_glob(wherry_span pattern, wherry_span text)
{
	if (span_is_whole(pattern) && span_is_whole(text))
		return host_read.glob(pattern, text);
	misuse_here("read->glob: the ptr of %s is NULL", span_is_whole(pattern) ? "text" : "pattern");
	return WHERRY_EARG;
}

const wherry_read checked_read = {
    .size = sizeof(wherry_read),
    .value = read_value,
    .open = read_open,
    .next = read_next,
    .equal = read_equal,
    .canonical = read_canonical,
    .glob_fault = read_glob_fault,
    .glob = read_glob,
    .is_glob = is_glob,
};
