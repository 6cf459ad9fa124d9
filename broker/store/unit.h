// The redo unit: what one commit changed, as absolute operations in the order they were made.  Layout: operations
// after one another, integers as LEB128, strings with their length in front.
//
//   define  0  kind(0 namespace, 1 type) id name     an id's meaning; logged when it comes into being
//   head    1  ns key type head                      creates the key or replaces its head, records stay
//   remove  2  ns key
//   deadline 3 ns key unix_ms(0: never)
//   alarm   4  ns key unix_ms(0: none)
//   put     5  ns key subkey value
//   del     6  ns key subkey
//   patch   7  ns key subkey at bytes
//   copy is written as remove, head, put ...: absolute, so that replay does not depend on what is there.
// Threads: any.

#ifndef STORE_UNIT_H
#define STORE_UNIT_H

#include "base/buffer.h"

enum unit_op_kind { UNIT_DEFINE, UNIT_HEAD, UNIT_REMOVE, UNIT_DEADLINE, UNIT_ALARM, UNIT_PUT, UNIT_DEL, UNIT_PATCH };

struct unit_op {
	enum unit_op_kind kind;
	uint32_t ns, type;         // define: type is the kind of id, ns the id
	wherry_span key;           // define: the name
	wherry_span subkey, value; // head: value is the head
	int64_t ms;
	uint64_t at;
};

size_t unit_bound(const struct unit_op *); // unit_write() appends at most so much
void unit_write(struct buffer *, const struct unit_op *);
// Reads one operation; WHERRY_OK, ENOKEY at the end, ECORRUPT.
int unit_read(wherry_span *rest, struct unit_op *);

#endif
