// Keys: which values may be one, and the one encoding that makes two keys the same.  Shortest int, str and
// bin headers; floats as float64, -0.0 as 0.0, NaN refused; tuples of these, recursively.  Threads: any.

#ifndef CODEC_KEY_H
#define CODEC_KEY_H

#include "base/buffer.h"

// The canonical encoding of a checked value.  A value that is canonical already is answered as it stands (no
// copy); else it is appended to `scratch`, and only key->len is set: scratch may move until the last key is
// in it.
//   WHERRY_OK          *key points into the value
//   1                  key->len bytes were appended to scratch, at scratch->len - key->len
//   WHERRY_EARG        not a key; *why says why, a static sentence: "a map can't be a key"
//   WHERRY_ELIMIT      longer than `limit` bytes
//   WHERRY_ENOMEM
// Unless it answers 1, scratch has the bytes it had before.
int key_canonical(const wherry_value *value, size_t limit, struct buffer *scratch, wherry_span *key, const char **why);

// For messages: a key as text, at most `room` bytes with the zero; strings quoted and escaped, long ones cut
// with "...": "name"  b"\x00"  7  1.0  ("a", 1)
const char *key_print(wherry_span canonical, char *text, size_t room);

#endif
