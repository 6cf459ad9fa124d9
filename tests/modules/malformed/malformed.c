// One module, spoilt in one way: compiled once for each line of faults.def, with FAULT as its name there.  All of its
// structs are followed by what a later ABI might add, which the broker must not read.

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "../testmodule.h"

#define GROWN(type)                \
	struct {                   \
		type is;           \
		uint64_t later[2]; \
	}

static struct {
	GROWN(wherry_arg) args[4];
	GROWN(wherry_arg) alarm_args[1];
	GROWN(wherry_command) commands[2];
	GROWN(wherry_type) types[2];
	GROWN(wherry_option) options[2];
	GROWN(wherry_metric) metrics[2];
	GROWN(wherry_listener) listeners[1];
	GROWN(wherry_module) module;
} s;

LOAD_CONTEXT(load)

static int32_t run(void *self, wherry_call *call)
{
	(void)self;
	context.host->write->cstring(call->reply, "served");
	return WHERRY_OK;
}

static void heard(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	(void)self, (void)topic, (void)payload, (void)headers;
}

static void fill_commands(void)
{
	s.args[0].is = (wherry_arg)ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE);
	s.args[1].is = (wherry_arg)ARG("value", WHERRY_ANY_KIND, WHERRY_ARG_OPTIONAL);
	s.args[2].is = (wherry_arg)ARG("ttl", WHERRY_INT, WHERRY_ARG_OPTION);
	s.args[3].is = (wherry_arg)ARG("more", WHERRY_TEXT, WHERRY_ARG_REST | WHERRY_ARG_OPTIONAL);
	s.alarm_args[0].is = (wherry_arg)ARG("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE);
	s.commands[0].is = (wherry_command)COMMAND("sample.set", "write", WHERRY_CMD_WRITES, run);
	s.commands[1].is = (wherry_command)COMMAND("sample.due", "write", WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL, run);
	s.commands[0].is.args = &s.args[0].is, s.commands[0].is.arg_count = 4;
	s.commands[1].is.args = &s.alarm_args[0].is, s.commands[1].is.arg_count = 1;
	s.commands[0].is.arg_stride = s.commands[1].is.arg_stride = sizeof(s.args[0]);
}

static void fill_rest(void)
{
	for (int i = 0; i < 2; i++) {
		s.types[i].is = (wherry_type){.size = sizeof(wherry_type), .version = 1, .help = "a type"};
		s.options[i].is = (wherry_option){.size = sizeof(wherry_option),
		    .kind = WHERRY_OPTION_INT,
		    .preset = "5",
		    .help = "an option",
		    .max = 9};
		s.metrics[i].is = (wherry_metric){
		    .size = sizeof(wherry_metric), .kind = WHERRY_METRIC_COUNTER, .unit = "", .help = "a metric"};
	}
	s.types[0].is.name = "sample.one", s.types[1].is.name = "sample.two";
	s.types[0].is.alarm = "sample.due";
	s.options[0].is.name = "one", s.options[1].is.name = "two";
	s.metrics[0].is.name = "one", s.metrics[1].is.name = "two";
	s.listeners[0].is =
	    (wherry_listener){.size = sizeof(wherry_listener), .filter = "a.>", .help = "a listener", .heard = heard};
}

#define GROWN_LIST(member)                                                                               \
	.member##s = &s.member##s[0].is, .member##_count = sizeof(s.member##s) / sizeof(s.member##s[0]), \
	.member##_stride = sizeof(s.member##s[0])

static void fill_module(void)
{
	s.module.is = (wherry_module){
	    HEAD("sample"),
	    GROWN_LIST(command),
	    GROWN_LIST(type),
	    GROWN_LIST(option),
	    GROWN_LIST(metric),
	    GROWN_LIST(listener),
	    .load = load,
	};
}

// As a module of a later ABI says it: everything is longer, and says something there.
#define GROW(list)                                                      \
	for (size_t i = 0; i < sizeof(s.list) / sizeof(s.list[0]); i++) \
	s.list[i].is.size = sizeof(s.list[i]), s.list[i].later[0] = what_is_new, s.list[i].later[1] = what_is_new

static inline void grow(uint64_t what_is_new)
{
	GROW(args);
	GROW(alarm_args);
	GROW(commands);
	GROW(types);
	GROW(options);
	GROW(metrics);
	GROW(listeners);
	s.module.is.size = sizeof(s.module);
	s.module.later[0] = s.module.later[1] = what_is_new;
}

static const void *const nowhere = (const void *)24;
static char much[4096 + 2]; // a text of a byte more than may be

// Up to the last byte before what can't be read, and no zero.
static inline const char *no_end(void)
{
	enum { PART = 65536 }; // whatever the size of a page
	char *at = mmap(NULL, 2 * PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || mprotect(at + PART, PART, PROT_NONE) != 0)
		return "";
	memset(at + PART - 64, 'a', 64);
	return at + PART - 64;
}

enum {
#define SPOILT(name, spoil, sentence) SPOILT_##name,
#include "faults.def"
#undef SPOILT
};

static const wherry_module *spoil(void)
{
	const wherry_module *answer = &s.module.is;
	switch (FAULT) {
#define SPOILT(name, spoil, sentence) \
	case SPOILT_##name:           \
		spoil;                \
		break;
#include "faults.def"
#undef SPOILT
	}
	return answer;
}

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	(void)host_abi;
	memset(much, 'a', sizeof(much) - 1);
	fill_commands();
	fill_rest();
	fill_module();
	return spoil();
}
