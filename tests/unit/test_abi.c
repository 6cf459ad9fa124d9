// A module built with the frozen header of its ABI, and the binary that was kept of it, do today what they did then.

#include "embed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static struct embed *opened(const char *path)
{
	return embed_open_with(path, (const char *[]){"probe.label=frozen", "probe.step=2", NULL});
}

static void keys_and_values(struct embed *b)
{
	expect(b, "probe.add k a", "2");
	expect(b, "probe.add k b --amount=40", "40");
	expect(b, "probe.add k a --amount=5 ; probe.show k", "7 ; [3, {\"a\": 7, \"b\": 40}]");
	expect(b, "probe.add k b --amount=961", "ELIMIT: a sum is at most 1000");
	expect(b, "probe.show k", "[3, {\"a\": 7, \"b\": 40}]"); // undone
	expect_like(b, "probe.show nothing", "ENOKEY: *");
	expect_like(b, "probe.add k", "EARG: *");
	expect(b, "probe.sum [1, 2] [] [-5, 40]", "38");
	expect(b, "probe.sum", "0");
	expect(b, "probe.sum [a]", "EARG: a list holds what is no int");
}

static void what_happens_by_itself(struct embed *b)
{
	embed_await_like(b, "probe.status",
	    "{\"step\": 2, \"label\": \"frozen\", \"room\": 65536, \"period\": 5, \"loud\": true, \"ticked\": true, "
	    "\"heard\": 3}");
	expect(b, "probe.say probe.hello [1]", "1");
	embed_await_like(b, "probe.status", "*\"heard\": 4}");
	expect_like(b, "probe.say a..b 1", "EARG: *");
	expect(b, "probe.count", "1");
	expect_like(b, "probe.tick", "*");
	expect(b, "probe.doom k 1", "null");
	embed_await_like(b, "probe.count", "0");
	expect_like(b, "module.show probe", "*\"metrics\": {\"adds\": 3, \"heard\": 4}*");
}

static void waiting(struct embed *b)
{
	expect(b, "probe.wait k --timeout-ms=1", "\"timeout\"");
	struct embed_pending *pending = embed_begin(b, "probe.wait k");
	embed_wait_parked(b, 1);
	expect(b, "probe.add k a", "2");
	expect_end(pending, "\"signal\"");
}

static void changes_while_it_runs(struct embed *b)
{
	expect(b, "sys.config probe.step 3", "3");
	expect(b, "probe.add k a", "5");
	expect(b, "module.reload probe", "true");
	expect(b, "probe.add k a", "8");
	expect(b, "module.unload probe", "true");
	expect_like(b, "probe.show k", "ENOCMD: *");
	expect_like(b, "sys.inspect k", "{\"type\": \"probe.tally\", *");
}

static void messages(struct embed *b)
{
	expect(b, "probe.news other.topic 1", "[0, 0]");
	expect(b, "probe.news probe.topic 1", "[1, 1]"); // its own listener
	expect(b, "probe.hear probe.a", "[2, 2, -3]");
	expect_like(b, "probe.hear probe..a", "EARG: *");
	expect(b, "probe.follow k", "true");
	expect(b, "probe.own mine", "[\"default\", true, false]");
	expect_like(b, "probe.show mine", "ENOKEY: *");
}

static void transcript(const char *path)
{
	struct embed *b = opened(path);
	keys_and_values(b);
	what_happens_by_itself(b);
	waiting(b);
	messages(b);
	changes_while_it_runs(b);
	embed_close(b);
}

static void the_probe_built_with_its_frozen_header(void **state)
{
	(void)state;
	char path[4096];
	snprintf(path, sizeof(path), "%s/tests/abi/0.2/probe.so", getenv("WHERRY_BUILD"));
	transcript(path);
}

static void copy_file(const char *from, const char *into)
{
	char bytes[65536];
	FILE *in = fopen(from, "rb"), *out = fopen(into, "wb");
	assert_true(in != NULL && out != NULL);
	size_t len = fread(bytes, 1, sizeof(bytes), in);
	assert_true(len > 0 && len < sizeof(bytes)); // small is part of the promise: it is kept in the tree
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	fclose(in);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(into, 0644), 0); // as a checkout leaves it, others may be allowed to write it
}

static void the_binary_that_was_kept(void **state)
{
	(void)state;
	struct utsname machine;
	char kept[4096], dir[4096], path[4200];
	uname(&machine);
	snprintf(kept, sizeof(kept), "%s/tests/abi/0.2/probe-%s.so", getenv("WHERRY_SOURCE"), machine.machine);
	if (access(kept, R_OK) != 0 && errno == ENOENT) {
		print_message("no probe was kept for %s machines\n", machine.machine);
		skip();
	}
	snprintf(dir, sizeof(dir), "%s", embed_temp_dir());
	snprintf(path, sizeof(path), "%s/probe.so", dir);
	copy_file(kept, path);
	transcript(path);
	unlink(path);
	rmdir(dir);
}

// While 0.x, each minor version is another ABI.
static void an_older_one_is_refused(void **state)
{
	(void)state;
	char line[4096], wanted[4300];
	struct embed *b = embed_open("");
	snprintf(line, sizeof(line), "module.load %s/tests/abi/0.1/probe.so", getenv("WHERRY_BUILD"));
	snprintf(
	    wanted, sizeof(wanted), "EARG: file \"%s\": the module does not serve this broker's ABI 0.2", line + 12);
	expect(b, line, wanted);
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_probe_built_with_its_frozen_header),
	    cmocka_unit_test(the_binary_that_was_kept),
	    cmocka_unit_test(an_older_one_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
