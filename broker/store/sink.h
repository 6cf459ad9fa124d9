// Where committed units go: what the log will implement.  A unit is physical and idempotent (store/unit.h), so
// replaying it needs no module.
//
// Order of calls, each from any thread:
//   reserve(bytes)    before a commit is final: room for one unit, or WHERRY_EFULL / WHERRY_EIO, and the command is
//                     undone and answers that.
//   append(lsn, unit) under the store's commit lock, LSNs rising by one; can't fail.  The unit is lent.
//   flush(lsn)        somebody waits until `lsn` is durable; must not block.
// The sink calls store_durable(lsn) when everything up to lsn is, or store_flush_failed(), from a thread of its own.

#ifndef STORE_SINK_H
#define STORE_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

struct store_sink {
	void *self;
	int (*reserve)(void *self, size_t bytes);
	void (*append)(void *self, uint64_t lsn, wherry_span unit);
	void (*flush)(void *self, uint64_t lsn);
};

#endif
