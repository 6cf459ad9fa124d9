// A naive model of store/records.h, a sorted array of copies, and random programs that do the same to both.
// A test that takes from here says where the randomness begins.

#ifndef SUPPORT_RECORDS_MODEL_H
#define SUPPORT_RECORDS_MODEL_H

#include "base/buffer.h"
#include "store/records.h"

struct pair {
	wherry_span subkey, value;
};

struct model {
	struct pair *pair;
	size_t count, room;
};

size_t model_find(const struct model *, wherry_span subkey, bool *found); // the first not below it
void model_put(struct model *, wherry_span subkey, wherry_span value);
bool model_del(struct model *, wherry_span subkey);
void model_free(struct model *);

void assert_sound(const struct records *); // no fault
void assert_same(const struct records *, const struct model *);
void assert_around(const struct records *, const struct model *,
    wherry_span subkey); // all that can be asked about it

void random_begin(uint64_t seed);
uint64_t random_below(uint64_t bound);

enum { LONGEST = 6000 };

wherry_span numbered(uint8_t bytes[static 8], uint64_t number); // big-endian: in the order of the numbers
// One of a few thousand, so that operations meet: mostly short, some share long beginnings, one is empty.
wherry_span some_subkey(uint8_t bytes[static LONGEST]);
wherry_span some_value(uint8_t bytes[static LONGEST]);

struct both {
	struct records *records;
	struct model model;
};

// One operation on both: of 100, `puts` are insertions, the rest removals, patches and questions.
void both_do(struct both *, unsigned puts);
void both_free(struct both *);

#endif
