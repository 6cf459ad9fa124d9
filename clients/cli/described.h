// What a command takes, as the broker itself describes it (sys.commands).

#ifndef CLI_DESCRIBED_H
#define CLI_DESCRIBED_H

#include <stdio.h>

#include "wherry/client.h"

struct described;

enum option_kind {
	OPTION_UNKNOWN,
	OPTION_FLAG,  // true when it is there
	OPTION_VALUE, // takes a value
};

int describe(wherry_client *, const char *method, struct described **, wherry_error *); // ENOCMD, ...
void described_free(struct described *);

enum option_kind described_option(const struct described *, const char *name);
void described_list_options(const struct described *, FILE *); // "; it has --nx, --ttl-ms"
void described_print(const struct described *, FILE *);

#endif
