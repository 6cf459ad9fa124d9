// The one allocator of the broker, so that tests can make any allocation fail, and the size that an allocation is
// accounted with.  Threads: any.

#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

// NULL when there is no memory.  mem_resize(NULL, n) allocates; mem_free(NULL) does nothing.
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_resize(void *old, size_t size);
void mem_free(void *);
char *mem_strdup(const char *);

// What an allocation of `size` bytes costs: the allocator's own header and rounding included.
static inline size_t mem_cost(size_t size)
{
	size_t chunk = (size + sizeof(size_t) + 15) & ~(size_t)15;
	return chunk < 32 ? 32 : chunk;
}

// Tests: called before each allocation; false makes it fail.  It may be set at any time.
extern bool (*_Atomic mem_may_alloc)(size_t size);

#endif
