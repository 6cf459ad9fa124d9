// Patterns over keys: * any run of bytes, ? one byte, [a-z] [^a-z] one byte of a set, \ takes the next byte as it is.
// Threads: any.

#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include <stdbool.h>

#include "wherry/module.h"

enum { GLOB_MOST = 1024 };
enum glob_answer { GLOB_NO, GLOB_YES, GLOB_COSTLY }; // COSTLY: it takes too long to say

const char *glob_fault(wherry_span pattern);                        // what is wrong with it, or NULL
enum glob_answer glob_match(wherry_span pattern, wherry_span text); // `pattern` has no fault
bool glob_is_pattern(wherry_span text);                             // it has one of * ? [ or a backslash

#endif
