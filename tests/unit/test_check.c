// The check of a module's description: a good one passes, and each fault is refused with its exact sentence.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "module/check.h"

// A description to spoil: each test gets a fresh one.
struct sample {
	wherry_arg args[4];
	wherry_arg alarm_args[2];
	wherry_command commands[2];
	wherry_type types[2];
	wherry_option options[2];
	wherry_metric metrics[2];
	wherry_listener listeners[1];
	wherry_module module;
};

static int32_t run(void *self, wherry_call *call)
{
	(void)self, (void)call;
	return WHERRY_OK;
}

static void heard(void *self, wherry_span topic, wherry_span payload, wherry_span headers)
{
	(void)self, (void)topic, (void)payload, (void)headers;
}

static int32_t load(const struct wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)host, (void)owner, (void)self, (void)why;
	return WHERRY_OK;
}

static wherry_arg arg(const char *name, uint32_t kinds, uint32_t flags)
{
	return (wherry_arg){.size = sizeof(wherry_arg), .kinds = kinds, .flags = flags, .name = name, .help = "help"};
}

static void fill_commands(struct sample *s)
{
	s->args[0] = arg("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE);
	s->args[1] = arg("value", WHERRY_ANY_KIND, 0);
	s->args[2] = arg("ttl", WHERRY_INT, WHERRY_ARG_OPTION);
	s->args[3] = arg("more", WHERRY_TEXT, WHERRY_ARG_REST | WHERRY_ARG_OPTIONAL);
	s->alarm_args[0] = arg("key", WHERRY_KEY_KINDS, WHERRY_ARG_WRITE);
	s->alarm_args[1] = arg("note", WHERRY_INT, WHERRY_ARG_OPTIONAL);
	s->commands[0] = (wherry_command){.size = sizeof(wherry_command),
	    .flags = WHERRY_CMD_WRITES | WHERRY_CMD_GROWS,
	    .name = "kv.set",
	    .help = "help",
	    .verb = "write",
	    .args = s->args,
	    .arg_count = 4,
	    .arg_stride = sizeof(wherry_arg),
	    .run = run};
	s->commands[1] = (wherry_command){.size = sizeof(wherry_command),
	    .flags = WHERRY_CMD_WRITES | WHERRY_CMD_INTERNAL,
	    .name = "kv.due",
	    .help = "help",
	    .verb = "write",
	    .args = s->alarm_args,
	    .arg_count = 2,
	    .arg_stride = sizeof(wherry_arg),
	    .run = run};
}

static void fill_rest(struct sample *s)
{
	for (int i = 0; i < 2; i++) {
		s->types[i] = (wherry_type){.size = sizeof(wherry_type),
		    .version = 1,
		    .name = i == 0 ? "kv.value" : "kv.other",
		    .help = "help",
		    .alarm = i == 0 ? "kv.due" : NULL};
		s->options[i] = (wherry_option){.size = sizeof(wherry_option),
		    .kind = i == 0 ? WHERRY_OPTION_SIZE : WHERRY_OPTION_TEXT,
		    .name = i == 0 ? "max_value" : "label",
		    .preset = i == 0 ? "1MiB" : "none",
		    .help = "help",
		    .min = i == 0 ? 1024 : 0,
		    .max = i == 0 ? 1 << 30 : 0};
		s->metrics[i] = (wherry_metric){.size = sizeof(wherry_metric),
		    .kind = i == 0 ? WHERRY_METRIC_COUNTER : WHERRY_METRIC_GAUGE,
		    .name = i == 0 ? "sets" : "held",
		    .unit = i == 0 ? "" : "bytes",
		    .help = "help"};
	}
	s->listeners[0] =
	    (wherry_listener){.size = sizeof(wherry_listener), .filter = "a.*.>", .help = "help", .heard = heard};
}

static struct sample *fresh(void)
{
	static struct sample s; // the tests of this program run one after another
	memset(&s, 0, sizeof(s));
	fill_commands(&s);
	fill_rest(&s);
	s.module = (wherry_module){.size = sizeof(wherry_module),
	    .abi = WHERRY_ABI,
	    .abi_min = WHERRY_ABI,
	    .name = "kv",
	    .version = "1.2.3",
	    .needs = "ttl wal",
	    .commands = s.commands,
	    .command_count = 2,
	    .command_stride = sizeof(wherry_command),
	    .types = s.types,
	    .type_count = 2,
	    .type_stride = sizeof(wherry_type),
	    .options = s.options,
	    .option_count = 2,
	    .option_stride = sizeof(wherry_option),
	    .metrics = s.metrics,
	    .metric_count = 2,
	    .metric_stride = sizeof(wherry_metric),
	    .listeners = s.listeners,
	    .listener_count = 1,
	    .listener_stride = sizeof(wherry_listener),
	    .load = load};
	return &s;
}

static void refused(const struct sample *s, const char *sentence)
{
	char why[512] = "";
	assert_int_equal(module_check(&s->module, why, sizeof(why)), WHERRY_EARG);
	assert_string_equal(why, sentence);
}

// Spoils one member of a fresh sample, and expects the sentence.
#define REFUSED(spoil, sentence)            \
	do {                                \
		struct sample *s = fresh(); \
		spoil;                      \
		refused(s, sentence);       \
	} while (0)

static void accepted(const struct sample *s)
{
	char why[512] = "";
	if (module_check(&s->module, why, sizeof(why)) != WHERRY_OK)
		fail_msg("%s", why);
}

static void a_good_description_passes(void **state)
{
	(void)state;
	accepted(fresh());
}

static void an_empty_module_passes(void **state)
{
	(void)state;
	struct sample *s = fresh();
	s->module = (wherry_module){
	    .size = sizeof(wherry_module), .abi = WHERRY_ABI, .name = "empty", .version = "0", .load = load};
	accepted(s);
}

// A module built with a later header: longer elements, whose tail is not read.
static void longer_elements_pass(void **state)
{
	(void)state;
	struct sample *s = fresh();
	struct {
		wherry_command known;
		uint64_t later;
	} longer[2] = {{s->commands[0], 7}, {s->commands[1], 7}};
	longer[0].known.size = longer[1].known.size = sizeof(longer[0]);
	s->module.commands = &longer[0].known;
	s->module.command_stride = sizeof(longer[0]);
	accepted(s);
}

static void a_builtin_needs_no_load(void **state)
{
	(void)state;
	char why[512];
	struct sample *s = fresh();
	s->module.load = NULL;
	assert_int_equal(module_check_builtin(&s->module, why, sizeof(why)), WHERRY_OK);
}

static void the_abi_is_checked_first(void **state)
{
	(void)state;
	char why[512];
	assert_int_equal(module_check(NULL, why, sizeof(why)), WHERRY_EARG);
	assert_string_equal(why, "the module has no description");
	REFUSED(s->module.size = 16, "the module's description says 16 bytes, but ABI 0.2 has 176");
	REFUSED(s->module.abi = 1u << 16, "the module is built for ABI 1.0; this broker serves ABI 0");
	REFUSED(s->module.abi = 1, "the module is built for ABI 0.1; this broker serves exactly 0.2, since before 1.0 "
				   "each minor version is another: build it again");
	REFUSED(s->module.abi_min = 3, "the module needs at least ABI 0.3; this broker has 0.2");
}

static void the_module_itself(void **state)
{
	(void)state;
	REFUSED(s->module.name = NULL, "the module has no name");
	REFUSED(s->module.name = "Kv", "module name \"Kv\": it must be [a-z][a-z0-9_]{0,31}");
	REFUSED(s->module.name = "a2345678901234567890123456789012x",
	    "module name \"a2345678901234567890123456789012x\": it must be [a-z][a-z0-9_]{0,31}");
	REFUSED(s->module.flags = 1, "module \"kv\": unknown flag bits 0x1");
	REFUSED(s->module.load = NULL, "module \"kv\": load is missing");
	REFUSED(s->module.version = NULL, "module \"kv\": it has no version");
	REFUSED(s->module.version = "", "module \"kv\": it has no version");
	REFUSED(s->module.needs = "ttl kv", "module \"kv\": needs: it can't need itself");
	REFUSED(s->module.needs = "ttl  wal", "module \"kv\": needs: \"\" is no module name");
	REFUSED(s->module.needs = "ttl,wal", "module \"kv\": needs: \"ttl,wal\" is no module name");
	REFUSED(s->module.needs = "ttl wal ttl", "module \"kv\": needs: \"ttl\" stands twice");
	REFUSED(s->module.needs = "ttl ", "module \"kv\": needs: a space at the end");
}

static void lists(void **state)
{
	(void)state;
	REFUSED(s->module.commands = NULL, "module \"kv\": the list of commands is NULL, but its count is 2");
	REFUSED(s->module.type_count = 5000, "module \"kv\": 5000 types: at most 4096");
	REFUSED(s->module.option_stride = 8,
	    "module \"kv\": the stride of the options is 8: it must be a multiple of 8, at least 56");
	REFUSED(s->module.metric_stride = 33,
	    "module \"kv\": the stride of the metrics is 33: it must be a multiple of 8, at least 32");
	REFUSED(
	    s->commands[1].size = 8, "module \"kv\": command 2: its size is 8, between 56 and the stride 56 is right");
	REFUSED(s->listeners[0].size = 64,
	    "module \"kv\": listener 1: its size is 64, between 32 and the stride 32 is right");
	REFUSED(s->commands[0].arg_count = UINT32_MAX,
	    "module \"kv\": command \"kv.set\": 4294967295 arguments: at most 64");
	REFUSED(s->commands[0].args = NULL,
	    "module \"kv\": command \"kv.set\": the list of arguments is NULL, but its count is 4");
}

static void commands(void **state)
{
	(void)state;
	REFUSED(s->commands[1].name = NULL, "module \"kv\": command 2 has no name");
	REFUSED(s->commands[0].name = "kvset",
	    "module \"kv\": command \"kvset\": its name must be \"kv.\" and [a-z][a-z0-9_]{0,31}");
	REFUSED(s->commands[0].name = "queue.set",
	    "module \"kv\": command \"queue.set\": its name must be \"kv.\" and [a-z][a-z0-9_]{0,31}");
	REFUSED(s->commands[0].name = "kv.", "module \"kv\": command \"kv.\": its name must be \"kv.\" and "
					     "[a-z][a-z0-9_]{0,31}");
	REFUSED(s->commands[1].name = "kv.set", "module \"kv\": command \"kv.set\" is declared twice");
	REFUSED(s->commands[0].flags |= 0x100, "module \"kv\": command \"kv.set\": unknown flag bits 0x100");
	REFUSED(s->commands[1].flags = WHERRY_CMD_SWAPS,
	    "module \"kv\": command \"kv.due\": it SWAPS, but does not say WRITES");
	REFUSED(s->commands[0].help = "", "module \"kv\": command \"kv.set\": it has no help");
	REFUSED(s->commands[0].verb = NULL, "module \"kv\": command \"kv.set\": it has no verb");
	REFUSED(
	    s->commands[0].verb = "Write", "module \"kv\": command \"kv.set\": its verb \"Write\" must be [a-z]{1,32}");
	REFUSED(s->commands[0].run = NULL, "module \"kv\": command \"kv.set\": run is missing");
	REFUSED(s->commands[0].flags = WHERRY_CMD_SCANS | WHERRY_CMD_PARKS,
	    "module \"kv\": command \"kv.set\": it SCANS, so it can't say PARKS: there is no key to wait on");
}

static void arguments(void **state)
{
	(void)state;
	REFUSED(s->args[1].name = NULL, "module \"kv\": command \"kv.set\": argument 2 has no name");
	REFUSED(s->args[1].name = "the value", "module \"kv\": command \"kv.set\": argument 2 (\"the "
					       "value\"): its name must be [a-z][a-z0-9_]{0,31}");
	REFUSED(
	    s->args[2].name = "key", "module \"kv\": command \"kv.set\": argument 3 (\"key\"): the name stands twice");
	REFUSED(s->args[2].name = "ns", "module \"kv\": command \"kv.set\": argument 3 (\"ns\"): the option "
					"\"ns\" is every command's own");
	REFUSED(s->args[1].help = NULL, "module \"kv\": command \"kv.set\": argument 2 (\"value\"): it has no help");
	REFUSED(s->args[2].flags |= 0x80,
	    "module \"kv\": command \"kv.set\": argument 3 (\"ttl\"): unknown flag bits 0x80");
	REFUSED(s->args[1].kinds = 0, "module \"kv\": command \"kv.set\": argument 2 (\"value\"): it has no kinds");
	REFUSED(s->args[1].kinds = 1u << 12,
	    "module \"kv\": command \"kv.set\": argument 2 (\"value\"): unknown kind bits 0x1000");
	REFUSED(s->args[0].kinds = WHERRY_ANY_KIND,
	    "module \"kv\": command \"kv.set\": argument 1 (\"key\"): kinds 0xb83 can't be a key");
	REFUSED(s->args[1].flags = WHERRY_ARG_TOPIC,
	    "module \"kv\": command \"kv.set\": argument 2 (\"value\"): a topic must be TEXT alone");
	REFUSED(s->commands[0].flags = 0,
	    "module \"kv\": command \"kv.set\": argument 1 (\"key\"): a WRITE key, but the "
	    "command does not say WRITES");
	REFUSED(s->commands[0].flags = WHERRY_CMD_SCANS | WHERRY_CMD_WRITES,
	    "module \"kv\": command \"kv.set\": argument 1 (\"key\"): a key, but the command SCANS");
	REFUSED(s->args[2].flags |= WHERRY_ARG_OPTIONAL, "module \"kv\": command \"kv.set\": argument 3 "
							 "(\"ttl\"): an OPTION is neither OPTIONAL nor REST");
}

static void the_order_of_arguments(void **state)
{
	(void)state;
	REFUSED(s->args[3].flags = 0, "module \"kv\": command \"kv.set\": argument 4 (\"more\"): a positional argument "
				      "stands behind an option");
	REFUSED(s->args[1].flags = WHERRY_ARG_REST, "module \"kv\": command \"kv.set\": argument 3 "
						    "(\"ttl\"): an option stands behind the rest group");
	REFUSED(s->args[0].flags |= WHERRY_ARG_OPTIONAL,
	    "module \"kv\": command \"kv.set\": argument 2 (\"value\"): it is "
	    "required, but stands behind an OPTIONAL one");
	REFUSED((s->args[1].flags = WHERRY_ARG_OPTIONAL, s->args[3].flags = WHERRY_ARG_REST),
	    "module \"kv\": command \"kv.set\": argument 4 (\"more\"): it is required, but stands behind "
	    "an OPTIONAL "
	    "one");
	REFUSED((s->args[2].flags = WHERRY_ARG_REST, s->args[3].flags = WHERRY_ARG_OPTIONAL),
	    "module \"kv\": command \"kv.set\": argument 4 (\"more\"): only the first of a rest group "
	    "may be OPTIONAL");
}

static void types(void **state)
{
	(void)state;
	REFUSED(s->types[0].name = NULL, "module \"kv\": type 1 has no name");
	REFUSED(s->types[0].name = "value",
	    "module \"kv\": type \"value\": its name must be \"kv.\" and [a-z][a-z0-9_]{0,31}");
	REFUSED(s->types[1].name = "kv.value", "module \"kv\": type \"kv.value\" is declared twice");
	REFUSED(s->types[1].help = NULL, "module \"kv\": type \"kv.other\" has no help");
	REFUSED(s->types[0].flags = 0x80, "module \"kv\": type \"kv.value\": unknown flag bits 0x80");
	REFUSED(s->types[0].reserved0 = 1, "module \"kv\": type \"kv.value\": reserved0 must be 0");
}

static void alarms(void **state)
{
	(void)state;
	REFUSED(s->types[0].alarm = "kv.gone",
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.gone\" is not declared");
	REFUSED(s->commands[1].flags = WHERRY_CMD_WRITES,
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.due\" must be INTERNAL");
	REFUSED(s->commands[1].flags |= WHERRY_CMD_PARKS,
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.due\" must not park");
	REFUSED(s->alarm_args[0].flags = WHERRY_ARG_READ,
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.due\" must take exactly one WRITE key");
	REFUSED(s->alarm_args[1].flags = 0,
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.due\" must take exactly one WRITE key");
	REFUSED((s->alarm_args[1].kinds = WHERRY_INT, s->alarm_args[1].flags |= WHERRY_ARG_WRITE),
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.due\" must take exactly one WRITE key");
	REFUSED(s->commands[1].arg_count = 0,
	    "module \"kv\": type \"kv.value\": its alarm command \"kv.due\" must take exactly one WRITE key");
}

static void options(void **state)
{
	(void)state;
	REFUSED(s->options[0].name = NULL, "module \"kv\": option 1 has no name");
	REFUSED(s->options[0].name = "max-value",
	    "module \"kv\": option \"max-value\": its name must be [a-z][a-z0-9_]{0,31}");
	REFUSED(s->options[1].name = "max_value", "module \"kv\": option \"max_value\" is declared twice");
	REFUSED(s->options[0].kind = 9, "module \"kv\": option \"max_value\": unknown kind 9");
	REFUSED(s->options[0].flags = 6, "module \"kv\": option \"max_value\": unknown flag bits 0x6");
	REFUSED(s->options[0].help = NULL, "module \"kv\": option \"max_value\" has no help");
	REFUSED(s->options[0].preset = NULL, "module \"kv\": option \"max_value\" has no preset");
	REFUSED(s->options[0].min = INT64_C(1) << 40,
	    "module \"kv\": option \"max_value\": min 1099511627776 is above max 1073741824");
	REFUSED(s->options[0].preset = "much", "module \"kv\": its preset is wrong: option max_value: "
					       "\"much\" is not a size: bytes, or a whole number with "
					       "kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in 64KiB");
	REFUSED(s->options[0].preset = "12",
	    "module \"kv\": its preset is wrong: option max_value: \"12\" is out of bounds: "
	    "allowed is 1KiB to 1GiB");
}

static void metrics(void **state)
{
	(void)state;
	REFUSED(s->metrics[1].name = NULL, "module \"kv\": metric 2 has no name");
	REFUSED(s->metrics[1].name = "Held", "module \"kv\": metric \"Held\": its name must be [a-z][a-z0-9_]{0,31}");
	REFUSED(s->metrics[1].name = "sets", "module \"kv\": metric \"sets\" is declared twice");
	REFUSED(s->metrics[0].kind = 0, "module \"kv\": metric \"sets\": unknown kind 0");
	REFUSED(s->metrics[0].unit = "furlongs",
	    "module \"kv\": metric \"sets\": its unit must be \"\", \"bytes\" or \"seconds\"");
	REFUSED(s->metrics[0].help = "", "module \"kv\": metric \"sets\" has no help");
}

static void listeners(void **state)
{
	(void)state;
	char why[512];
	REFUSED(s->listeners[0].filter = NULL, "module \"kv\": listener 1 has no filter");
	REFUSED(s->listeners[0].flags = 4, "module \"kv\": listener 1 (\"a.*.>\"): unknown flag bits 0x4");
	REFUSED(s->listeners[0].help = NULL, "module \"kv\": listener 1 (\"a.*.>\") has no help");
	REFUSED(s->listeners[0].heard = NULL, "module \"kv\": listener 1 (\"a.*.>\"): heard is missing");
	struct sample *s = fresh();
	s->listeners[0].filter = "a..b";
	assert_int_equal(module_check(&s->module, why, sizeof(why)), WHERRY_EARG);
	assert_memory_equal(why, "module \"kv\": listener 1: filter \"a..b\": ", 40);
}

// However little room there is, the sentence ends within it.
static void a_short_room_is_kept(void **state)
{
	(void)state;
	struct sample *s = fresh();
	s->commands[0].run = NULL;
	for (size_t room = 1; room < 64; room++) {
		char why[64];
		memset(why, '!', sizeof(why));
		assert_int_equal(module_check(&s->module, why, room), WHERRY_EARG);
		assert_true(strnlen(why, room) < room);
		assert_true(room == sizeof(why) || why[room] == '!');
	}
}

// Each pointer of a description, in turn, leads to what it should not: there is an answer, and the check reads nothing that
// is not there.
static void pointers_anywhere(void **state)
{
	(void)state;
	char why[512];
	char *pages = mmap(NULL, 3 * 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	memset(pages + 65536, 'a', 65536);
	assert_int_equal(mprotect(pages + 2 * 65536, 65536, PROT_NONE), 0);
	const uintptr_t zeros = (uintptr_t)pages, letters = zeros + 65536, end = letters + 65536;
	const uintptr_t places[] = {0, 1, 8, 4095, 4096, zeros, zeros + 65528, letters, letters + 8, end - 1, end - 8,
	    end, UINTPTR_MAX, UINTPTR_MAX - 7, UINTPTR_MAX / 2 + 1};
	enum { WORDS = sizeof(struct sample) / sizeof(uintptr_t), PLACES = sizeof(places) / sizeof(places[0]) };
	for (size_t word = 0; word < WORDS; word++)
		for (size_t place = 0; place < PLACES; place++) {
			struct sample *s = fresh();
			memcpy((char *)s + word * sizeof(uintptr_t), &places[place], sizeof(uintptr_t));
			int status = module_check(&s->module, why, sizeof(why));
			assert_true(status == WHERRY_OK || status == WHERRY_EARG);
		}
	for (size_t place = 0; place < PLACES; place++)
		assert_int_equal(module_check((const void *)places[place], why, sizeof(why)), WHERRY_EARG);
	munmap(pages, 3 * 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_good_description_passes),
	    cmocka_unit_test(an_empty_module_passes),
	    cmocka_unit_test(longer_elements_pass),
	    cmocka_unit_test(a_builtin_needs_no_load),
	    cmocka_unit_test(the_abi_is_checked_first),
	    cmocka_unit_test(the_module_itself),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(commands),
	    cmocka_unit_test(arguments),
	    cmocka_unit_test(the_order_of_arguments),
	    cmocka_unit_test(types),
	    cmocka_unit_test(alarms),
	    cmocka_unit_test(options),
	    cmocka_unit_test(metrics),
	    cmocka_unit_test(listeners),
	    cmocka_unit_test(a_short_room_is_kept),
	    cmocka_unit_test(pointers_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
