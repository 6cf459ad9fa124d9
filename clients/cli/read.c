// Text and JSON into msgpack.

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

enum { FILE_MOST = 256 << 20, DEPTH = 100 }; // a client has at most so much under way

static bool fail(char *why, const char *what, const char *about)
{
	snprintf(why, VALUE_WHY, "%s%.100s", what, about);
	return false;
}

static void pack_text(msgpack_packer *p, const char *text, size_t len)
{
	msgpack_pack_str(p, len);
	msgpack_pack_str_body(p, text, len);
}

static void pack_bytes(msgpack_packer *p, const void *bytes, size_t len)
{
	msgpack_pack_bin(p, len);
	msgpack_pack_bin_body(p, bytes, len);
}

// --- JSON's missing kinds -----------------------------------------------------------------------------------------------

static bool from_json(const json_t *, msgpack_packer *, char *why, unsigned depth);

static unsigned char *decode(const json_t *base64, size_t *len)
{
	bool whole = json_is_string(base64) && strlen(json_string_value(base64)) == json_string_length(base64);
	return whole ? base64_decode(json_string_value(base64), len) : NULL;
}

static bool from_bin(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	size_t len;
	unsigned char *bytes = decode(j, &len);
	(void)depth;
	if (bytes == NULL)
		return fail(why, "$bin takes base64", "");
	pack_bytes(p, bytes, len);
	free(bytes);
	return true;
}

static bool from_str(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	size_t len;
	unsigned char *bytes = decode(j, &len);
	(void)depth;
	if (bytes == NULL)
		return fail(why, "$str takes base64", "");
	pack_text(p, (const char *)bytes, len);
	free(bytes);
	return true;
}

static bool from_tuple(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	msgpack_sbuffer inner;
	msgpack_packer inner_packer;
	if (!json_is_array(j))
		return fail(why, "$tuple takes a list", "");
	msgpack_sbuffer_init(&inner);
	msgpack_packer_init(&inner_packer, &inner, msgpack_sbuffer_write);
	bool ok = true;
	for (size_t i = 0; ok && i < json_array_size(j); i++)
		ok = from_json(json_array_get(j, i), &inner_packer, why, depth);
	if (ok) {
		msgpack_pack_ext(p, inner.size, EXT_TUPLE);
		msgpack_pack_ext_body(p, inner.data, inner.size);
	}
	msgpack_sbuffer_destroy(&inner);
	return ok;
}

static bool from_time(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	int64_t seconds;
	uint32_t nanoseconds;
	(void)depth;
	if (!json_is_string(j) || !time_read(json_string_value(j), &seconds, &nanoseconds))
		return fail(why, "$time takes text such as 2026-01-31T12:00:00.5Z", "");
	msgpack_timestamp t = {.tv_sec = seconds, .tv_nsec = nanoseconds};
	msgpack_pack_timestamp(p, &t);
	return true;
}

static bool from_ext(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	size_t len;
	const json_t *type = json_array_get(j, 0);
	unsigned char *bytes = decode(json_array_get(j, 1), &len);
	(void)depth;
	bool ok = bytes != NULL && json_array_size(j) == 2 && json_is_integer(type) &&
		  json_integer_value(type) >= -128 && json_integer_value(type) <= 127;
	if (ok) {
		msgpack_pack_ext(p, len, (int8_t)json_integer_value(type));
		msgpack_pack_ext_body(p, bytes, len);
	}
	free(bytes);
	return ok || fail(why, "$ext takes [TYPE, BASE64], TYPE from -128 to 127", "");
}

static bool from_map(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	bool ok = json_is_array(j);
	for (size_t i = 0; ok && i < json_array_size(j); i++)
		ok = json_array_size(json_array_get(j, i)) == 2;
	if (!ok)
		return fail(why, "$map takes a list of [KEY, VALUE]", "");
	msgpack_pack_map(p, json_array_size(j));
	for (size_t i = 0; ok && i < 2 * json_array_size(j); i++)
		ok = from_json(json_array_get(json_array_get(j, i / 2), i % 2), p, why, depth);
	return ok;
}

static bool from_real(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	char *end = NULL;
	double real = json_is_string(j) ? strtod(json_string_value(j), &end) : 0;
	(void)depth;
	if (end == NULL || end == json_string_value(j) || *end != 0)
		return fail(why, "$real takes text: nan, inf, -inf or a number", "");
	msgpack_pack_double(p, real);
	return true;
}

static const struct {
	const char *name;
	bool (*read)(const json_t *, msgpack_packer *, char *why, unsigned depth);
} forms[] = {
    {"$bin", from_bin},
    {"$str", from_str},
    {"$tuple", from_tuple},
    {"$time", from_time},
    {"$ext", from_ext},
    {"$map", from_map},
    {"$real", from_real},
};

// --- JSON ---------------------------------------------------------------------------------------------------------------

static bool from_object(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	const char *key;
	json_t *value;
	bool ok = true;
	for (size_t i = 0; json_object_size(j) == 1 && i < sizeof(forms) / sizeof(forms[0]); i++)
		if ((value = json_object_get(j, forms[i].name)) != NULL)
			return forms[i].read(value, p, why, depth);
	msgpack_pack_map(p, json_object_size(j));
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		pack_text(p, key, strlen(key));
		ok = ok && from_json(value, p, why, depth);
	}
	return ok;
}

static bool from_array(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	bool ok = true;
	msgpack_pack_array(p, json_array_size(j));
	for (size_t i = 0; ok && i < json_array_size(j); i++)
		ok = from_json(json_array_get(j, i), p, why, depth);
	return ok;
}

static bool from_json(const json_t *j, msgpack_packer *p, char *why, unsigned depth)
{
	if (depth == 0)
		return fail(why, "nested too deeply", "");
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return from_object(j, p, why, depth - 1);
	case JSON_ARRAY:
		return from_array(j, p, why, depth - 1);
	case JSON_STRING:
		pack_text(p, json_string_value(j), json_string_length(j));
		return true;
	case JSON_INTEGER:
		msgpack_pack_int64(p, json_integer_value(j));
		return true;
	case JSON_REAL:
		msgpack_pack_double(p, json_real_value(j));
		return true;
	case JSON_TRUE:
		msgpack_pack_true(p);
		return true;
	case JSON_FALSE:
		msgpack_pack_false(p);
		return true;
	default:
		msgpack_pack_nil(p);
		return true;
	}
}

bool value_from_json(const json_t *j, msgpack_packer *p, char *why)
{
	return from_json(j, p, why, DEPTH);
}

// --- a command line's text ----------------------------------------------------------------------------------------------

static bool pack_file(FILE *file, const char *name, msgpack_packer *p, char *why)
{
	size_t len = 0, room = 1 << 16, got;
	char *bytes = malloc(room);
	while (bytes != NULL && len <= FILE_MOST && (got = fread(bytes + len, 1, room - len, file)) > 0) {
		len += got;
		if (len < room)
			continue;
		char *grown = realloc(bytes, room *= 2);
		if (grown == NULL)
			free(bytes);
		bytes = grown;
	}
	bool ok = bytes != NULL && len <= FILE_MOST && ferror(file) == 0;
	if (ok)
		pack_bytes(p, bytes, len);
	else
		snprintf(
		    why, VALUE_WHY, "%.100s: %s", name, ferror(file) != 0 ? strerror(errno) : "more than can be sent");
	free(bytes);
	return ok;
}

static bool pack_named_file(const char *name, msgpack_packer *p, char *why)
{
	if (name[0] == 0)
		return fail(why, "@ takes the name of a file, as in @photo.jpg; @@ is the text @", "");
	FILE *file = fopen(name, "re");
	if (file == NULL) {
		snprintf(why, VALUE_WHY, "%.100s: %s", name, strerror(errno));
		return false;
	}
	bool ok = pack_file(file, name, p, why);
	fclose(file);
	return ok;
}

// JSON's integers; 007 is none.
static bool is_integer(const char *text)
{
	text += *text == '-';
	size_t digits = strspn(text, "0123456789");
	return digits > 0 && text[digits] == 0 && (text[0] != '0' || digits == 1);
}

static bool pack_integer(const char *text, msgpack_packer *p, char *why)
{
	errno = 0;
	if (text[0] == '-')
		msgpack_pack_int64(p, strtoll(text, NULL, 10));
	else
		msgpack_pack_uint64(p, strtoull(text, NULL, 10));
	return errno == 0 || fail(why, "an integer is -2^63 to 2^64-1, not ", text);
}

static bool is_ascii(const char *text, size_t len)
{
	unsigned char all = 0;
	for (size_t i = 0; i < len; i++)
		all |= (unsigned char)text[i];
	return all < 0x80;
}

bool value_read_raw(const char *text, msgpack_packer *p, char *why)
{
	size_t len = strlen(text);
	if (!is_ascii(text, len) && !text_is_utf8(text, len))
		return fail(why, "text has to be UTF-8; bytes are taken from a file, by @FILE", "");
	pack_text(p, text, len);
	return true;
}

// Whether it is worth asking the parser, which is slow and gets to see much plain text: false only where it would refuse.
static bool may_be_json(const char *text)
{
	text += strspn(text, " \t\r\n");
	switch (text[0]) {
	case '{':
	case '[':
	case '"':
		return true;
	case 't':
		return strncmp(text, "true", 4) == 0;
	case 'f':
		return strncmp(text, "false", 5) == 0;
	case 'n':
		return strncmp(text, "null", 4) == 0;
	case '-':
		return isdigit((unsigned char)text[1]);
	default:
		return isdigit((unsigned char)text[0]) && text[strspn(text, "0123456789.eE+- \t\r\n")] == 0;
	}
}

static bool pack_json_or_text(const char *text, msgpack_packer *p, char *why)
{
	json_error_t error;
	json_t *j = may_be_json(text) ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error) : NULL;
	if (j != NULL) {
		bool ok = value_from_json(j, p, why);
		json_decref(j);
		return ok;
	}
	if (may_be_json(text) && json_error_code(&error) == json_error_numeric_overflow)
		return fail(why, "a number is too large in ", text);
	return value_read_raw(text, p, why);
}

bool value_read(const char *text, msgpack_packer *p, char *why)
{
	if (strcmp(text, "-") == 0)
		return pack_file(stdin, "the standard input", p, why);
	if (text[0] == '@' && text[1] == '@')
		return value_read_raw(text + 1, p, why);
	if (text[0] == '@')
		return pack_named_file(text + 1, p, why);
	return is_integer(text) ? pack_integer(text, p, why) : pack_json_or_text(text, p, why);
}
