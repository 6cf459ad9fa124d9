// The nearest of some names by edit distance, for "did you mean".  The command line is built with it, too.

#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

const char *nearest_name(const char *wanted, const char *const *names, size_t count); // NULL: none is near
size_t edit_distance(const char *a, const char *b);

#endif
