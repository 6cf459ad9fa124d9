// Command lines to frames, for embed.h.

#include "embed.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "codec/cursor.h"
#include "codec/pack.h"
#include "codec/request.h"

// --- lines to frames
// ----------------------------------------------------------------------------------------------

struct command_line {
	const char *whole, *at;
};

static void bad(const struct command_line *l, const char *what)
{
	fail_msg("%s at character %td of the command line: %s", what, l->at - l->whole + 1, l->whole);
}

static void blanks(struct command_line *l)
{
	while (isspace((unsigned char)*l->at))
		l->at++;
}

static bool take(struct command_line *l, const char *token)
{
	size_t len = strlen(token);
	if (strncmp(l->at, token, len) != 0)
		return false;
	l->at += len;
	return true;
}

static uint8_t hex_byte(struct command_line *l)
{
	char digits[3] = {l->at[0], l->at[0] ? l->at[1] : 0, 0};
	char *end;
	unsigned long byte = strtoul(digits, &end, 16);
	if (end != digits + 2)
		bad(l, "\\x wants two hexadecimal digits");
	l->at += 2;
	return (uint8_t)byte;
}

static uint8_t escaped(struct command_line *l)
{
	switch (*l->at++) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case '0':
		return 0;
	case 'x':
		return hex_byte(l);
	default:
		return (uint8_t)l->at[-1];
	}
}

// Behind the opening quote.
static void quoted(struct command_line *l, struct buffer *content)
{
	while (*l->at != '"') {
		if (*l->at == 0)
			bad(l, "a string does not end");
		uint8_t byte = (uint8_t)*l->at++;
		buffer_byte(content, byte == '\\' ? escaped(l) : byte);
	}
	l->at++;
}

static bool number(const char *word, wherry_out *out)
{
	if (strcmp(word, "+inf") == 0 || strcmp(word, "-inf") == 0) {
		pack_real(out, word[0] == '-' ? -INFINITY : INFINITY);
		return true;
	}
	if (strcmp(word, "+nan") == 0) {
		pack_real(out, (double)NAN);
		return true;
	}
	const char *digits = word + (*word == '-' || *word == '+');
	if (!isdigit((unsigned char)*digits))
		return false;
	char *end;
	errno = 0;
	if (strpbrk(word, ".eE") != NULL) {
		double real = strtod(word, &end);
		if (*end == 0)
			pack_real(out, real);
	} else if (*word == '-') {
		int64_t i = strtoll(word, &end, 10);
		if (*end == 0)
			pack_int(out, i);
	} else {
		uint64_t u = strtoull(word, &end, 10);
		if (*end == 0)
			pack_uint(out, u);
	}
	return *end == 0 && errno == 0;
}

static void word(struct command_line *l, bool inside, wherry_out *out)
{
	size_t len = inside ? strcspn(l->at, " \t\n,:]})") : strcspn(l->at, " \t\n");
	if (len == 0)
		bad(l, "a value is missing");
	char *text = strndup(l->at, len);
	assert_non_null(text);
	l->at += len;
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		pack_bool(out, text[0] == 't');
	else if (strcmp(text, "null") == 0)
		pack_nil(out);
	else if (!number(text, out))
		pack_cstring(out, text);
	free(text);
}

static void value(struct command_line *l, bool inside, wherry_out *out);

// Elements up to `close`, packed after one another; answers how many values there are.
static uint32_t elements(struct command_line *l, char close, struct buffer *content)
{
	struct wherry_out out = {.buffer = content};
	uint32_t count = 0;
	for (blanks(l); *l->at != close; blanks(l)) {
		if (*l->at == 0)
			bad(l, "a list does not end");
		value(l, true, &out);
		count++;
		blanks(l);
		if (*l->at == ',' || *l->at == ':')
			l->at++;
	}
	l->at++;
	return count;
}

static void pack_time(wherry_out *out, wherry_span numbers)
{
	struct cursor c = cursor_of(numbers);
	wherry_value seconds = {0}, nanos = {0};
	cursor_next(&c, &seconds);
	cursor_next(&c, &nanos);
	uint8_t content[12];
	for (unsigned i = 0; i < 4; i++)
		content[i] = (uint8_t)((uint64_t)nanos.as.i >> (24 - 8 * i));
	for (unsigned i = 0; i < 8; i++)
		content[4 + i] = (uint8_t)((uint64_t)seconds.as.i >> (56 - 8 * i));
	pack_ext(out, EXT_TIME, span_of(content, sizeof content));
}

static void pack_other(wherry_out *out, wherry_span elements_of)
{
	struct cursor c = cursor_of(elements_of);
	wherry_value type = {0}, content = {0};
	cursor_next(&c, &type);
	cursor_next(&c, &content);
	pack_ext(out, (int32_t)type.as.i, content.as.bytes);
}

static bool container(struct command_line *l, wherry_out *out)
{
	struct buffer content = {0};
	bool found = true;
	if (take(l, "[")) {
		pack_array(out, elements(l, ']', &content));
		pack_raw(out, buffer_span(&content));
	} else if (take(l, "{")) {
		pack_map(out, elements(l, '}', &content) / 2);
		pack_raw(out, buffer_span(&content));
	} else if (take(l, "t(")) {
		elements(l, ')', &content);
		pack_ext(out, EXT_TUPLE, buffer_span(&content));
	} else if (take(l, "time(")) {
		elements(l, ')', &content);
		pack_time(out, buffer_span(&content));
	} else if (take(l, "x(")) {
		elements(l, ')', &content);
		pack_other(out, buffer_span(&content));
	} else {
		found = false;
	}
	buffer_free(&content);
	return found;
}

static bool string(struct command_line *l, wherry_out *out)
{
	struct buffer content = {0};
	bool found = true;
	if (take(l, "b\"")) {
		quoted(l, &content);
		pack_bytes(out, buffer_span(&content));
	} else if (take(l, "\"")) {
		quoted(l, &content);
		pack_text(out, buffer_span(&content));
	} else {
		found = false;
	}
	buffer_free(&content);
	return found;
}

static void value(struct command_line *l, bool inside, wherry_out *out)
{
	if (!string(l, out) && !container(l, out))
		word(l, inside, out);
}

// Behind the two dashes.
static void option(struct command_line *l, wherry_out *out)
{
	size_t len = strcspn(l->at, " \t\n=");
	char *name = strndup(l->at, len);
	assert_non_null(name);
	for (char *c = name; *c != 0; c++)
		*c = *c == '-' ? '_' : *c;
	pack_cstring(out, name);
	free(name);
	l->at += len;
	if (take(l, "="))
		value(l, false, out);
	else
		pack_bool(out, true);
}

static void request(struct command_line *l, uint32_t id, struct buffer *frame)
{
	struct buffer params = {0}, options = {0};
	struct wherry_out out = {.buffer = frame}, into_params = {.buffer = &params},
			  into_options = {.buffer = &options};
	uint32_t param_count = 0, option_count = 0;
	blanks(l);
	const char *method = l->at;
	size_t method_len = strcspn(method, " \t\n");
	l->at += method_len;
	for (blanks(l); *l->at != 0 && *l->at != ';'; blanks(l)) {
		if (take(l, "--")) {
			option(l, &into_options);
			option_count++;
		} else {
			value(l, false, &into_params);
			param_count++;
		}
	}
	pack_array(&out, option_count > 0 ? 5 : 4);
	pack_uint(&out, REQUEST_CALL);
	pack_uint(&out, id);
	pack_text(&out, span_of(method, method_len));
	pack_array(&out, param_count);
	pack_raw(&out, buffer_span(&params));
	if (option_count > 0) {
		pack_map(&out, option_count);
		pack_raw(&out, buffer_span(&options));
	}
	buffer_free(&params);
	buffer_free(&options);
}

void embed_encode(const char *text, struct buffer *frame)
{
	struct command_line l = {text, text};
	uint32_t id = 1;
	do {
		request(&l, id++, frame);
	} while (take(&l, ";"));
	assert_false(frame->failed);
}
