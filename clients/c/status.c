// What codes are called, and errors for callers.

#include <stdio.h>

#include "inside.h"

static const struct {
	int status;
	const char *name, *text;
} statuses[] = {
#define ROW(suffix, number, text) {number, #suffix, text},
    WHERRY_STATUS_LIST(ROW)
#undef ROW
};

static size_t find_status(int status)
{
	size_t fallback = 0;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].status == status)
			return i;
		if (statuses[i].status == WHERRY_EINTERNAL)
			fallback = i;
	}
	return fallback;
}

const char *wherry_status_name(int status)
{
	return statuses[find_status(status)].name;
}

const char *wherry_status_text(int status)
{
	return statuses[find_status(status)].text;
}

const char *wherry_client_version(void)
{
	return WHERRY_VERSION;
}

// What status.h says of these is said from a broker's side.
static const char *text_here(int status)
{
	switch (status) {
	case WHERRY_ETIMEOUT:
		return "no answer came in time; whether it ran is not known";
	case WHERRY_ESTALE:
		return "the connection ended before the answer came";
	case WHERRY_ESHUTDOWN:
		return "the client was closed before the answer came";
	default:
		return wherry_status_text(status);
	}
}

// Once for each call: only what has to be is written.
void error_clear(wherry_error *e)
{
	if (e == NULL)
		return;
	e->code = WHERRY_OK;
	e->local = 0;
	e->name[0] = e->text[0] = 0;
}

int error_local(wherry_error *e, int status, const char *text)
{
	if (e == NULL)
		return status;
	e->code = status;
	e->local = 1;
	snprintf(e->name, sizeof(e->name), "%s", wherry_status_name(status));
	snprintf(e->text, sizeof(e->text), "%s", text != NULL && *text != 0 ? text : text_here(status));
	return status;
}

static void copy_text(char *to, size_t room, struct run from)
{
	size_t len = from.len < room ? from.len : room - 1;
	memcpy(to, from.at, len);
	to[len] = 0;
}

int error_remote(wherry_error *e, struct run encoded, struct run *details)
{
	struct wire_error read;
	*details = (struct run){0};
	if (!wire_error(encoded, &read))
		return error_local(e, WHERRY_ECORRUPT, "the broker sent an error that can't be read");
	e->code = (int32_t)read.code;
	e->local = 0;
	copy_text(e->name, sizeof(e->name), read.name);
	copy_text(e->text, sizeof(e->text), read.text);
	*details = read.details;
	return e->code;
}
