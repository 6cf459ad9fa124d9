// Consumers of queues by the C client: what is popped, who works, what is renewed, what came of it.

#include <pthread.h>

#include "client_jobs.h"

// --- popping ----------------------------------------------------------------------------------------------------------

static void it_pops_what_it_has_room_for(void **state)
{
	(void)state;
	struct fixture x;
	const char *const queues[] = {"urgent", "jobs"};
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.queues = queues,
					     .queue_count = 2,
					     .prefetch = 3,
					     .visible_ms = 60000,
					     .flags = WHERRY_HOLD,
					     .ns = "red"});
	fake_await(&x.fake,
	    "queue.pop \"urgent\", \"jobs\" {\"ns\", \"red\", \"wait_ms\", 5000, \"visible_ms\", 60000, \"hold\", "
	    "true, "
	    "\"max\", 3}",
	    1);
	hand_over(&x, 1, 2);
	fake_await(&x.fake, "queue.pop", 2);
	assert_int_equal(fake_find(&x.fake,
			     "queue.pop \"urgent\", \"jobs\" {\"ns\", \"red\", \"wait_ms\", 5000, "
			     "\"visible_ms\", 60000, \"hold\", true, \"max\", 1}",
			     0),
	    1);
	wherry_job *one = next(k, 1), *two = next(k, 2);
	hand_over(&x, 3, 3); // full
	wherry_job_ack(one);
	fake_await(&x.fake, "queue.pop", 3);
	assert_int_equal(fake_find(&x.fake, "queue.ack \"jobs\", [1, 1] {\"ns\", \"red\"}", 0), 2);
	wherry_job_ack(two);
	wherry_consumer_close(k);
	end(&x);
}

static void a_job_says_what_it_is(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 2});
	fake_release(&x.fake, "queue.pop",
	    "[{queue: jobs, token: [7, 5], attempt: 2, value: {a: [1]}, headers: {h: 1}, age_ms: 1234, later: true}]");
	wherry_job *job = next(k, 7);
	assert_int_equal(job->queue_len, 4);
	assert_memory_equal(job->queue, "jobs", 4);
	assert_int_equal(job->attempt, 2);
	assert_int_equal(job->age_ms, 1234);
	assert_null(job->data);
	char *value = embed_show(span_of(job->value, job->value_len));
	char *headers = embed_show(span_of(job->headers, job->headers_len));
	char *token = embed_show(span_of(job->token, job->token_len));
	assert_string_equal(value, "{\"a\": [1]}");
	assert_string_equal(headers, "{\"h\": 1}");
	assert_string_equal(token, "[7, 5]");
	free(value);
	free(headers);
	free(token);
	assert_int_equal(wherry_job_lost(job), WHERRY_OK);
	wherry_job_forget(job); // acked by a command of its own
	wherry_consumer_close(k);
	assert_int_equal(fake_count(&x.fake, "queue.ack"), 0);
	assert_int_equal(fake_count(&x.fake, "queue.nack"), 0);
	end(&x);
}

static void verdicts_are_settled(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 5, .settled = hear_settled});
	hand_over(&x, 1, 4);
	fake_rule(&x.fake, "queue.term", "ESTALE");
	wherry_job_ack(next(k, 1));
	expect_heard(&x.heard, &x.at, "1 done");
	assert_int_equal(wherry_job_nack(next(k, 2), WHERRY_UNCOUNTED, 250, "not now"), WHERRY_OK);
	expect_heard(&x.heard, &x.at, "2 done");
	assert_int_equal(wherry_job_term(next(k, 3), "never"), WHERRY_OK);
	expect_heard(&x.heard, &x.at, "3 ESTALE");
	assert_int_equal(wherry_job_nack(next(k, 4), 0, -1, NULL), WHERRY_OK);
	expect_heard(&x.heard, &x.at, "4 done");
	assert_true(fake_find(&x.fake,
			"queue.nack \"jobs\", [2, 1] {\"ns\", \"default\", \"delay_ms\", 250, \"count\", false, "
			"\"reason\", \"not now\"}",
			0) > 0);
	assert_true(
	    fake_find(&x.fake, "queue.term \"jobs\", [3, 1] {\"ns\", \"default\", \"reason\", \"never\"}", 0) > 0);
	assert_true(fake_find(&x.fake, "queue.nack \"jobs\", [4, 1] {\"ns\", \"default\"}", 0) > 0);
	assert_int_equal(wherry_consumer_stop(k, 10000), WHERRY_OK);
	wherry_consumer_close(k);
	end(&x);
}

static void a_reason_has_a_length(void **state)
{
	(void)state;
	struct fixture x;
	char reason[1100];
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = 0;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.settled = hear_settled});
	hand_over(&x, 1, 1);
	wherry_job *job = next(k, 1);
	assert_int_equal(wherry_job_term(job, reason), WHERRY_EARG); // still its own
	reason[1000] = 0;
	assert_int_equal(wherry_job_term(job, reason), WHERRY_OK);
	expect_heard(&x.heard, &x.at, "1 done");
	wherry_consumer_close(k);
	end(&x);
}

static void what_can_not_be_consumed_is_not(void **state)
{
	(void)state;
	struct fixture x;
	wherry_consumer *k;
	wherry_error error;
	const wherry_consume_options none = {.size = sizeof(none)};
	begin(&x);
	assert_int_equal(wherry_client_consume(x.client, &none, &k, &error), WHERRY_EARG);
	assert_null(k);
	assert_int_equal(error.local, 1);
	wherry_consumer_close(NULL);
	end(&x);
}

// --- refusals ---------------------------------------------------------------------------------------------------------

static void a_refusal_ends_it(void **state)
{
	(void)state;
	struct fixture x;
	wherry_job *job;
	wherry_error error;
	begin(&x);
	fake_rule(&x.fake, "queue.pop", "EDENIED");
	wherry_consumer *k = consume(&x, (wherry_consume_options){.on_gap = hear_gap});
	assert_int_equal(wherry_consumer_next(k, 10000, &job, &error), WHERRY_EDENIED);
	assert_null(job);
	assert_string_equal(error.text, "as the test says");
	assert_int_equal(wherry_consumer_next(k, 10000, &job, NULL), WHERRY_EDENIED);
	expect_heard(&x.heard, &x.at, "ended: EDENIED");
	assert_int_equal(fake_count(&x.fake, "queue.pop"), 1);
	wherry_consumer_close(k);
	end(&x);
}

static void what_passes_by_itself_is_asked_again(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_rule(&x.fake, "queue.pop", "EAGAIN");
	wherry_consumer *k = consume(&x, (wherry_consume_options){.on_gap = hear_gap});
	fake_await(&x.fake, "queue.pop", 5);
	fake_rule(&x.fake, "queue.pop", FAKE_HOLD);
	hand_over(&x, 1, 1);
	wherry_job_ack(next(k, 1));
	wherry_consumer_close(k);
	end(&x);
}

// --- touching ---------------------------------------------------------------------------------------------------------

static void what_is_held_is_touched(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 2, .visible_ms = 240});
	hand_over(&x, 1, 2);
	wherry_job *job = next(k, 1);
	fake_await(&x.fake, "queue.touch \"jobs\", [1, 1] {\"ns\", \"default\", \"visible_ms\", 240}", 3);
	fake_await(&x.fake, "queue.touch \"jobs\", [2, 1]", 3); // though it waits
	wherry_job_ack(job);
	fake_await(&x.fake, "queue.ack", 1);
	unsigned so_far = fake_count(&x.fake, "queue.touch \"jobs\", [1, 1]");
	fake_await(&x.fake, "queue.touch \"jobs\", [2, 1]", 8);
	assert_int_equal(fake_count(&x.fake, "queue.touch \"jobs\", [1, 1]"), so_far);
	wherry_consumer_close(k);
	end(&x);
}

static void one_that_was_lost_is_not_touched(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	fake_rule(&x.fake, "queue.touch", "ESTALE");
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 2, .visible_ms = 300});
	hand_over(&x, 1, 2);
	wherry_job *job = next(k, 1);
	AWAIT(wherry_job_lost(job) == WHERRY_ESTALE);
	AWAIT(fake_count(&x.fake, "queue.touch \"jobs\", [2, 1]") == 1);
	wherry_job *other;
	assert_int_equal(wherry_consumer_next(k, 400, &other, NULL), WHERRY_ETIMEOUT); // 2 is lost, so nobody gets it
	assert_int_equal(fake_count(&x.fake, "queue.touch"), 2);
	wherry_job_ack(job); // the broker has the last word
	fake_await(&x.fake, "queue.ack \"jobs\", [1, 1]", 1);
	wherry_consumer_close(k);
	end(&x);
}

static void touching_may_end(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.visible_ms = 300, .touch_ms = 250});
	hand_over(&x, 1, 1);
	wherry_job *job = next(k, 1);
	AWAIT(wherry_job_lost(job) == WHERRY_ESTALE);
	assert_in_range(fake_count(&x.fake, "queue.touch"), 1, 3);
	wherry_job_forget(job);
	wherry_consumer_close(k);
	k = consume(&x, (wherry_consume_options){.visible_ms = 400, .touch_ms = -1});
	unsigned before = fake_count(&x.fake, "queue.touch");
	hand_over(&x, 2, 2);
	job = next(k, 2);
	AWAIT(wherry_job_lost(job) == WHERRY_ESTALE);
	assert_int_equal(fake_count(&x.fake, "queue.touch"), before);
	wherry_consumer_close(k);
	end(&x);
}

// --- callbacks --------------------------------------------------------------------------------------------------------

static void hear_job(void *arg, wherry_job *job)
{
	char said[SHOWN];
	snprintf(said, sizeof(said), "job %lu", job->id);
	hear(arg, said);
	wherry_job_ack(job);
}

static void jobs_come_to_a_callback(void **state)
{
	(void)state;
	struct fixture x;
	wherry_job *job;
	begin(&x);
	wherry_consumer *k =
	    consume(&x, (wherry_consume_options){.prefetch = 2, .on_job = hear_job, .settled = hear_settled});
	hand_over(&x, 1, 2);
	expect_heard(&x.heard, &x.at, "job 1");
	expect_heard(&x.heard, &x.at, "job 2");
	expect_heard(&x.heard, &x.at, "1 done");
	expect_heard(&x.heard, &x.at, "2 done");
	assert_int_equal(wherry_consumer_next(k, 0, &job, NULL), WHERRY_EARG);
	hand_over(&x, 3, 3);
	expect_heard(&x.heard, &x.at, "job 3");
	wherry_consumer_close(k);
	end(&x);
}

struct closing {
	wherry_consumer *consumer;
	atomic_uint jobs;
};

static void close_within(void *arg, wherry_job *job)
{
	struct closing *c = arg;
	wherry_job_ack(job);
	wherry_consumer_close(c->consumer);
	atomic_fetch_add(&c->jobs, 1);
}

static void a_callback_may_close_what_it_is_of(void **state)
{
	(void)state;
	struct fixture x;
	struct closing c = {0};
	begin(&x);
	c.consumer = consume(&x, (wherry_consume_options){.prefetch = 3, .on_job = close_within, .arg = &c});
	hand_over(&x, 1, 3);
	fake_await(&x.fake, "queue.ack \"jobs\", [1, 1]", 1);
	fake_await(&x.fake, "queue.nack \"jobs\", [2, 1]", 1);
	fake_await(&x.fake, "queue.nack \"jobs\", [3, 1]", 1);
	expect_ask(x.client, "sys.ping", "true");
	assert_int_equal(c.jobs, 1);
	end(&x);
}

// --- stopping ---------------------------------------------------------------------------------------------------------

static void *wait_for_one(void *arg)
{
	wherry_job *job;
	intptr_t status = wherry_consumer_next(arg, -1, &job, NULL);
	return (void *)status; // NOLINT
}

static void stopping_gives_back_what_waits(void **state)
{
	(void)state;
	struct fixture x;
	pthread_t threads[4];
	void *status;
	wherry_job *job;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 4, .settled = hear_settled});
	hand_over(&x, 1, 3);
	wherry_job *one = next(k, 1);
	assert_int_equal(wherry_consumer_stop(k, 0), WHERRY_ETIMEOUT);
	fake_await(&x.fake, "queue.nack \"jobs\", [2, 1] {\"ns\", \"default\", \"delay_ms\", 0, \"count\", false}", 1);
	fake_await(&x.fake, "queue.nack \"jobs\", [3, 1] {\"ns\", \"default\", \"delay_ms\", 0, \"count\", false}", 1);
	assert_int_equal(wherry_consumer_next(k, -1, &job, NULL), WHERRY_ESHUTDOWN);
	hand_over(&x, 4, 4); // that pop was under way
	fake_await(&x.fake, "queue.nack \"jobs\", [4, 1]", 1);
	assert_int_equal(wherry_consumer_stop(k, 20), WHERRY_ETIMEOUT);
	wherry_job_ack(one);
	assert_int_equal(wherry_consumer_stop(k, 10000), WHERRY_OK);
	expect_heard(&x.heard, &x.at, "1 done"); // and nothing of the others
	assert_int_equal(heard_count(&x.heard), 1);
	assert_int_equal(fake_count(&x.fake, "queue.pop"), 2);
	wherry_consumer_close(k);
	k = consume(&x, (wherry_consume_options){.prefetch = 4});
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, wait_for_one, k);
	wherry_consumer_stop(k, -1);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &status);
		assert_int_equal((intptr_t)status, WHERRY_ESHUTDOWN);
	}
	end(&x);
}

static void closing_gives_back_everything(void **state)
{
	(void)state;
	struct fixture x;
	begin(&x);
	wherry_consumer *k = consume(&x, (wherry_consume_options){.prefetch = 3});
	hand_over(&x, 1, 2);
	next(k, 1);
	wherry_consumer_close(k);
	fake_await(&x.fake, "queue.nack \"jobs\", [1, 1]", 1);
	fake_await(&x.fake, "queue.nack \"jobs\", [2, 1]", 1);
	assert_int_equal(wherry_client_settle(x.client, 10000), WHERRY_OK);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_pops_what_it_has_room_for),
	    cmocka_unit_test(a_job_says_what_it_is),
	    cmocka_unit_test(verdicts_are_settled),
	    cmocka_unit_test(a_reason_has_a_length),
	    cmocka_unit_test(what_can_not_be_consumed_is_not),
	    cmocka_unit_test(a_refusal_ends_it),
	    cmocka_unit_test(what_passes_by_itself_is_asked_again),
	    cmocka_unit_test(what_is_held_is_touched),
	    cmocka_unit_test(one_that_was_lost_is_not_touched),
	    cmocka_unit_test(touching_may_end),
	    cmocka_unit_test(jobs_come_to_a_callback),
	    cmocka_unit_test(a_callback_may_close_what_it_is_of),
	    cmocka_unit_test(stopping_gives_back_what_waits),
	    cmocka_unit_test(closing_gives_back_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
