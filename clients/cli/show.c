// Answers as JSON, for people, and raw.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

bool text_is_plain(const char *text, size_t len)
{
	bool plain = true;
	for (size_t i = 0; i < len; i++)
		plain &= text[i] >= 0x20 && text[i] < 0x7f && text[i] != '"' && text[i] != '\\';
	return plain;
}

bool text_is_utf8(const char *text, size_t len)
{
	if (text_is_plain(text, len))
		return true;
	json_t *j = json_stringn(len > 0 ? text : "", len); // jansson checks
	json_decref(j);
	return j != NULL;
}

static bool is_overlong(const unsigned char *at)
{
	return at[0] < 0xc2 || (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
}

size_t tame_length(const unsigned char *at, const unsigned char *end)
{
	size_t len = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
	if (*at < 0x80)
		return (*at >= 0x20 && *at != 0x7f) || *at == '\n' || *at == '\t';
	if (*at > 0xf4 || (size_t)(end - at) < len || is_overlong(at) || (*at == 0xc2 && at[1] < 0xa0))
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void put_tame(const char *text, size_t len, bool in_line, FILE *f)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	for (size_t taken; at<end; at += taken> 0 ? taken : 1) {
		taken = tame_length(at, end);
		if (in_line && (*at == '\n' || *at == '\t'))
			fputs(*at == '\n' ? "\\n" : "\\t", f);
		else if (taken > 0)
			fwrite(at, 1, taken, f);
		else
			fprintf(f, "\\x%02x", *at);
	}
}

static bool text_is_tame(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	for (size_t taken; at < end && (taken = tame_length(at, end)) > 0;)
		at += taken;
	return at == end;
}

bool tuple_each(const msgpack_object *o, void (*each)(void *arg, size_t index, const msgpack_object *), void *arg)
{
	msgpack_unpacked u;
	size_t at = 0, index = 0, len = o->via.ext.size;
	msgpack_unpacked_init(&u);
	while (at < len && msgpack_unpack_next(&u, o->via.ext.ptr, len, &at) == MSGPACK_UNPACK_SUCCESS)
		each(arg, index++, &u.data);
	msgpack_unpacked_destroy(&u);
	return at == len;
}

static void count_element(void *arg, size_t index, const msgpack_object *element)
{
	(void)element;
	*(size_t *)arg = index + 1;
}

bool is_tuple(const msgpack_object *o)
{
	size_t count = 0;
	return o->type == MSGPACK_OBJECT_EXT && o->via.ext.type == EXT_TUPLE && tuple_each(o, count_element, &count);
}

// --- JSON ---------------------------------------------------------------------------------------------------------------

// Nearly all texts are plain, and the encoder takes ten times as long.
static void json_text(const char *text, size_t len, FILE *f)
{
	if (text_is_plain(text, len)) {
		fputc('"', f);
		fwrite(len > 0 ? text : "", 1, len, f);
		fputc('"', f);
		return;
	}
	json_t *j = json_stringn_nocheck(len > 0 ? text : "", len);
	char *json = json_dumps(j, JSON_ENCODE_ANY | (text_is_tame(text, len) ? 0 : JSON_ENSURE_ASCII));
	for (size_t i = 0; json != NULL && json[i] != 0; i++) {
		if (json[i] == 0x7f) // is left as it is
			fputs("\\u007F", f);
		else
			fputc(json[i], f);
	}
	free(json);
	json_decref(j);
}

static void json_base64(const char *form, const void *bytes, size_t len, FILE *f)
{
	char *text = base64_encode(bytes, len);
	fprintf(f, "{\"%s\": \"%s\"}", form, text != NULL ? text : "");
	free(text);
}

// The shortest digits that are read back as the same number, with a point or an exponent.
static void real_digits(double real, char text[40])
{
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, 40, "%.*g", precision, real);
		if (strtod(text, NULL) == real)
			break;
	}
	if (strpbrk(text, ".e") == NULL)
		strcat(text, ".0");
}

static void put_real(double real, FILE *f)
{
	char text[40];
	real_digits(real, text);
	if (isfinite(real))
		fputs(text, f);
	else
		fprintf(f, "{\"$real\": \"%s\"}", isnan(real) ? "nan" : real > 0 ? "inf" : "-inf");
}

// msgpack-c bounds how deep a value nests, but a tuple's content is a new one to it.
enum { TUPLES_MOST = 32 };

struct printing {
	FILE *file;
	unsigned tuples; // that it is inside of
};

static void put_json(struct printing *, const msgpack_object *);

static void json_element(void *arg, size_t index, const msgpack_object *element)
{
	struct printing *p = arg;
	if (index > 0)
		fputs(", ", p->file);
	put_json(p, element);
}

static void json_array_of(struct printing *p, const msgpack_object_array *a)
{
	fputc('[', p->file);
	for (uint32_t i = 0; i < a->size; i++)
		json_element(p, i, &a->ptr[i]);
	fputc(']', p->file);
}

static bool is_plain_key(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_STR && text_is_utf8(o->via.str.ptr, o->via.str.size);
}

// Whether the map can be a JSON object and would be read back as this map.
static bool is_object(const msgpack_object_map *m)
{
	if (m->size == 1 && is_plain_key(&m->ptr[0].key) && m->ptr[0].key.via.str.size > 0 &&
	    m->ptr[0].key.via.str.ptr[0] == '$')
		return false;
	for (uint32_t i = 0; i < m->size; i++)
		if (!is_plain_key(&m->ptr[i].key))
			return false;
	return true;
}

static void json_map(struct printing *p, const msgpack_object_map *m)
{
	FILE *f = p->file;
	bool object = is_object(m);
	fputs(object ? "{" : "{\"$map\": [", f);
	for (uint32_t i = 0; i < m->size; i++) {
		fputs(i > 0 ? ", " : "", f);
		fputs(object ? "" : "[", f);
		put_json(p, &m->ptr[i].key);
		fputs(object ? ": " : ", ", f);
		put_json(p, &m->ptr[i].val);
		fputs(object ? "" : "]", f);
	}
	fputs(object ? "}" : "]}", f);
}

static void json_tuple(struct printing *p, const msgpack_object *o)
{
	fputs("{\"$tuple\": [", p->file);
	p->tuples++;
	tuple_each(o, json_element, p);
	p->tuples--;
	fputs("]}", p->file);
}

// One too deep inside of others is told as what it is encoded as, and so is one whose content is damaged.
static void json_ext(struct printing *p, const msgpack_object *o)
{
	FILE *f = p->file;
	char text[TIME_ROOM] = "";
	if (p->tuples < TUPLES_MOST && is_tuple(o)) {
		json_tuple(p, o);
		return;
	}
	if (o->via.ext.type == EXT_TIME)
		time_print(&o->via.ext, text);
	if (text[0] != 0) {
		fprintf(f, "{\"$time\": \"%s\"}", text);
		return;
	}
	char *base64 = base64_encode(o->via.ext.ptr, o->via.ext.size);
	fprintf(f, "{\"$ext\": [%d, \"%s\"]}", o->via.ext.type, base64 != NULL ? base64 : "");
	free(base64);
}

static void put_json(struct printing *p, const msgpack_object *o)
{
	FILE *f = p->file;
	switch (o->type) {
	case MSGPACK_OBJECT_BOOLEAN:
		fputs(o->via.boolean ? "true" : "false", f);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		fprintf(f, "%" PRIu64, o->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		fprintf(f, "%" PRId64, o->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		put_real(o->via.f64, f);
		break;
	case MSGPACK_OBJECT_STR:
		if (text_is_utf8(o->via.str.ptr, o->via.str.size))
			json_text(o->via.str.ptr, o->via.str.size, f);
		else
			json_base64("$str", o->via.str.ptr, o->via.str.size, f);
		break;
	case MSGPACK_OBJECT_BIN:
		json_base64("$bin", o->via.bin.ptr, o->via.bin.size, f);
		break;
	case MSGPACK_OBJECT_ARRAY:
		json_array_of(p, &o->via.array);
		break;
	case MSGPACK_OBJECT_MAP:
		json_map(p, &o->via.map);
		break;
	case MSGPACK_OBJECT_EXT:
		json_ext(p, o);
		break;
	default:
		fputs("null", f);
	}
}

void value_as_json(const msgpack_object *o, FILE *f)
{
	struct printing p = {.file = f};
	put_json(&p, o);
}

// --- raw ----------------------------------------------------------------------------------------------------------------

// Where the content of an encoded str or bin begins; 0: it is of another kind.
static size_t content_at(const uint8_t *encoded)
{
	if ((encoded[0] & 0xe0) == 0xa0)
		return 1;
	switch (encoded[0]) {
	case 0xc4:
	case 0xd9:
		return 2;
	case 0xc5:
	case 0xda:
		return 3;
	case 0xc6:
	case 0xdb:
		return 5;
	default:
		return 0;
	}
}

bool value_raw(const void *encoded, size_t len, FILE *f)
{
	size_t at = content_at(encoded);
	return fwrite((const uint8_t *)encoded + at, 1, len - at, f) == len - at;
}
