// JSON log lines: log_json.h.

#include "base/log_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { VALUE_ROOM = 512, FIELD_ROOM = 2 * VALUE_ROOM };

static const char cut_field[] = ",\"cut\":\"true\"";

struct json {
	char *text;
	size_t len, room; // of it, what the end needs is kept free
};

// One character, escaped: how much of the text it is, and *len bytes in out.  C1 controls steer terminals, too.
static size_t character(const uint8_t *at, size_t left, char out[static 8], size_t *len)
{
	size_t used = utf8_length(at, left);
	unsigned control = at[0] < 0x20 || at[0] == 0x7f                ? at[0]
			   : at[0] == 0xc2 && used == 2 && at[1] < 0xa0 ? at[1]
									: 0;
	if (used == 0)
		*len = (size_t)snprintf(out, 8, "\\ufffd");
	else if (at[0] == '"' || at[0] == '\\')
		*len = (size_t)snprintf(out, 8, "\\%c", at[0]);
	else if (at[0] == '\n')
		*len = (size_t)snprintf(out, 8, "\\n");
	else if (control != 0)
		*len = (size_t)snprintf(out, 8, "\\u%04x", control);
	else
		memcpy(out, at, *len = used);
	return used == 0 ? 1 : used;
}

// In quotes; a long one is cut between characters.
static size_t quoted(const char *text, char out[static VALUE_ROOM])
{
	const uint8_t *at = (const uint8_t *)text;
	size_t len = 1;
	out[0] = '"';
	for (size_t left = strlen(text); left > 0;) {
		char one[8];
		size_t one_len, used = character(at, left, one, &one_len);
		if (len + one_len + sizeof("...\"") > VALUE_ROOM) {
			memcpy(out + len, "...", 3);
			len += 3;
			break;
		}
		memcpy(out + len, one, one_len);
		len += one_len;
		at += used;
		left -= used;
	}
	out[len++] = '"';
	return len;
}

static bool field(struct json *j, const char *name, const char *value)
{
	char text[FIELD_ROOM + 4];
	size_t len = 0;
	text[len++] = j->len == 0 ? '{' : ',';
	len += quoted(name, text + len);
	text[len++] = ':';
	len += quoted(value, text + len);
	if (len > j->room - j->len)
		return false;
	memcpy(j->text + j->len, text, len);
	j->len += len;
	return true;
}

size_t log_json(char *out, size_t room, const char *time, const char *level, const char *event, va_list pairs)
{
	struct json j = {out, 0, room - sizeof(cut_field)};
	bool whole = field(&j, "time", time) && field(&j, "level", level) && field(&j, "event", event);
	for (const char *key; whole && (key = va_arg(pairs, const char *)) != NULL;) {
		const char *value = va_arg(pairs, const char *);
		whole = field(&j, key, value != NULL ? value : "");
	}
	if (!whole) {
		memcpy(out + j.len, cut_field, sizeof(cut_field) - 1);
		j.len += sizeof(cut_field) - 1;
	}
	out[j.len++] = '}';
	return j.len;
}
