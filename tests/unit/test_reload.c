// Hot reload: under load, with requests that wait, with a file that is broken.

#include "embed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RELOADS = 200, CALLERS = 4 };

struct caller {
	struct embed_session *session;
	pthread_t thread;
	atomic_bool *stop;
	unsigned number, adds, again;
	char fault[256]; // the first answer that should not be
};

static void *call_until_stopped(void *arg)
{
	struct caller *c = arg;
	char line[64];
	snprintf(line, sizeof(line), "counter.add k%u a 1", c->number);
	while (!atomic_load(c->stop) && c->fault[0] == 0) {
		char *answer = embed_session_call(c->session, line);
		if (strncmp(answer, "EAGAIN:", 7) == 0)
			c->again++;
		else if ((unsigned)atoi(answer) == c->adds + 1)
			c->adds++;
		else
			snprintf(c->fault, sizeof(c->fault), "%s", answer);
		free(answer);
	}
	return NULL;
}

// Every call is answered by one copy or the other, and no count is lost.
static void two_hundred_reloads_under_load(void **state)
{
	(void)state;
	struct embed *b = embed_open("counter");
	struct caller callers[CALLERS] = {0};
	atomic_bool stop = false;
	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.session = embed_session_open(b), .stop = &stop, .number = i};
		assert_int_equal(pthread_create(&callers[i].thread, NULL, call_until_stopped, &callers[i]), 0);
	}
	for (int i = 0; i < RELOADS; i++)
		expect(b, "module.reload counter", "true");
	atomic_store(&stop, true);
	for (unsigned i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		embed_session_close(callers[i].session);
		assert_string_equal(callers[i].fault, "");
		char want[32];
		snprintf(want, sizeof(want), "%u", callers[i].adds);
		embed_expect_text(embed_callf(b, "counter.get k%u a", i), want, 0, __FILE__, __LINE__);
	}
	expect_like(b, "module.show counter", "*\"reloads\": 200,*");
	expect(b, "counter.loads", "1");
	embed_close(b);
}

static void who_waits_is_told_to_try_again(void **state)
{
	(void)state;
	struct embed *b = embed_open("parker");
	struct embed_pending *polite = embed_begin(b, "parker.wait k"), *rude = embed_begin(b, "parker.stay");
	embed_wait_parked(b, 2);
	expect(b, "module.reload parker", "true");
	expect_end(polite, "\"shutdown\"");
	expect_end(rude, "EAGAIN: the module was reloaded or unloaded while the request waited: send it again");
	struct embed_pending *again = embed_begin(b, "parker.wait k");
	embed_wait_parked(b, 1);
	expect(b, "parker.signal k", "true");
	expect_end(again, "\"signal\"");
	rude = embed_begin(b, "parker.stay");
	embed_wait_parked(b, 1);
	expect(b, "module.unload parker", "true");
	expect_end_like(rude, "EAGAIN: *");
	embed_close(b);
}

static void rename_into(const char *module, const char *path)
{
	char command[20000];
	snprintf(command, sizeof(command), "cp '%s' '%s.new' && mv '%s.new' '%s'", embed_module_path(module), path,
	    path, path);
	assert_int_equal(system(command), 0);
}

static void a_broken_file_leaves_the_old_copy_serving(void **state)
{
	(void)state;
	char dir[4096], path[4200], line[4300];
	snprintf(dir, sizeof(dir), "%s", embed_temp_dir());
	snprintf(path, sizeof(path), "%s/m.so", dir);
	rename_into("counter", path);
	struct embed *b = embed_open("");
	snprintf(line, sizeof(line), "module.load \"%s\"", path);
	expect(b, line, "true");
	expect(b, "counter.add k a 3", "3");
	rename_into("nosymbol", path);
	expect_like(b, "module.reload counter", "EARG: file \"*/m.so\" is no module: it has no wherry_module_query()");
	expect(b, "counter.add k a", "4");
	rename_into("failing", path);
	expect_like(b, "module.reload counter", "EARG: file \"*/m.so\" holds module \"failing\" now, not \"counter\"");
	expect(b, "counter.add k a", "5");
	rename_into("impostor", path); // the same name, without commands: a new version may have fewer
	expect(b, "module.reload counter", "true");
	expect_like(b, "counter.add k a", "ENOCMD: *");
	rename_into("counter", path);
	expect(b, "module.reload counter", "true");
	expect(b, "counter.add k a", "6");
	assert_int_equal(unlink(path), 0);
	expect_like(b, "module.reload counter", "ENOKEY: no file \"*/m.so\"");
	expect(b, "counter.add k a", "7");
	embed_close(b);
	rmdir(dir);
}

static void a_reload_makes_no_circle_of_needs(void **state)
{
	(void)state;
	char dir[4096], path[4200], line[4300];
	snprintf(dir, sizeof(dir), "%s", embed_temp_dir());
	snprintf(path, sizeof(path), "%s/m.so", dir);
	rename_into("counter", path);
	struct embed *b = embed_open("");
	snprintf(line, sizeof(line), "module.load \"%s\"", path);
	expect(b, line, "true");
	snprintf(line, sizeof(line), "module.load \"%s\"", embed_module_path("needy"));
	expect(b, line, "true");
	rename_into("circle", path);
	expect(b, "module.reload counter", "EARG: module \"counter\" needs module \"needy\", which needs \"counter\"");
	expect(b, "counter.loads ; needy.ping", "1 ; \"needy\"");
	embed_close(b);
	unlink(path);
	rmdir(dir);
}

static void metrics_and_timers_are_the_copys_own(void **state)
{
	(void)state;
	struct embed *b = embed_open("ticker,counter");
	expect_like(b, "ticker.start 3600000 0", "[0-9]*");
	expect(b, "module.reload ticker", "true"); // the old copy's timer is gone with it
	embed_await_like(b, "module.show ticker", "*\"timers\": 0,*");
	expect(b, "counter.add k a ; module.reload counter", "1 ; true");
	expect_like(b, "module.show counter", "*\"metrics\": {\"adds\": 0}}");
	embed_close(b);
}

static void many_ask_at_once(void **state)
{
	(void)state;
	struct embed *b = embed_open("counter");
	for (int i = 0; i < 20; i++) {
		struct embed_pending *p[4];
		for (int k = 0; k < 4; k++)
			p[k] = embed_begin(b, k % 2 == 0 ? "module.reload counter" : "sys.digest");
		for (int k = 0; k < 4; k++)
			free(embed_end(p[k]));
	}
	expect(b, "counter.add k a", "1");
	expect_like(b, "module.show counter", "*\"reloads\": 40,*");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_hundred_reloads_under_load),
	    cmocka_unit_test(who_waits_is_told_to_try_again),
	    cmocka_unit_test(a_broken_file_leaves_the_old_copy_serving),
	    cmocka_unit_test(a_reload_makes_no_circle_of_needs),
	    cmocka_unit_test(metrics_and_timers_are_the_copys_own),
	    cmocka_unit_test(many_ask_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
