// The envelope of one object of a frame (include/wherry/README.md): request, response or notification, sliced
// in place from bytes that passed cursor_check().  Threads: any.

#ifndef CODEC_REQUEST_H
#define CODEC_REQUEST_H

#include "codec/cursor.h"

enum request_kind { REQUEST_CALL = 0, REQUEST_RESPONSE = 1, REQUEST_NOTIFY = 2 };

struct request {
	enum request_kind kind;
	uint32_t id; // 0 for a notification
	wherry_span method;
	uint32_t param_count, option_count;
	wherry_span params;  // the elements, encoded one after another
	wherry_span options; // the pairs; empty: none
	wherry_span raw;     // the whole object
};

// Slices the object at the cursor and steps behind it, also when it fails.  EARG with a static sentence in
// *why: not an envelope.  A RESPONSE's error and result are left in params; its id may be nil, and is 0 then.
int request_slice(struct cursor *, struct request *, const char **why);
// The same for a command within a request, [method, params] or [method, params, options]: a call without an id.
int request_slice_part(struct cursor *, struct request *, const char **why);

#endif
