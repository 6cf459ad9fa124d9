// Consumers of the C client whose connection is lost, or whose broker lies: every job is told of.

#include "client_jobs.h"

// --- lost connections -------------------------------------------------------------------------------------------------

static void what_is_not_held_is_lost(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_rule(&x.fake, "queue.ack", "ESTALE");
	wherry_consumer *k =
	    consume(&x, (wherry_consume_options){.prefetch = 3, .settled = hear_settled, .on_gap = hear_gap});
	hand_over(&x, 1, 2);
	wherry_job *one = next(k, 1);
	fake_await(&x.fake, "queue.pop", 2);
	fake_cut(&x.fake);
	expect_heard(&x.heard, &x.at, "gap: ESTALE");
	assert_int_equal(wherry_job_lost(one), WHERRY_ESTALE);
	fake_await(&x.fake, "queue.pop", 3);
	hand_over(&x, 2, 2); // again, by the broker
	wherry_job *two = next(k, 2);
	assert_int_equal(wherry_job_lost(two), WHERRY_OK);
	wherry_job_ack(one);
	expect_heard(&x.heard, &x.at, "1 ESTALE");
	assert_int_equal(fake_count(&x.fake, "queue.ack \"jobs\", [1, 1]"), 1);
	wherry_consumer_close(k);
	end(&x);
}

static void what_is_held_survives(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x,
	    (wherry_consume_options){.prefetch = 3, .flags = WHERRY_HOLD, .settled = hear_settled, .on_gap = hear_gap});
	hand_over(&x, 1, 2);
	wherry_job *one = next(k, 1);
	fake_cut(&x.fake);
	expect_heard(&x.heard, &x.at, "gap: ESTALE");
	assert_int_equal(wherry_job_lost(one), WHERRY_OK);
	wherry_job_ack(one);
	expect_heard(&x.heard, &x.at, "1 done");
	wherry_job_ack(next(k, 2));
	expect_heard(&x.heard, &x.at, "2 done");
	wherry_consumer_close(k);
	end(&x);
}

static void verdicts_cross_lost_connections(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k =
	    consume(&x, (wherry_consume_options){.prefetch = 3, .flags = WHERRY_HOLD, .settled = hear_settled});
	hand_over(&x, 1, 1);
	fake_rule(&x.fake, "queue.ack", FAKE_HOLD);
	wherry_job_ack(next(k, 1));
	fake_await(&x.fake, "queue.ack", 1);
	fake_cut(&x.fake);
	fake_await(&x.fake, "queue.ack \"jobs\", [1, 1]", 2); // twice does no harm
	fake_release(&x.fake, "queue.ack", "1");
	expect_heard(&x.heard, &x.at, "1 done");
	assert_int_equal(heard_count(&x.heard), 1);
	wherry_consumer_close(k);
	end(&x);
}

static void with_once_all_is_told_stale(void **state)
{
	(void)state;
	struct fixture x;
	wherry_job *job;
	begin_with(&x, (wherry_client_options){.once = 1});
	wherry_consumer *k =
	    consume(&x, (wherry_consume_options){.prefetch = 3, .settled = hear_settled, .on_gap = hear_gap});
	hand_over(&x, 1, 2);
	wherry_job *one = next(k, 1);
	fake_cut(&x.fake);
	expect_heard(&x.heard, &x.at, "ended: ESTALE");
	wherry_job_ack(one);
	expect_heard(&x.heard, &x.at, "1 ESTALE");
	assert_int_equal(wherry_consumer_next(k, 10000, &job, NULL), WHERRY_ESTALE);
	assert_int_equal(wherry_consumer_stop(k, 10000), WHERRY_OK);
	wherry_consumer_close(k);
	end(&x);
}

static void a_client_that_is_closed_settles_all(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 3, .settled = hear_settled});
	hand_over(&x, 1, 3);
	fake_rule(&x.fake, "queue.ack", FAKE_HOLD);
	wherry_job_ack(next(k, 1));
	next(k, 2);
	wherry_client_close(x.client);
	assert_int_equal(heard_count(&x.heard), 1);
	expect_heard(&x.heard, &x.at, "1 ESHUTDOWN");
	fake_close(&x.fake);
}

// --- a broker that lies -----------------------------------------------------------------------------------------------

static void lies_end_the_connection(void **state)
{
	(void)state;
	static const char *const lies[] = {
	    "true",
	    "{a: 1}",
	    "[5]",
	    "[{}]",
	    "[{queue: jobs}]",
	    "[{queue: jobs, token: [1, 1]}]",
	    "[{queue: 5, token: [1, 1], value: 1}]",
	    "[{queue: jobs, token: [], value: 1}]",
	    "[{queue: jobs, token: [-1, 1], value: 1}]",
	    "[{queue: jobs, token: [1, 1], attempt: one, value: 1}]",
	    "[{queue: jobs, token: 5, value: 1}]",
	    "[{queue: jobs, token: [1, 1], value: 1, age_ms: x}]",
	    "[{queue: jobs, token: [1, 1], value: 1}, {queue: jobs}]",
	};
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 3, .on_gap = hear_gap});
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		fake_release(&x.fake, "queue.pop", lies[i]);
		expect_heard(&x.heard, &x.at, "gap: ESTALE");
	}
	hand_over(&x, 1, 3);
	next(k, 1);
	wherry_consumer_close(k);
	end(&x);
}

static void more_jobs_than_asked_for_are_taken(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 1});
	hand_over(&x, 1, 3);
	for (unsigned i = 1; i <= 3; i++)
		wherry_job_ack(next(k, i));
	fake_await(&x.fake, "queue.pop", 2);
	wherry_consumer_close(k);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_held_is_lost),
	    cmocka_unit_test(what_is_held_survives),
	    cmocka_unit_test(verdicts_cross_lost_connections),
	    cmocka_unit_test(with_once_all_is_told_stale),
	    cmocka_unit_test(a_client_that_is_closed_settles_all),
	    cmocka_unit_test(lies_end_the_connection),
	    cmocka_unit_test(more_jobs_than_asked_for_are_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
