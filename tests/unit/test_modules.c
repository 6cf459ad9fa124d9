// Modules in a broker: loading, refusing, unloading, options, what they leave behind.

#include "embed.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "broker.h"
#include "control.h"

static struct embed *opened(const char *modules)
{
	return embed_open(modules);
}

static char *load_line(const char *module)
{
	static char line[4200];
	snprintf(line, sizeof(line), "module.load \"%s\"", embed_module_path(module));
	return line;
}

// What a file is refused with stands behind its path.
#define REFUSES(b, module, text)                                               \
	do {                                                                   \
		char want[5000];                                               \
		snprintf(want, sizeof(want), text, embed_module_path(module)); \
		expect(b, load_line(module), want);                            \
	} while (0)

static void a_module_serves(void **state)
{
	(void)state;
	struct embed *b = opened("counter");
	expect(b, "counter.add k a 5", "5");
	expect(b, "counter.add k a 2 ; counter.get k a ; counter.get k b", "7 ; 7 ; 0");
	expect(b, "counter.loads", "1");
	expect_like(b, "module.list",
	    "*{\"name\": \"counter\", \"version\": \"1.0\", \"abi\": \"0.2\", \"builtin\": false, "
	    "\"commands\": 4, \"state\": \"running\"}]");
	expect_like(b, "module.show counter",
	    "{\"name\": \"counter\", *\"path\": \"/*/tests/modules/counter.so\", \"needs\": "
	    "null, \"types\": 1, \"reloads\": 0, *\"options\": {\"step\": \"1\", \"label\": "
	    "\"none\", \"size\": \"64KiB\"}, \"metrics\": {\"adds\": 2}}");
	embed_close(b);
}

static void modules_come_and_go(void **state)
{
	(void)state;
	struct embed *b = opened("");
	expect_like(b, "counter.get k a", "ENOCMD: *");
	expect(b, load_line("counter"), "true");
	expect(b, "counter.add k a", "1");
	expect(b, "module.unload counter", "true");
	expect_like(b, "counter.get k a", "ENOCMD: *");
	expect_like(b, "sys.inspect k", "{\"type\": \"counter.counter\", *"); // the key stays
	expect(b, load_line("counter"), "true");
	expect(b, "counter.get k a ; counter.loads", "1 ; 1"); // a copy with statics of its own
	embed_close(b);
}

static void what_can_not_be_served_is_refused_with_a_reason(void **state)
{
	(void)state;
	struct embed *b = opened("counter");
	REFUSES(b, "nosymbol", "EARG: file \"%s\" is no module: it has no wherry_module_query()");
	REFUSES(b, "refuses", "EARG: file \"%s\": the module does not serve this broker's ABI 0.2");
	REFUSES(b, "oldabi",
	    "EARG: file \"%s\": the module is built for ABI 0.3; this broker serves exactly 0.2, since "
	    "before 1.0 each minor version is another: build it again");
	expect(
	    b, load_line("counter"), "EEXIST: module \"counter\" is loaded already: module.reload takes its file anew");
	expect(b, load_line("failing"), "EIO: module \"failing\": load: there is no moon tonight");
	expect_like(b, "module.load /dev/null", "EDENIED: file \"/dev/null\" is no regular file");
	expect_like(b, "module.load /nowhere/x.so", "ENOKEY: no file \"/nowhere/x.so\"");
	expect_like(b, "module.load ./nowhere.so", "ENOKEY: no file \"./nowhere.so\" (looked in \"/*\")");
	expect_like(
	    b, "module.load nowhere", "ENOKEY: no module \"nowhere\": there is no file \"nowhere.so\" in \"/*\"");
	expect(b, "module.load Not-A-Name",
	    "EARG: \"Not-A-Name\" is neither a module's name, [a-z][a-z0-9_]{0,31}, nor a path");
	expect(b, "module.load \"\"", "EARG: argument \"path\" must be 1 to 4095 bytes of UTF-8 without a zero");
	expect(b, "counter.add k a", "1"); // nothing of this hurt
	embed_close(b);
}

static void by_name_from_the_module_directory(void **state)
{
	(void)state;
	char dir[4096];
	snprintf(dir, sizeof(dir), "module_dir=%s", embed_module_path("counter"));
	*strrchr(dir, '/') = 0;
	const char *options[] = {dir, "modules=counter", NULL};
	struct embed *b = embed_open_with("", options);
	expect(b, "counter.loads", "1");
	expect(b, "module.load parker", "true");
	expect_like(
	    b, "module.load impostor", "EARG: file \"*/impostor.so\" holds module \"counter\", not \"impostor\"");
	embed_close(b);
}

// A broker with this module and this option does not open, and says why.
static void opens_not(const char *module, const char *name, const char *value, int status, const char *reason)
{
	wherry_config *config = wherry_config_new();
	wherry_broker *broker;
	char *why = NULL;
	assert_int_equal(wherry_config_set(config, "modules", ""), WHERRY_OK);
	assert_int_equal(wherry_config_module(config, embed_module_path(module)), WHERRY_OK);
	assert_int_equal(wherry_config_set(config, name, value), WHERRY_OK);
	assert_int_equal(wherry_broker_open(config, &broker, &why), status);
	assert_string_equal(why, reason);
	free(why);
	wherry_config_free(config);
}

static void what_load_and_start_say_is_told(void **state)
{
	(void)state;
	opens_not("failing", "failing.when", "load", WHERRY_EIO, "module \"failing\": load: there is no moon tonight");
	opens_not("failing", "failing.when", "start", WHERRY_EAGAIN, "module \"failing\": start: the road is closed");
	opens_not("failing", "failing.when", "mute", WHERRY_EUNSUPPORTED, "module \"failing\": load: not supported");
	opens_not("failing", "failing.when", "odd", WHERRY_EINTERNAL,
	    "module \"failing\": load: a fault in the broker or a module");
	struct embed *b = embed_open_with("failing", (const char *[]){"failing.when=never", NULL});
	expect(b, "failing.ping", "\"it did not fail\"");
	embed_close(b);
}

static void what_failed_to_load_leaves_nothing(void **state)
{
	(void)state;
	struct embed *b = opened("");
	expect(b, load_line("failing"), "EIO: module \"failing\": load: there is no moon tonight");
	expect_like(b, "failing.ping", "ENOCMD: *");
	expect(b, "module.show failing", "ENOKEY: no module \"failing\" is loaded; see module.list");
	embed_close(b);
}

static void needs_are_kept(void **state)
{
	(void)state;
	struct embed *b = opened("");
	expect(b, load_line("needy"),
	    "ENOKEY: module \"needy\" needs module \"counter\", which is not loaded: load it first");
	expect(b, load_line("counter"), "true");
	expect(b, load_line("needy"), "true");
	expect(b, "module.unload counter", "EARG: module \"counter\" is needed by module \"needy\": unload that first");
	expect(b, "module.reload counter", "true"); // its name stays
	expect(b, "needy.ping", "\"needy\"");
	expect(b, "module.unload needy ; module.unload counter", "true ; true");
	embed_close(b);
	b = opened("counter,needy"); // and closes in the other order
	expect(b, "needy.ping", "\"needy\"");
	embed_close(b);
}

static void built_ins_stay(void **state)
{
	(void)state;
	struct embed *b = opened("");
	expect(b, "module.unload sys", "EARG: module \"sys\" is built in: it can't be unloaded or reloaded");
	expect(b, "module.reload module", "EARG: module \"module\" is built in: it can't be unloaded or reloaded");
	expect(b, "module.unload nothing", "ENOKEY: no module \"nothing\" is loaded");
	embed_close(b);
}

// --- the file -----------------------------------------------------------------------------------------------------

static void copy_file(const char *from, const char *into)
{
	char command[9000];
	snprintf(command, sizeof(command), "cp '%s' '%s'", from, into);
	assert_int_equal(system(command), 0);
}

static char *copy_of(const char *module)
{
	static char path[4200];
	snprintf(path, sizeof(path), "%s/%s.so", embed_temp_dir(), module);
	copy_file(embed_module_path(module), path);
	return path;
}

static void remove_copy(const char *path)
{
	char dir[4200];
	unlink(path);
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = 0;
	rmdir(dir);
}

static void a_file_that_others_may_write_is_refused(void **state)
{
	(void)state;
	struct embed *b = opened("");
	char *path = copy_of("counter");
	assert_int_equal(chmod(path, 0775), 0);
	REFUSES(b, path, "EDENIED: file \"%s\" may be written by others than its owner (mode 0775): chmod go-w it");
	assert_int_equal(chmod(path, 0757), 0);
	REFUSES(b, path, "EDENIED: file \"%s\" may be written by others than its owner (mode 0757): chmod go-w it");
	assert_int_equal(chmod(path, 0755), 0);
	expect(b, load_line(path), "true");
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		expect_like(b, "module.reload counter",
		    "EDENIED: file \"*\" belongs to user 12345: it must be root's, or user 0's, whom "
		    "the broker runs as");
		expect(b, "counter.loads", "1");
	}
	embed_close(b);
	remove_copy(path);
}

static void what_is_no_shared_object_is_refused(void **state)
{
	(void)state;
	struct embed *b = opened("");
	char *path = copy_of("counter");
	assert_int_equal(truncate(path, 100), 0);
	expect_like(b, load_line(path),
	    "EARG: file \"*/counter.so\" is cut short: it has 100 bytes, and its headers tell of *");
	embed_close(b);
	remove_copy(path);
}

static void two_brokers_have_statics_of_their_own(void **state)
{
	(void)state;
	struct embed *one = opened("counter"), *two = opened("counter");
	expect(one, "counter.loads", "1");
	expect(two, "counter.loads", "1");
	expect(one, "counter.add k a 5", "5");
	expect(two, "counter.get k a", "0");
	embed_close(one);
	expect(two, "counter.add k a 6", "6");
	embed_close(two);
}

// --- options ------------------------------------------------------------------------------------------------------

static void options_come_from_the_configuration(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("counter", (const char *[]){"counter.step=7", "counter.size=1MiB", NULL});
	expect(b, "counter.options", "[7, \"none\", 1048576, 0]");
	expect(b, "counter.add k a", "7");
	embed_close(b);
	opens_not("counter", "counter.step", "0", WHERRY_EARG,
	    "module \"counter\": option step: \"0\" is out of bounds: allowed is 1 to 1000");
}

static void hot_options_change_while_it_runs(void **state)
{
	(void)state;
	struct embed *b = opened("counter");
	expect(b, "sys.config counter.step", "1");
	expect(b, "sys.config counter.step 10", "10");
	expect(b, "sys.config counter.label \"a b\"", "\"a b\"");
	expect(b, "counter.options", "[10, \"a b\", 65536, 2]");
	expect(b, "counter.add k a", "10");
	expect(b, "sys.config counter.step 5000", "EARG: step: \"5000\" is out of bounds: allowed is 1 to 1000");
	expect(b, "sys.config counter.size 1MiB",
	    "EARG: option \"counter.size\" can't change while the module runs: set it "
	    "in the configuration and reload the module");
	expect(b, "sys.config counter.colour red", "EARG: option \"counter.colour\" is unknown");
	expect(b, "sys.config nobody.colour red", "EARG: no module \"nobody\" with options is loaded");
	expect(b, "module.reload counter", "true"); // what was set stays
	expect(b, "counter.options", "[10, \"a b\", 65536, 0]");
	embed_close(b);
}

// --- what is left behind --------------------------------------------------------------------------------------------

static void what_it_holds_is_counted(void **state)
{
	(void)state;
	struct embed *b = opened("leaky");
	expect_like(b, "module.show leaky", "*\"memory\": 0, \"timers\": 0,*");
	expect(b, "leaky.leak", "true");
	expect_like(b, "module.show leaky", "*\"memory\": 100*, \"timers\": 1,*");
	char path[4096];
	snprintf(path, sizeof(path), "%s", embed_module_path("leaky"));
	void *handle = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	assert_non_null(handle);
	int (*late)(void) = NULL;
	*(void **)&late = dlsym(handle, "leaky_late");
	expect(b, "module.unload leaky", "true");
	assert_int_equal(late(), 0); // a late thread of it: answered, not crashed
	dlclose(handle);
	embed_close_leaky(b);
}

static void a_module_that_does_not_drain_goes_on(void **state)
{
	(void)state;
	struct embed *b = opened("stubborn,parker");
	expect(b, "module.unload stubborn", "ETIMEOUT: module \"stubborn\" did not drain (ETIMEOUT): it stays loaded");
	expect(b, "stubborn.ping", "\"still here\"");
	expect(b, "module.reload stubborn", "ETIMEOUT: module \"stubborn\" did not drain (ETIMEOUT): it stays loaded");
	expect(b, "stubborn.ping", "\"still here\"");
	expect_like(b, "module.show stubborn", "*\"state\": \"running\"*\"reloads\": 0,*");
	expect(b, "stubborn.yield", "true");
	expect(b, "module.unload stubborn", "true");
	expect_like(b, "stubborn.ping", "ENOCMD: *");
	embed_close(b);
}

// --- without memory -------------------------------------------------------------------------------------------------

// On the control thread, the allocation number `fail_at` fails.
struct poverty {
	struct embed *b;
	int (*work)(struct modules *, char *why, size_t room);
	int status;
	char why[512];
};

static _Thread_local bool poor;
static long fail_at;

static bool may_alloc(size_t size)
{
	(void)size;
	return !poor || fail_at-- != 0;
}

static void work_poorly(void *arg)
{
	struct poverty *p = arg;
	poor = true;
	p->status = p->work(embed_broker(p->b)->modules, p->why, sizeof(p->why));
	poor = false;
}

static int load_poorly(struct modules *modules, char *why, size_t room)
{
	return modules_load_now(modules, embed_module_path("counter"), why, room);
}

static int reload_poorly(struct modules *modules, char *why, size_t room)
{
	return modules_reload(modules, "counter", why, room);
}

static int unload_poorly(struct modules *modules, char *why, size_t room)
{
	return modules_unload(modules, "counter", 1000, why, room);
}

// Answers how many allocations could fail before it succeeded.
static long until_it_succeeds(
    struct embed *b, int (*work)(struct modules *, char *, size_t), const char *meanwhile, const char *want)
{
	struct poverty p = {.b = b, .work = work, .status = WHERRY_ENOMEM};
	long tries = 0;
	for (; p.status != WHERRY_OK; tries++) {
		expect_like(b, meanwhile, want);
		p.why[0] = 0;
		fail_at = tries;
		mem_may_alloc = may_alloc;
		control_call(embed_broker(b)->control, "test", work_poorly, &p);
		mem_may_alloc = NULL;
		if (p.status != WHERRY_OK) {
			assert_int_equal(p.status, WHERRY_ENOMEM);
			assert_non_null(strstr(p.why, "out of memory"));
		}
	}
	return tries - 1;
}

static void without_memory_nothing_changes(void **state)
{
	(void)state;
	struct embed *b = opened("");
	assert_true(until_it_succeeds(b, load_poorly, "counter.loads", "ENOCMD: *") > 10);
	expect(b, "counter.add k a", "1");
	assert_true(until_it_succeeds(b, reload_poorly, "counter.get k a", "1") > 10);
	expect_like(b, "module.show counter", "*\"reloads\": 1,*");
	assert_true(until_it_succeeds(b, unload_poorly, "counter.get k a", "1") > 2);
	expect_like(b, "counter.get k a", "ENOCMD: *");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_module_serves),
	    cmocka_unit_test(modules_come_and_go),
	    cmocka_unit_test(what_can_not_be_served_is_refused_with_a_reason),
	    cmocka_unit_test(by_name_from_the_module_directory),
	    cmocka_unit_test(what_load_and_start_say_is_told),
	    cmocka_unit_test(what_failed_to_load_leaves_nothing),
	    cmocka_unit_test(needs_are_kept),
	    cmocka_unit_test(built_ins_stay),
	    cmocka_unit_test(a_file_that_others_may_write_is_refused),
	    cmocka_unit_test(what_is_no_shared_object_is_refused),
	    cmocka_unit_test(two_brokers_have_statics_of_their_own),
	    cmocka_unit_test(options_come_from_the_configuration),
	    cmocka_unit_test(hot_options_change_while_it_runs),
	    cmocka_unit_test(what_it_holds_is_counted),
	    cmocka_unit_test(a_module_that_does_not_drain_goes_on),
	    cmocka_unit_test(without_memory_nothing_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
