// Modules that can't be served, each a file, each refused with its exact sentence and without a trace; what a later ABI
// may do is served.  tests/modules/malformed/faults.def is the table.

#include "embed.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct spoilt {
	const char *name, *sentence;
};

static const struct spoilt spoilt[] = {
#define SPOILT(name, spoil, sentence) {#name, sentence},
#include "../modules/malformed/faults.def"
#undef SPOILT
};

enum { SPOILT_COUNT = sizeof(spoilt) / sizeof(spoilt[0]) };

static const char *path_of(const char *name)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/tests/modules/malformed/%s.so", getenv("WHERRY_BUILD"), name);
	return path;
}

static void load(struct embed *b, const char *path, const char *sentence)
{
	char line[4200], want[5000];
	snprintf(line, sizeof(line), "module.load \"%s\"", path);
	snprintf(want, sizeof(want), sentence, path);
	expect(b, line, want);
}

static void each_description_is_answered_for(void **state)
{
	(void)state;
	assert_true(SPOILT_COUNT >= 80);
	struct embed *b = embed_open("counter");
	for (size_t i = 0; i < SPOILT_COUNT; i++) {
		load(b, path_of(spoilt[i].name), spoilt[i].sentence);
		if (strcmp(spoilt[i].sentence, "true") == 0) {
			expect(b, "sample.set k 1 --ttl=3", "\"served\"");
			expect(b, "module.unload sample", "true");
		}
		expect_like(b, "sample.set k", "ENOCMD: *");
	}
	expect(b, "counter.add k a", "1");
	embed_close(b);
}

// --- files that are no modules ----------------------------------------------------------------------------------------

// A copy of a good module, to spoil.
struct copy {
	char dir[4096], path[4200];
	char *bytes;
	size_t len;
};

static void copy_open(struct copy *c)
{
	snprintf(c->dir, sizeof(c->dir), "%s", embed_temp_dir());
	snprintf(c->path, sizeof(c->path), "%s/copy.so", c->dir);
	FILE *in = fopen(path_of("nothing"), "rb");
	assert_non_null(in);
	assert_int_equal(fseek(in, 0, SEEK_END), 0);
	c->len = (size_t)ftell(in);
	rewind(in);
	c->bytes = malloc(c->len);
	assert_non_null(c->bytes);
	assert_int_equal(fread(c->bytes, 1, c->len, in), c->len);
	fclose(in);
}

// Anew each time: what is mapped under a path must not change.
static const char *copy_write(const struct copy *c, size_t len)
{
	unlink(c->path);
	FILE *out = fopen(c->path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(c->bytes, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(c->path, 0644), 0);
	return c->path;
}

static void copy_close(struct copy *c)
{
	unlink(c->path);
	rmdir(c->dir);
	free(c->bytes);
}

static void what_is_no_shared_object(void **state)
{
	(void)state;
	struct copy c;
	copy_open(&c);
	struct embed *b = embed_open("");
	load(b, copy_write(&c, 0), "EARG: file \"%s\" is no shared object");
	load(b, copy_write(&c, sizeof(Elf64_Ehdr) - 1), "EARG: file \"%s\" is no shared object");
	Elf64_Ehdr *head = (Elf64_Ehdr *)(void *)c.bytes;
	head->e_type = ET_REL;
	load(b, copy_write(&c, c.len), "EARG: file \"%s\" is no shared object");
	memcpy(c.bytes, "#!/bin/sh\n", 10);
	load(b, copy_write(&c, c.len), "EARG: file \"%s\" is no shared object");
	embed_close(b);
	copy_close(&c);
}

static void what_is_of_another_machine(void **state)
{
	(void)state;
	struct copy c;
	copy_open(&c);
	struct embed *b = embed_open("");
	Elf64_Ehdr *head = (Elf64_Ehdr *)(void *)c.bytes;
	head->e_machine = head->e_machine == EM_S390 ? EM_X86_64 : EM_S390;
	load(b, copy_write(&c, c.len), "EARG: file \"%s\" is built for another kind of machine");
	head->e_machine = head->e_machine == EM_S390 ? EM_X86_64 : EM_S390;
	head->e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	load(b, copy_write(&c, c.len), "EARG: file \"%s\" is built for another kind of machine");
	embed_close(b);
	copy_close(&c);
}

// At every length: neither a module nor the end of the broker.
static void what_is_cut_short(void **state)
{
	(void)state;
	struct copy c;
	copy_open(&c);
	struct embed *b = embed_open("");
	char line[4300];
	snprintf(line, sizeof(line), "module.load \"%s\"", c.path);
	size_t step = c.len / 64;
	for (size_t len = sizeof(Elf64_Ehdr); len < c.len; len += step) {
		char want[200];
		snprintf(want, sizeof(want),
		    "EARG: file \"*\" is cut short: it has %zu bytes, and its headers tell of *", len);
		copy_write(&c, len);
		expect_like(b, line, want);
	}
	Elf64_Ehdr *head = (Elf64_Ehdr *)(void *)c.bytes;
	head->e_phoff = UINT64_MAX - 8;
	copy_write(&c, c.len);
	expect_like(b, line, "EARG: file \"*\" is cut short: *");
	embed_close(b);
	copy_close(&c);
}

// That would make the stacks of all threads executable.
static void what_wants_to_run_on_the_stack(void **state)
{
	(void)state;
	const char *sentence =
	    "EARG: file \"%s\" wants the broker's stacks to be executable: link it with -z noexecstack";
	struct copy c;
	copy_open(&c);
	struct embed *b = embed_open("");
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)(void *)c.bytes;
	Elf64_Phdr *part = (Elf64_Phdr *)(void *)(c.bytes + head->e_phoff);
	while (part->p_type != PT_GNU_STACK)
		part++;
	part->p_flags |= PF_X;
	load(b, copy_write(&c, c.len), sentence);
	part->p_type = PT_NULL; // what says nothing gets the same
	load(b, copy_write(&c, c.len), sentence);
	embed_close(b);
	copy_close(&c);
}

static void who_may_write_it_and_what_it_is(void **state)
{
	(void)state;
	struct copy c;
	copy_open(&c);
	struct embed *b = embed_open("");
	copy_write(&c, c.len);
	chmod(c.path, 0664);
	load(b, c.path, "EDENIED: file \"%s\" may be written by others than its owner (mode 0664): chmod go-w it");
	chmod(c.path, 0646);
	load(b, c.path, "EDENIED: file \"%s\" may be written by others than its owner (mode 0646): chmod go-w it");
	chmod(c.path, 0644);
	load(b, c.path, "true");
	expect(b, "module.unload sample", "true");
	unlink(c.path);
	assert_int_equal(mkfifo(c.path, 0644), 0);
	load(b, c.path, "EDENIED: file \"%s\" is no regular file");
	load(b, c.dir, "EDENIED: file \"%s\" is no regular file");
	load(b, embed_module_path("nosymbol"), "EARG: file \"%s\" is no module: it has no wherry_module_query()");
	load(b, embed_module_path("nofunction"),
	    "EARG: file \"%s\" is no module: its wherry_module_query is no function");
	embed_close(b);
	copy_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_description_is_answered_for),
	    cmocka_unit_test(what_is_no_shared_object),
	    cmocka_unit_test(what_is_of_another_machine),
	    cmocka_unit_test(what_is_cut_short),
	    cmocka_unit_test(what_wants_to_run_on_the_stack),
	    cmocka_unit_test(who_may_write_it_and_what_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
