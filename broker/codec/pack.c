// Answers: pack.h.  msgpack-c's packer writes the values; the callback is a constant, so it is compiled into
// each function rather than called.

#include "codec/pack.h"

#include <msgpack/pack.h>

#include "base/mem.h"
#include "base/status.h"
#include "base/text.h"
#include "codec/shape.h"

enum { FIRST_SPOTS = 8, REVISION_BYTES = 9 };

static inline int write_buffer(void *data, const char *bytes, size_t len)
{
	buffer_append(data, bytes, len);
	return 0; // a failure is kept in the buffer
}

static inline msgpack_packer packer(struct buffer *b)
{
	return (msgpack_packer){.data = b, .callback = write_buffer};
}

static void text_to(struct buffer *b, wherry_span text)
{
	msgpack_packer pk = packer(b);
	if (text.len > UINT32_MAX) {
		b->failed = true;
		return;
	}
	msgpack_pack_str(&pk, text.len);
	buffer_append(b, text.ptr, text.len);
}

void pack_nil(wherry_out *out)
{
	msgpack_packer pk = packer(out->buffer);
	msgpack_pack_nil(&pk);
}

void pack_bool(wherry_out *out, int32_t truth)
{
	msgpack_packer pk = packer(out->buffer);
	if (truth)
		msgpack_pack_true(&pk);
	else
		msgpack_pack_false(&pk);
}

void pack_int(wherry_out *out, int64_t number)
{
	msgpack_packer pk = packer(out->buffer);
	msgpack_pack_int64(&pk, number);
}

void pack_uint(wherry_out *out, uint64_t number)
{
	msgpack_packer pk = packer(out->buffer);
	msgpack_pack_uint64(&pk, number);
}

void pack_real(wherry_out *out, double number)
{
	msgpack_packer pk = packer(out->buffer);
	msgpack_pack_double(&pk, number);
}

void pack_text(wherry_out *out, wherry_span text)
{
	text_to(out->buffer, text);
}

void pack_cstring(wherry_out *out, const char *text)
{
	if (text == NULL)
		pack_nil(out);
	else
		text_to(out->buffer, span_text(text));
}

void pack_bytes(wherry_out *out, wherry_span bytes)
{
	msgpack_packer pk = packer(out->buffer);
	if (bytes.len > UINT32_MAX) {
		out->buffer->failed = true;
		return;
	}
	msgpack_pack_bin(&pk, bytes.len);
	buffer_append(out->buffer, bytes.ptr, bytes.len);
}

void pack_array(wherry_out *out, uint32_t count)
{
	msgpack_packer pk = packer(out->buffer);
	msgpack_pack_array(&pk, count);
}

void pack_map(wherry_out *out, uint32_t pairs)
{
	msgpack_packer pk = packer(out->buffer);
	msgpack_pack_map(&pk, pairs);
}

void pack_ext(wherry_out *out, int32_t type, wherry_span content)
{
	msgpack_packer pk = packer(out->buffer);
	if (content.len > UINT32_MAX || type < INT8_MIN || type > UINT8_MAX) {
		out->buffer->failed = true;
		return;
	}
	msgpack_pack_ext(&pk, content.len, (int8_t)type);
	buffer_append(out->buffer, content.ptr, content.len);
}

void pack_raw(wherry_out *out, wherry_span values)
{
	buffer_append(out->buffer, values.ptr, values.len);
}

static bool remember_spot(struct revision_spots *spots, size_t at)
{
	if (spots->count == spots->room) {
		size_t room = spots->room == 0 ? FIRST_SPOTS : spots->room * 2;
		size_t *grown = mem_resize(spots->at, room * sizeof(*grown));
		if (grown == NULL)
			return false;
		spots->at = grown;
		spots->room = room;
	}
	spots->at[spots->count++] = at;
	return true;
}

void pack_revision(wherry_out *out)
{
	static const uint8_t zero[REVISION_BYTES] = {0xcf};
	if (out->spots != NULL && !remember_spot(out->spots, out->buffer->len))
		out->buffer->failed = true;
	buffer_append(out->buffer, zero, sizeof(zero));
}

void pack_patch_revisions(wherry_out *out, uint64_t revision)
{
	if (out->spots == NULL)
		return;
	for (size_t i = 0; !out->buffer->failed && i < out->spots->count; i++)
		put_be(out->buffer->data + out->spots->at[i], 0xcf, revision, 8);
	out->spots->count = 0;
}

void revision_spots_free(struct revision_spots *spots)
{
	mem_free(spots->at);
	*spots = (struct revision_spots){0};
}

// Once a request, and always these few bytes: written without the packer's steps.
void pack_response_head(struct buffer *b, uint32_t id)
{
	if (!buffer_reserve(b, 8))
		return;
	uint8_t *at = b->data + b->len;
	*at++ = 0x94;
	*at++ = 1;
	at += put_uint(at, id);
	*at++ = 0xc0;
	b->len = (size_t)(at - b->data);
}

static void pack_pair(wherry_out *out, const char *name, int64_t number)
{
	pack_cstring(out, name);
	pack_int(out, number);
}

static void pack_details(wherry_out *out, const struct pack_error *e)
{
	uint32_t pairs = (uint32_t)(e->retry_ms >= 0) + (uint32_t)(e->index >= 0) + (uint32_t)(e->did_you_mean != NULL);
	if (pairs == 0) {
		pack_nil(out);
		return;
	}
	pack_map(out, pairs);
	if (e->retry_ms >= 0)
		pack_pair(out, "retry_ms", e->retry_ms);
	if (e->index >= 0)
		pack_pair(out, "index", e->index);
	if (e->did_you_mean != NULL) {
		pack_cstring(out, "did_you_mean");
		pack_cstring(out, e->did_you_mean);
	}
}

// A text that a module made may hold bytes of a client's: a str that is no UTF-8 would be unreadable to many
// clients.
static const char *error_text(const struct pack_error *e)
{
	bool fit = e->text != NULL && text_is_utf8(span_text(e->text));
	return fit ? e->text : status_text(e->status);
}

void pack_error(wherry_out *out, const struct pack_error *e)
{
	pack_array(out, 4);
	pack_int(out, e->status);
	pack_cstring(out, status_name(e->status));
	pack_cstring(out, error_text(e));
	pack_details(out, e);
}

void pack_error_response(struct buffer *b, bool has_id, uint32_t id, const struct pack_error *e)
{
	struct wherry_out out = {.buffer = b};
	pack_array(&out, 4);
	pack_int(&out, 1);
	if (has_id)
		pack_uint(&out, id);
	else
		pack_nil(&out);
	pack_error(&out, e);
	pack_nil(&out);
}

const struct wherry_write pack_table = {
    .size = sizeof(pack_table),
    .nil = pack_nil,
    .boolean = pack_bool,
    .integer = pack_int,
    .uinteger = pack_uint,
    .real = pack_real,
    .text = pack_text,
    .cstring = pack_cstring,
    .bytes = pack_bytes,
    .array = pack_array,
    .map = pack_map,
    .ext = pack_ext,
    .raw = pack_raw,
    .revision = pack_revision,
};
