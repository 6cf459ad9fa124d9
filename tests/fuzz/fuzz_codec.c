// Frames of any bytes: what cursor_check() lets through is walked, made keys of, sliced as requests and
// compared with what msgpack-c reads from it.  (msgpack-c sees only checked bytes: from others it allocates
// without bound.)

#include <math.h>
#include <stdlib.h>

#include <msgpack/unpack.h>

#include "codec/cursor.h"
#include "codec/key.h"
#include "codec/request.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { KEY_MOST = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_cut(wherry_span key)
{
	for (size_t room = 0; room < 40; room += 13) {
		char text[40];
		REQUIRE(strlen(key_print(key, text, room)) < (room > 0 ? room : 1));
	}
}

// A canonical key is its own canonical form, and the same value as what it was made of.
static void try_key(const wherry_value *value)
{
	struct buffer scratch = {0}, none = {0};
	wherry_span key;
	const char *why = NULL;
	int status = key_canonical(value, KEY_MOST, &scratch, &key, &why);
	REQUIRE((status == WHERRY_EARG) == (why != NULL));
	REQUIRE(status == 1 || scratch.len == 0);
	if (status == 1)
		key = span_of(scratch.data + scratch.len - key.len, key.len);
	if (status >= 0) {
		wherry_value again;
		struct cursor c = cursor_of(key);
		wherry_span same;
		const struct codec_limits limits = {.depth = CODEC_DEPTH_MOST, .elements = UINT32_MAX};
		REQUIRE(key.len <= KEY_MOST && cursor_check(key, &limits, NULL, NULL) == 1);
		REQUIRE(cursor_next(&c, &again));
		REQUIRE(key_canonical(&again, KEY_MOST, &none, &same, &why) == WHERRY_OK && span_equal(same, key));
		REQUIRE(values_equal(value->raw, key) && values_equal(key, value->raw));
		print_cut(key);
	}
	buffer_free(&none);
	buffer_free(&scratch);
}

static uint64_t walk(wherry_span bytes)
{
	uint64_t seen = 0;
	struct cursor c = cursor_of(bytes), skipping = c;
	for (wherry_value v; cursor_next(&c, &v); seen++) {
		cursor_skip(&skipping);
		REQUIRE(c.at == skipping.at && c.at <= c.end);
		if (v.kind & (WHERRY_LIST | WHERRY_MAP | WHERRY_TUPLE)) {
			uint64_t inside = walk(v.as.bytes);
			REQUIRE(inside == (v.kind == WHERRY_MAP ? 2 : 1) * (uint64_t)v.reserved0);
		}
		if (v.raw.len <= 2 * KEY_MOST)
			try_key(&v);
	}
	REQUIRE(c.at == c.end);
	return seen;
}

static void compare(const wherry_value *ours, const msgpack_object *theirs);

static void compare_elements(const wherry_value *ours, const msgpack_object *theirs)
{
	struct cursor c = cursor_of(ours->as.bytes);
	wherry_value v;
	bool map = theirs->type == MSGPACK_OBJECT_MAP;
	REQUIRE(ours->kind == (map ? WHERRY_MAP : WHERRY_LIST));
	REQUIRE(ours->reserved0 == (map ? theirs->via.map.size : theirs->via.array.size));
	for (uint32_t i = 0; i < ours->reserved0; i++) {
		REQUIRE(cursor_next(&c, &v));
		compare(&v, map ? &theirs->via.map.ptr[i].key : &theirs->via.array.ptr[i]);
		if (map) {
			REQUIRE(cursor_next(&c, &v));
			compare(&v, &theirs->via.map.ptr[i].val);
		}
	}
	REQUIRE(c.at == c.end);
}

static bool same_bytes(const wherry_value *ours, uint32_t kinds, const void *ptr, uint32_t len)
{
	return (ours->kind & kinds) != 0 && span_equal(ours->as.bytes, span_of(ptr, len));
}

static bool same_ext(const wherry_value *ours, const msgpack_object_ext *theirs)
{
	if (ours->kind == WHERRY_TIME)
		return theirs->type == EXT_TIME;
	if (ours->kind == WHERRY_TUPLE ? theirs->type != EXT_TUPLE : ours->reserved0 != (uint8_t)theirs->type)
		return false;
	return same_bytes(ours, WHERRY_TUPLE | WHERRY_EXT, theirs->ptr, theirs->size);
}

static bool same_real(const wherry_value *ours, double theirs)
{
	return ours->kind == WHERRY_REAL && (ours->as.real == theirs || (isnan(ours->as.real) && isnan(theirs)));
}

static void compare(const wherry_value *ours, const msgpack_object *theirs)
{
	switch (theirs->type) {
	case MSGPACK_OBJECT_NIL:
		REQUIRE(ours->kind == WHERRY_NIL);
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		REQUIRE(ours->kind == WHERRY_BOOL && ours->as.i == theirs->via.boolean);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		REQUIRE(ours->kind == (theirs->via.u64 > INT64_MAX ? WHERRY_UINT : WHERRY_INT));
		REQUIRE(ours->as.u == theirs->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		REQUIRE(ours->kind == WHERRY_INT && ours->as.i == theirs->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		REQUIRE(same_real(ours, theirs->via.f64));
		break;
	case MSGPACK_OBJECT_STR:
		REQUIRE(same_bytes(ours, WHERRY_TEXT, theirs->via.str.ptr, theirs->via.str.size));
		break;
	case MSGPACK_OBJECT_BIN:
		REQUIRE(same_bytes(ours, WHERRY_BYTES, theirs->via.bin.ptr, theirs->via.bin.size));
		break;
	case MSGPACK_OBJECT_EXT:
		REQUIRE(same_ext(ours, &theirs->via.ext));
		break;
	default:
		compare_elements(ours, theirs);
	}
}

static void compare_frame(wherry_span frame)
{
	struct cursor c = cursor_of(frame);
	msgpack_unpacked theirs;
	msgpack_unpacked_init(&theirs);
	size_t at = 0;
	for (wherry_value ours; cursor_next(&c, &ours);) {
		REQUIRE(msgpack_unpack_next(&theirs, frame.ptr, frame.len, &at) == MSGPACK_UNPACK_SUCCESS);
		REQUIRE(at == (size_t)(c.at - (const uint8_t *)frame.ptr));
		compare(&ours, &theirs.data);
		REQUIRE(values_equal(ours.raw, ours.raw));
	}
	msgpack_unpacked_destroy(&theirs);
}

static void slice_requests(wherry_span frame, int64_t objects)
{
	struct cursor c = cursor_of(frame);
	for (; objects > 0; objects--) {
		struct request r;
		const char *why = NULL;
		if (request_slice(&c, &r, &why) != WHERRY_OK) {
			REQUIRE(why != NULL);
			continue;
		}
		REQUIRE(walk(r.params) == r.param_count);
		REQUIRE(walk(r.options) == 2 * (uint64_t)r.option_count);
	}
	REQUIRE(c.at == c.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct codec_limits limits = {.depth = 24, .elements = 4096};
	wherry_span frame = span_of(data, size);
	const char *why = NULL;
	size_t at = SIZE_MAX;
	int64_t objects = cursor_check(frame, &limits, &why, &at);
	if (objects < 0) {
		REQUIRE(objects == WHERRY_EARG && why != NULL && at <= size);
		return 0;
	}
	REQUIRE(walk(frame) == (uint64_t)objects);
	compare_frame(frame);
	slice_requests(frame, objects);
	return 0;
}
