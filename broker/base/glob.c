// Patterns over keys, byte by byte.  One star is remembered at a time, so a match never takes longer than
// pattern times text; and a key that would take long is given up, since its stripe is held meanwhile.

#include "base/glob.h"

#include <string.h>

enum { GLOB_STEPS = 1 << 16 }; // sixteen looks at each byte of the longest key

// The end of the item (one byte, an escape, a set) at p; NULL if it isn't complete.
static const uint8_t *item_end(const uint8_t *p, const uint8_t *end)
{
	if (*p == '\\')
		return end - p >= 2 ? p + 2 : NULL;
	if (*p != '[')
		return p + 1;
	p++;
	if (p < end && *p == '^')
		p++;
	for (; p < end && *p != ']'; p++)
		if (*p == '\\' && ++p == end)
			return NULL;
	return p < end ? p + 1 : NULL;
}

// p: behind the bracket; end: at the closing one.
static bool in_set(const uint8_t *p, const uint8_t *end, uint8_t c)
{
	bool inverted = *p == '^';
	bool found = false;
	for (p += inverted; p < end; p++) {
		if (*p == '\\')
			p++;
		uint8_t low = *p, high = low;
		if (end - p > 2 && p[1] == '-') {
			p += p[2] == '\\' && end - p > 3 ? 3 : 2;
			high = *p;
		}
		found = found || (c >= low && c <= high);
	}
	return found != inverted;
}

static bool item_matches(const uint8_t *p, const uint8_t *end, uint8_t c)
{
	switch (*p) {
	case '?':
		return true;
	case '\\':
		return p[1] == c;
	case '[':
		return in_set(p + 1, end - 1, c);
	default:
		return *p == c;
	}
}

// An empty span's pointer may be NULL, which can't be counted from.
static const uint8_t *bytes_of(wherry_span span)
{
	static const uint8_t nothing[1];
	return span.len ? span.ptr : nothing;
}

const char *glob_fault(wherry_span pattern)
{
	const uint8_t *p = bytes_of(pattern), *end = p + pattern.len;
	if (pattern.len > GLOB_MOST)
		return "match is longer than 1024 bytes";
	while (p < end) {
		bool set = *p == '[';
		p = item_end(p, end);
		if (!p)
			return set ? "match has a [ without its ]; \\[ means the byte itself"
				   : "match ends in a backslash; \\\\ means the byte itself";
	}
	return NULL;
}

enum glob_answer glob_match(wherry_span pattern, wherry_span text)
{
	const uint8_t *p = bytes_of(pattern), *p_end = p + pattern.len;
	const uint8_t *t = bytes_of(text), *t_end = t + text.len;
	const uint8_t *behind_star = NULL, *star_text = NULL;
	size_t steps = 0;
	while (t < t_end) {
		if (p < p_end && *p == '*') {
			behind_star = ++p;
			star_text = t;
			continue;
		}
		const uint8_t *end = p < p_end ? item_end(p, p_end) : p;
		steps += (size_t)(end - p) + 1;
		if (steps > GLOB_STEPS)
			return GLOB_COSTLY;
		if (p < p_end && item_matches(p, end, *t)) {
			p = end;
			t++;
		} else if (behind_star) {
			p = behind_star;
			t = ++star_text;
		} else {
			return GLOB_NO;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end ? GLOB_YES : GLOB_NO;
}

bool glob_is_pattern(wherry_span text)
{
	for (const uint8_t *at = bytes_of(text), *end = at + text.len; at < end; at++)
		if (memchr("*?[\\", *at, 4) != NULL)
			return true;
	return false;
}
