// The msgpack that a client needs: whether values are whole, and the envelopes of include/wherry/README.md.
// Allocates nothing.  Threads: any.

#ifndef CLIENT_WIRE_H
#define CLIENT_WIRE_H

#include "bytes.h"

enum { WIRE_DEPTH = 128 }; // a broker's max_depth is at most 100, and answers wrap values

// How many bytes the first value takes; 0: it is malformed, not whole, or nests deeper than WIRE_DEPTH.
size_t wire_value(struct run);
bool wire_is_array(struct run); // one whole value, and nothing behind it
bool wire_is_map(struct run);
bool wire_is_nil(struct run);

enum wire_kind { WIRE_RESPONSE, WIRE_NOTE, WIRE_OTHER };

// One object of a frame.
struct wire_object {
	enum wire_kind kind;
	bool has_id; // RESPONSE: false for an answer to a frame that could not be read
	uint32_t id;
	struct run error, result;  // RESPONSE: whole values
	struct run method, params; // NOTE: the method's text; a whole array
};

// Takes the first object off *frame; false: malformed.
bool wire_next(struct run *frame, struct wire_object *);

// [code, name, text, details]: false if it is not that.  name and text are lent.
struct wire_error {
	int64_t code;
	struct run name, text, details;
};
bool wire_error(struct run, struct wire_error *);

// A request, with its id in the four bytes at *id_at of `out`, to be put there later.  false: no memory.
bool wire_request(struct bytes *out, size_t *id_at, struct run method, struct run params, struct run options);

#endif
