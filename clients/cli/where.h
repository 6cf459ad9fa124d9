// Where the broker is.

#ifndef CLI_WHERE_H
#define CLI_WHERE_H

#include "wherry/client.h"

struct where {
	const char *url; // -u; NULL: WHERRY_URL, else the first default that answers
	const char *tls_ca_file;
	int tls_unverified;
	int64_t timeout_ms;
};

// On failure it has said on standard error what is wrong and what to do.
int where_connect(const struct where *, wherry_client **);

#endif
