// Topics and filters: tokens by '.', '*' one token, '>' the rest (at least one).  `$` begins the broker's own
// topics, which a leading wildcard never matches.  Threads: any.

#ifndef BUS_TOPIC_H
#define BUS_TOPIC_H

#include <stdbool.h>

#include "base/buffer.h"

enum { TOPIC_MOST = 512 };

// Static sentence saying what is wrong, or NULL: at most 512 bytes, UTF-8, no empty token, no zero byte; a
// topic has no wildcard token, a filter has '>' only at its end.
const char *topic_fault(wherry_span topic);
const char *filter_fault(wherry_span filter);
bool filter_matches(wherry_span filter, wherry_span topic); // both without fault
bool filter_is_wild(wherry_span filter);

// The tokens of a topic or filter, one after another.
struct topic_tokens {
	const char *at, *end;
	bool over;
};
struct topic_tokens topic_tokens(wherry_span text);
bool topic_token(struct topic_tokens *, wherry_span *token); // false behind the last

#endif
