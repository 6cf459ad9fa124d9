// Timers: fired in order, once, when they are due, and never after they were stopped.  The clock is the
// test's own; it moves when the test says so.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/timer.h"
#include "wherry/status.h"

#define AT(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static _Atomic uint64_t ticks;

static uint64_t test_ticks(void *self)
{
	(void)self;
	return atomic_load(&ticks);
}

static const struct clock test_clock = {.ticks_ns = test_ticks};

static struct timers *ts;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned fired_count;

struct alarm {
	struct timer timer;
	unsigned fired, order;
	int64_t wanted_ms;
	bool signals_blocked, again, hold;
};

static void fire(struct timer *t)
{
	struct alarm *a = AT(t, struct alarm, timer);
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	pthread_mutex_lock(&lock);
	a->signals_blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGHUP) == 1;
	a->fired++;
	a->order = ++fired_count;
	pthread_cond_broadcast(&changed);
	while (a->hold)
		pthread_cond_wait(&changed, &lock);
	bool again = a->again; // the alarm may be gone once the test knows that it fired
	pthread_mutex_unlock(&lock);
	if (again)
		timer_start(ts, t, timers_now(ts));
}

static void wait_fired(unsigned count)
{
	pthread_mutex_lock(&lock);
	while (fired_count < count)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void advance_to(uint64_t ms)
{
	atomic_store(&ticks, ms * 1000000);
	timers_poke(ts);
}

static void start(struct alarm *a, int64_t due_ms)
{
	a->timer.fire = fire;
	a->wanted_ms = due_ms;
	assert_int_equal(timer_start(ts, &a->timer, due_ms), WHERRY_OK);
}

static int open_test(void **state)
{
	(void)state;
	atomic_store(&ticks, 0);
	fired_count = 0;
	return timers_open(&ts, &test_clock);
}

static int close_test(void **state)
{
	(void)state;
	timers_close(ts);
	ts = NULL;
	return 0;
}

static void fires_in_order_when_due(void **state)
{
	(void)state;
	static struct alarm never_due; // fire() must not meet it; timers_close() does
	struct alarm a = {0}, b = {0}, c = {0}, later = {0};
	start(&c, 300);
	start(&a, 100);
	start(&later, 5000);
	start(&b, 200);
	advance_to(99);
	start(&never_due, INT64_MAX);
	assert_int_equal(fired_count, 0);
	advance_to(300);
	wait_fired(3);
	assert_true(a.order == 1 && b.order == 2 && c.order == 3);
	assert_true(a.signals_blocked);
	assert_int_equal(a.timer.place, 0);
	assert_true(timer_stop(ts, &later.timer));
	assert_int_equal(later.fired, 0);
}

static void a_moved_timer_fires_at_its_new_time(void **state)
{
	(void)state;
	struct alarm a = {0}, b = {0};
	start(&a, 100);
	start(&b, 200);
	start(&a, 300);
	advance_to(200);
	wait_fired(1);
	assert_true(b.fired == 1 && a.fired == 0);
	start(&a, 150); // past: at once
	wait_fired(2);
	assert_int_equal(a.fired, 1);
}

static void a_stopped_timer_does_not_fire(void **state)
{
	(void)state;
	struct alarm a = {0}, b = {0};
	start(&a, 100);
	start(&b, 200);
	assert_true(timer_stop(ts, &a.timer));
	assert_false(timer_stop(ts, &a.timer));
	advance_to(200);
	wait_fired(1);
	assert_true(a.fired == 0 && b.fired == 1);
	assert_false(timer_stop(ts, &b.timer));
}

struct stopper {
	struct alarm *alarm;
	atomic_bool done;
};

static void *stop_and_wait(void *arg)
{
	struct stopper *s = arg;
	timer_stop_wait(ts, &s->alarm->timer);
	atomic_store(&s->done, true);
	return NULL;
}

static void stopping_waits_for_what_is_firing(void **state)
{
	(void)state;
	struct alarm a = {.hold = true, .again = true};
	struct stopper s = {.alarm = &a};
	pthread_t thread;
	start(&a, 0);
	wait_fired(1);
	assert_int_equal(pthread_create(&thread, NULL, stop_and_wait, &s), 0);
	assert_false(atomic_load(&s.done)); // it can't be, while the timer holds
	pthread_mutex_lock(&lock);
	a.hold = a.again = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	assert_int_equal(a.timer.place, 0);
	assert_int_equal(a.fired, 1);
	timer_stop_wait(ts, &a.timer); // of what is not started: nothing
}

static void a_timer_may_start_itself_again(void **state)
{
	(void)state;
	struct alarm a = {.again = true};
	start(&a, 0);
	wait_fired(50);
	timer_stop_wait(ts, &a.timer);
	unsigned fired = fired_count;
	struct alarm last = {0};
	start(&last, 0);
	wait_fired(fired + 1);
	assert_int_equal(last.order, fired + 1);
}

enum { MANY = 5000 };

static void many_timers_keep_their_order(void **state)
{
	(void)state;
	struct alarm *alarms = calloc(MANY, sizeof(*alarms));
	unsigned stopped = 0, seed = 7;
	assert_non_null(alarms);
	for (int i = 0; i < MANY; i++)
		start(&alarms[i], 1 + rand_r(&seed) % 1000);
	for (int i = 0; i < MANY; i += 3)
		stopped += timer_stop(ts, &alarms[i].timer);
	for (int i = 1; i < MANY; i += 3)
		start(&alarms[i], 1 + rand_r(&seed) % 1000);
	assert_int_equal(fired_count, 0);
	advance_to(1000);
	wait_fired(MANY - stopped);
	int64_t *due = calloc(MANY + 1, sizeof(*due));
	assert_non_null(due);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(alarms[i].fired, i % 3 != 0);
		due[alarms[i].order] = alarms[i].wanted_ms;
	}
	for (unsigned i = 2; i <= MANY - stopped; i++)
		assert_true(due[i] >= due[i - 1]);
	free(due);
	free(alarms);
}

static bool never(size_t size)
{
	(void)size;
	return false;
}

static void says_when_there_is_no_memory(void **state)
{
	(void)state;
	struct timers *none;
	struct alarm a = {.timer.fire = fire};
	mem_may_alloc = never;
	int opened = timers_open(&none, &test_clock), started = timer_start(ts, &a.timer, 0);
	mem_may_alloc = NULL;
	assert_int_equal(opened, WHERRY_ENOMEM);
	assert_int_equal(started, WHERRY_ENOMEM);
	assert_int_equal(a.timer.place, 0);
}

static void the_system_clock_needs_no_poke(void **state)
{
	(void)state;
	struct alarm a = {0}, b = {0}, far = {0};
	fired_count = 0;
	assert_int_equal(timers_open(&ts, &clock_system), WHERRY_OK);
	int64_t begin = timers_now(ts);
	start(&far, INT64_MAX);
	start(&b, begin + 30);
	start(&a, begin + 10);
	wait_fired(2);
	assert_true(timers_now(ts) >= begin + 30);
	assert_true(a.order == 1 && b.order == 2);
	timers_close(ts);
	assert_int_equal(far.fired, 0);
	assert_int_equal(far.timer.place, 0);
	timers_close(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_test, close_test)
	const struct CMUnitTest tests[] = {
	    TEST(fires_in_order_when_due),
	    TEST(a_moved_timer_fires_at_its_new_time),
	    TEST(a_stopped_timer_does_not_fire),
	    TEST(stopping_waits_for_what_is_firing),
	    TEST(a_timer_may_start_itself_again),
	    TEST(many_timers_keep_their_order),
	    TEST(says_when_there_is_no_memory),
	    cmocka_unit_test(the_system_clock_needs_no_poke),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
