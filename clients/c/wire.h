// The msgpack that a client needs: whether values are whole, and the envelopes of include/wherry/README.md.
// Allocates nothing.  Threads: any.

#ifndef CLIENT_WIRE_H
#define CLIENT_WIRE_H

#include "bytes.h"

enum { WIRE_DEPTH = 128 }; // a broker's max_depth is at most 100, and answers wrap values

// What a value costs whoever reads it.
struct wire_shape {
	unsigned depth;    // arrays and maps inside one another
	uint64_t elements; // of all arrays and maps; two a pair
};

// How many bytes the first value takes; 0: it is malformed, not whole, or nests deeper than WIRE_DEPTH.
size_t wire_value(struct run);
size_t wire_measure(struct run, struct wire_shape *); // the same; adds to the shape
bool wire_is_array(struct run);                       // by its first byte
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

// Each takes the first value off a run that wire_value() found whole; false: it is none of that kind, and nothing was taken.
struct run wire_take_value(struct run *);
bool wire_take_array(struct run *, uint64_t *count);
bool wire_take_map(struct run *, uint64_t *pairs);
bool wire_take_text(struct run *, struct run *text);
bool wire_take_uint(struct run *, uint64_t *number);
bool wire_is_text(struct run text, const char *literal);

// The parts of a request; params and options may be empty.
struct wire_request {
	struct run method, params, options;
};
enum { WIRE_ID_AT = 3 }; // where the four bytes of its id are
size_t wire_request_size(const struct wire_request *);
size_t wire_request_write(const struct wire_request *, uint8_t *to); // the same number; the id is 0

// Of a request that wire_request_write() wrote: the method; the first argument, if it is text.
struct run wire_method(struct run request);
bool wire_first_text(struct run request, struct run *text);

// Of what sys.commands answers: calls `each` for every command, with what its verb is.  false: it is no such answer.
typedef bool wire_command(void *arg, struct run name, struct run verb); // false: stop
bool wire_commands(struct run answer, wire_command *each, void *arg);

#endif
