#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

bool (*_Atomic mem_may_alloc)(size_t size);

static bool may(size_t size)
{
	bool (*ask)(size_t) = atomic_load_explicit(&mem_may_alloc, memory_order_relaxed);
	return ask == NULL || ask(size);
}

void *mem_alloc(size_t size)
{
	return may(size) ? malloc(size ? size : 1) : NULL;
}

void *mem_zalloc(size_t size)
{
	return may(size) ? calloc(1, size ? size : 1) : NULL;
}

void *mem_resize(void *old, size_t size)
{
	return may(size) ? realloc(old, size ? size : 1) : NULL;
}

void mem_free(void *old)
{
	free(old);
}

char *mem_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = mem_alloc(size);
	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}
