// Answers as JSON, for people, and raw.

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

bool text_is_utf8(const char *text, size_t len)
{
	json_t *j = json_stringn(len > 0 ? text : "", len); // jansson checks
	json_decref(j);
	return j != NULL;
}

bool acts_on_terminal(const unsigned char *at, const unsigned char *end)
{
	if (*at < 0x20)
		return *at != '\n' && *at != '\t';
	return *at == 0x7f || (*at == 0xc2 && at + 1 < end && at[1] < 0xa0);
}

static bool text_is_tame(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	while (at < end && !acts_on_terminal(at, end))
		at++;
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

static void json_text(const char *text, size_t len, FILE *f)
{
	json_t *j = json_stringn_nocheck(len > 0 ? text : "", len);
	if (j != NULL)
		json_dumpf(j, f, JSON_ENCODE_ANY | (text_is_tame(text, len) ? 0 : JSON_ENSURE_ASCII));
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

static void json_element(void *arg, size_t index, const msgpack_object *element)
{
	if (index > 0)
		fputs(", ", arg);
	value_as_json(element, arg);
}

static void json_array_of(const msgpack_object_array *a, FILE *f)
{
	fputc('[', f);
	for (uint32_t i = 0; i < a->size; i++)
		json_element(f, i, &a->ptr[i]);
	fputc(']', f);
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

static void json_map(const msgpack_object_map *m, FILE *f)
{
	bool object = is_object(m);
	fputs(object ? "{" : "{\"$map\": [", f);
	for (uint32_t i = 0; i < m->size; i++) {
		fputs(i > 0 ? ", " : "", f);
		fputs(object ? "" : "[", f);
		value_as_json(&m->ptr[i].key, f);
		fputs(object ? ": " : ", ", f);
		value_as_json(&m->ptr[i].val, f);
		fputs(object ? "" : "]", f);
	}
	fputs(object ? "}" : "]}", f);
}

static void json_ext(const msgpack_object *o, FILE *f)
{
	char text[TIME_ROOM] = "";
	if (is_tuple(o)) {
		fputs("{\"$tuple\": [", f);
		tuple_each(o, json_element, f);
		fputs("]}", f);
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

void value_as_json(const msgpack_object *o, FILE *f)
{
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
		json_array_of(&o->via.array, f);
		break;
	case MSGPACK_OBJECT_MAP:
		json_map(&o->via.map, f);
		break;
	case MSGPACK_OBJECT_EXT:
		json_ext(o, f);
		break;
	default:
		fputs("null", f);
	}
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
