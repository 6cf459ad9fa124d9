// A list or map whose length is known only when it is complete: its elements are packed aside, then counted in front.
// Threads: the one that runs the command.

#ifndef BUILTIN_ROWS_H
#define BUILTIN_ROWS_H

#include "codec/pack.h"

struct rows {
	struct buffer bytes;
	struct wherry_out out; // where the elements go
	uint32_t count;        // of elements, or of pairs
};

void rows_begin(struct rows *);
// Into `reply`, and frees it.  ENOMEM.
int32_t rows_end_list(struct rows *, wherry_out *reply);
int32_t rows_end_map(struct rows *, wherry_out *reply);

// One pair of a map; the last for a value that the caller packs next.
void rows_text(struct rows *, const char *name, const char *text); // NULL: nil
void rows_number(struct rows *, const char *name, uint64_t number);
void rows_int(struct rows *, const char *name, int64_t number);
void rows_bool(struct rows *, const char *name, bool);
void rows_name(struct rows *, const char *name);

#endif
