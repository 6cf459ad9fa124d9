// Taking a record out so that it can be put back without any memory: what a rollback needs.
//
// records_take() leaves the room of the record where it is.  As long as the records change only by take, put and patch,
// and what was done is undone newest first (a put by records_drop), records_restore() can't fail.  records_settle() near
// each subkey taken or dropped then gives back the room: without it pages stay thin or empty, which all else in
// store/records.h can live with, but records_fault() says so.

#ifndef STORE_RECORDS_TAKE_H
#define STORE_RECORDS_TAKE_H

#include "store/records.h"

struct outside;

struct records_taken {
	struct outside *outside; // a long record, in an allocation of its own; else `bytes` has it
	uint16_t len;
	unsigned char bytes[];
};

size_t records_taken_size(const struct records *,
    wherry_span subkey); // of what take fills; 0: it is not there
void records_take(struct records *, wherry_span subkey, struct records_taken *); // it is there
void records_restore(struct records *, const struct records_taken *);            // gives it back
void records_discard(const struct records_taken *);                              // or is it not wanted back
void records_drop(struct records *, wherry_span subkey);                         // take and discard: it is there
void records_settle(struct records *, wherry_span subkey);

#endif
