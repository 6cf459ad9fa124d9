// Commands that crash: crasher.read at an address where nothing is, crasher.abort, crasher.overflow of the stack,
// crasher.trap at an instruction that is none, crasher.heap in malloc() with its lock held, crasher.crowd on several
// threads at once.

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "testmodule.h"

LOAD_CONTEXT(load)

static int32_t run_read(void *self, wherry_call *call)
{
	(void)self;
	volatile int32_t *nowhere = (int32_t *)(uintptr_t)call->args[0].as.i;
	return *nowhere;
}

static int32_t run_abort(void *self, wherry_call *call)
{
	(void)self, (void)call;
	abort();
}

static volatile int bottom; // 0 for ever, which the compiler does not know

static int deeper(volatile int *depth)
{
	volatile int page[1024];
	page[0] = *depth + 1;
	return bottom ? 0 : deeper(page) + page[0];
}

static int32_t run_overflow(void *self, wherry_call *call)
{
	(void)self, (void)call;
	volatile int depth = 0;
	return deeper(&depth);
}

static int32_t run_trap(void *self, wherry_call *call)
{
	(void)self, (void)call;
	__builtin_trap();
}

// Says that the heap has no end, and asks for more of it.
static int32_t run_heap(void *self, wherry_call *call)
{
	(void)self, (void)call;
	enum { BLOCK = 100000, BLOCKS = 100 };
	uintptr_t last = (uintptr_t)malloc(BLOCK);
	*(volatile size_t *)(last + malloc_usable_size((void *)last)) = SIZE_MAX;
	for (int i = 0; i < BLOCKS; i++)
		*(volatile char *)malloc(BLOCK) = 1;
	abort();
}

static pthread_barrier_t together;

static void *crash_together(void *arg)
{
	pthread_barrier_wait(&together);
	return (void *)(uintptr_t) * (volatile char *)arg;
}

static int32_t run_crowd(void *self, wherry_call *call)
{
	(void)self, (void)call;
	enum { CROWD = 8 };
	pthread_t thread[CROWD];
	pthread_barrier_init(&together, NULL, CROWD + 1);
	for (uintptr_t i = 0; i < CROWD; i++)
		pthread_create(&thread[i], NULL, crash_together, (void *)(0x10 + i));
	crash_together((void *)0x10);
	return WHERRY_OK;
}

static const wherry_arg read_args[] = {ARG("address", WHERRY_INT, 0)};

static const wherry_command commands[] = {
    COMMAND_ARGS("crasher.read", "read", 0, run_read, read_args),
    COMMAND("crasher.abort", "read", 0, run_abort),
    COMMAND("crasher.overflow", "read", 0, run_overflow),
    COMMAND("crasher.trap", "read", 0, run_trap),
    COMMAND("crasher.heap", "read", 0, run_heap),
    COMMAND("crasher.crowd", "read", 0, run_crowd),
};

static const wherry_module module = {HEAD("crasher"), LIST(command, commands), .load = load};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi == WHERRY_ABI ? &module : NULL;
}
