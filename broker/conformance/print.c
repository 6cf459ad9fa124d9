// A request as the command line would write it, to be tried again by hand.  The forms are those of `wherry help values`.

#include "conformance/world.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MOST = 32, RUN_LEAST = 64 };

static void add_format(struct line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_format(struct line *l, const char *format, ...)
{
	char text[128];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_add(l, text);
}

// A long run of one byte, as a shell makes it; the word stands in ' ' already.
static bool print_run(struct line *l, wherry_span bytes, char byte, const char *format, size_t count)
{
	const char *at = bytes.ptr;
	if (bytes.len <= RUN_LEAST || at[0] != byte || memcmp(at, at + 1, bytes.len - 1) != 0)
		return false;
	line_add(l, "'$(printf %0");
	line_number(l, (int64_t)count);
	line_add(l, format);
	return true;
}

static void print_base64(struct line *l, wherry_span bytes)
{
	if (bytes.len % 3 == 0 && print_run(l, bytes, 0, "d 0 | tr 0 A)'", bytes.len / 3 * 4))
		return;
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *at = bytes.ptr;
	for (size_t left = bytes.len; left > 0 && !l->cut; at += 3) {
		uint32_t three = (uint32_t)at[0] << 16 | (left > 1 ? (uint32_t)at[1] << 8 : 0) | (left > 2 ? at[2] : 0);
		char four[5] = {digits[three >> 18], digits[three >> 12 & 63], left > 1 ? digits[three >> 6 & 63] : '=',
		    left > 2 ? digits[three & 63] : '=', 0};
		line_add(l, four);
		left -= left < 3 ? left : 3;
	}
}

// Within ' of a shell: ' itself is written as \u0027, which JSON reads.
static void print_text(struct line *l, wherry_span text)
{
	if (!text_is_utf8(text)) {
		line_add(l, "{\"$str\": \"");
		print_base64(l, text);
		line_add(l, "\"}");
		return;
	}
	const uint8_t *at = text.ptr;
	line_add(l, "\"");
	bool run = print_run(l, text, '0', "d 0)'", text.len);
	for (size_t i = 0; i < text.len && !l->cut && !run; i++) {
		char one[2] = {(char)at[i], 0};
		if (at[i] < 0x20 || at[i] == 0x7f || at[i] == '"' || at[i] == '\\' || at[i] == '\'')
			add_format(l, "\\u%04x", at[i]);
		else
			line_add(l, one);
	}
	line_add(l, "\"");
}

static void print_real(struct line *l, double real)
{
	char text[40];
	snprintf(text, sizeof(text), "%.17g", real);
	if (!isfinite(real))
		add_format(l, "{\"$real\": \"%s\"}", isnan(real) ? "nan" : real > 0 ? "inf" : "-inf");
	else
		add_format(l, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static void print_list(struct line *l, wherry_span elements, unsigned depth)
{
	struct cursor c = cursor_of(elements);
	wherry_value v;
	line_add(l, "[");
	for (bool first = true; !l->cut && cursor_next(&c, &v); first = false) {
		line_add(l, first ? "" : ", ");
		value_print(l, v.raw, depth + 1);
	}
	line_add(l, "]");
}

static void print_map(struct line *l, wherry_span pairs, unsigned depth)
{
	struct cursor c = cursor_of(pairs);
	wherry_value v;
	line_add(l, "{\"$map\": [");
	for (bool key = true; !l->cut && cursor_next(&c, &v); key = !key) {
		line_add(l, !key ? ", " : v.raw.ptr != pairs.ptr ? "], [" : "[");
		value_print(l, v.raw, depth + 1);
	}
	line_add(l, pairs.len > 0 ? "]]}" : "]}");
}

static void print_time(struct line *l, const wherry_value *v)
{
	time_t seconds = (time_t)v->as.i;
	struct tm utc;
	char text[64] = "?";
	if (gmtime_r(&seconds, &utc) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	add_format(l, "{\"$time\": \"%s.%09" PRIu32 "Z\"}", text, v->reserved0);
}

static void print_wrapped(struct line *l, const char *before, wherry_span bytes, const char *behind)
{
	line_add(l, before);
	print_base64(l, bytes);
	line_add(l, behind);
}

static void print_one(struct line *l, const wherry_value *v, unsigned depth)
{
	switch (v->kind) {
	case WHERRY_BOOL:
		line_add(l, v->as.i ? "true" : "false");
		break;
	case WHERRY_INT:
		add_format(l, "%" PRId64, v->as.i);
		break;
	case WHERRY_UINT:
		add_format(l, "%" PRIu64, v->as.u);
		break;
	case WHERRY_REAL:
		print_real(l, v->as.real);
		break;
	case WHERRY_TEXT:
		print_text(l, v->as.bytes);
		break;
	case WHERRY_BYTES:
		print_wrapped(l, "{\"$bin\": \"", v->as.bytes, "\"}");
		break;
	case WHERRY_LIST:
		print_list(l, v->as.bytes, depth);
		break;
	case WHERRY_MAP:
		print_map(l, v->as.bytes, depth);
		break;
	case WHERRY_TIME:
		print_time(l, v);
		break;
	case WHERRY_TUPLE:
		line_add(l, "{\"$tuple\": ");
		print_list(l, v->as.bytes, depth);
		line_add(l, "}");
		break;
	case WHERRY_EXT:
		add_format(l, "{\"$ext\": [%d", (int8_t)v->reserved0);
		print_wrapped(l, ", \"", v->as.bytes, "\"]}");
		break;
	default:
		line_add(l, "null");
	}
}

void value_print(struct line *l, wherry_span value, unsigned depth)
{
	struct cursor c = cursor_of(value);
	wherry_value v;
	if (depth > DEPTH_MOST || !cursor_next(&c, &v))
		line_add(l, "...");
	else
		print_one(l, &v, depth);
}

static bool is_bare(const char *word)
{
	return word[0] != 0 && word[0] != '-' && strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(word);
}

static void print_word(struct line *l, wherry_span value)
{
	char word[REQUEST_ROOM];
	struct line w = line_of(word, sizeof(word));
	value_print(&w, value, 0);
	line_end(&w);
	if (is_bare(word) || (word[0] == '-' && is_bare(word + 1))) {
		line_add(l, word);
		return;
	}
	line_add(l, "'");
	line_add(l, word);
	line_add(l, "'");
}

// As --name, the underscores dashes.
static void print_option_name(struct line *l, wherry_span name)
{
	char text[80];
	size_t len = name.len < sizeof(text) - 1 ? name.len : sizeof(text) - 1;
	memcpy(text, name.ptr, len);
	text[len] = 0;
	for (char *at = text; *at != 0; at++)
		*at = *at == '_' ? '-' : *at;
	add_format(l, " --%s=", text);
}

const char *request_print(wherry_span object, char *text, size_t room)
{
	struct cursor c = cursor_of(object);
	struct request r;
	const char *why;
	struct line l = line_of(text, room);
	wherry_value v, name;
	if (request_slice(&c, &r, &why) != WHERRY_OK)
		return "";
	add_format(&l, "wherry %.*s", (int)r.method.len, (const char *)r.method.ptr);
	struct cursor params = cursor_of(r.params), options = cursor_of(r.options);
	while (cursor_next(&params, &v)) {
		line_add(&l, " ");
		print_word(&l, v.raw);
	}
	while (cursor_next(&options, &name) && cursor_next(&options, &v)) {
		print_option_name(&l, name.as.bytes);
		print_word(&l, v.raw);
	}
	return line_end(&l);
}
