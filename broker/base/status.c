#include "base/status.h"

#include <stddef.h>

struct entry {
	int status;
	const char *name, *text;
};

static const struct entry table[] = {
#define ROW(suffix, number, text) {number, #suffix, text},
    WHERRY_STATUS_LIST(ROW)
#undef ROW
};

static const struct entry *find(int status)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return &table[i];
	return find(WHERRY_EINTERNAL);
}

const char *status_name(int status)
{
	return find(status)->name;
}

const char *status_text(int status)
{
	return find(status)->text;
}
