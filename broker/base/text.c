// UTF-8 and sentences in a fixed room: text.h.

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"

static bool is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

// The second byte of a character carries what the first can't say: no overlong form, no surrogate, nothing
// above U+10FFFF.
static bool is_second(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_tail(second);
	}
}

size_t utf8_length(const uint8_t *at, size_t left)
{
	uint8_t first = at[0];
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	size_t len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (left < len || !is_second(first, at[1]))
		return 0;
	for (size_t i = 2; i < len; i++)
		if (!is_tail(at[i]))
			return 0;
	return len;
}

static bool eight_ascii(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool text_is_utf8(wherry_span text)
{
	const uint8_t *at = text.ptr;
	size_t left = text.len;
	while (left > 0) {
		size_t len = left >= 8 && eight_ascii(at) ? 8 : *at < 0x80 ? 1 : utf8_length(at, left);
		if (len == 0)
			return false;
		at += len;
		left -= len;
	}
	return true;
}

// Length of the character at `at` if it may stand in a message as it is; 0: escape the byte.  C1 controls
// (U+0080 to U+009F) steer terminals like the C0 ones.
static size_t printable(const uint8_t *at, size_t left)
{
	size_t len = utf8_length(at, left);
	bool control = at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && len == 2 && at[1] < 0xa0);
	return control ? 0 : len;
}

static void piece(struct line *l, const char *text, size_t len)
{
	if (l->cut || l->room == 0 || len > l->room - 1 - l->len) {
		l->cut = true;
		return;
	}
	memcpy(l->text + l->len, text, len);
	l->len += len;
	if (l->len + sizeof("...") <= l->room)
		l->safe = l->len;
}

static void escape(struct line *l, uint8_t byte)
{
	char text[8];
	const char *name = byte == '"' ? "\\\"" : byte == '\\' ? "\\\\" : byte == '\n' ? "\\n" : NULL;
	int len =
	    name != NULL ? snprintf(text, sizeof(text), "%s", name) : snprintf(text, sizeof(text), "\\x%02x", byte);
	piece(l, text, (size_t)len);
}

struct line line_of(char *text, size_t room)
{
	return (struct line){.text = text, .room = room};
}

void line_add(struct line *l, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;
	for (size_t left = strlen(text); left > 0 && !l->cut;) {
		size_t len = utf8_length(at, left);
		len = len == 0 ? 1 : len;
		piece(l, (const char *)at, len);
		at += len;
		left -= len;
	}
}

static void show(struct line *l, wherry_span bytes, bool quoted)
{
	const uint8_t *at = bytes.ptr;
	for (size_t left = bytes.len; left > 0 && !l->cut;) {
		size_t len = quoted && (*at == '"' || *at == '\\') ? 0 : printable(at, left);
		if (len == 0)
			escape(l, *at);
		else
			piece(l, (const char *)at, len);
		len = len == 0 ? 1 : len;
		at += len;
		left -= len;
	}
}

void line_quote(struct line *l, wherry_span bytes)
{
	piece(l, "\"", 1);
	show(l, bytes, true);
	piece(l, "\"", 1);
}

void line_show(struct line *l, const char *text)
{
	show(l, span_text(text), false);
}

void line_number(struct line *l, int64_t number)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRId64, number);
	piece(l, text, (size_t)len);
}

const char *line_end(struct line *l)
{
	if (l->room == 0)
		return "";
	if (l->cut && l->room > sizeof("...")) {
		memcpy(l->text + l->safe, "...", 3);
		l->len = l->safe + 3;
	}
	l->text[l->len] = '\0';
	return l->text;
}

bool text_is_bare(wherry_span text)
{
	const uint8_t *at = text.ptr;
	for (size_t left = text.len; left > 0;) {
		size_t len = printable(at, left);
		if (len == 0 || *at == ' ' || *at == '"' || *at == '\\' || *at == '=')
			return false;
		at += len;
		left -= len;
	}
	return text.len > 0;
}
