// What a shared object shows without being run: its exported names, an executable stack, text relocations.  64-bit ELF of
// this machine; every offset is looked at before it is followed.  Threads: any.

#ifndef CONFORMANCE_SYMBOLS_H
#define CONFORMANCE_SYMBOLS_H

#include <stddef.h>

// NULL: all is well; else what is wrong, in `why`.
const char *symbols_fault(const char *path, char *why, size_t room);

#endif
