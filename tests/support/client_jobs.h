// What tests of the client's consumers share: a broker of one's own words, a client, a consumer.

#ifndef SUPPORT_CLIENT_JOBS_H
#define SUPPORT_CLIENT_JOBS_H

#include "client_messages.h"

struct fixture {
	struct fake fake;
	wherry_client *client;
	struct heard heard;
	unsigned at;
};

static inline void begin_with(struct fixture *x, wherry_client_options options)
{
	options.size = sizeof(options);
	options.backoff_ms = 1;
	options.backoff_max_ms = 5;
	*x = (struct fixture){.heard = HEARD};
	fake_open(&x->fake);
	fake_rule(&x->fake, "queue.pop", FAKE_HOLD);
	fake_rule(&x->fake, "queue.ack", "1");
	x->client = connect_with(fake_url(&x->fake), &options);
}

static inline void begin(struct fixture *x)
{
	begin_with(x, (wherry_client_options){.size = 0});
}

static inline void end(struct fixture *x)
{
	wherry_client_close(x->client);
	fake_close(&x->fake);
}

static inline wherry_consumer *consume(struct fixture *x, wherry_consume_options w)
{
	static const char *const queues[] = {"jobs"};
	wherry_consumer *k;
	wherry_error error;
	w.size = sizeof(w);
	w.arg = w.arg == NULL ? &x->heard : w.arg;
	if (w.queue_count == 0) {
		w.queues = queues;
		w.queue_count = 1;
	}
	if (wherry_client_consume(x->client, &w, &k, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	return k;
}

// Jobs from..to, value = id.
static inline void hand_over(struct fixture *x, unsigned from, unsigned to)
{
	char line[240] = "[";
	for (unsigned i = from; i <= to; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
		    "%s{queue: jobs, token: [%u, 1], attempt: 1, value: %u}", i > from ? ", " : "", i, i);
	strcat(line, "]"); // NOLINT
	fake_release(&x->fake, "queue.pop", line);
}

static inline wherry_job *next(wherry_consumer *k, unsigned id)
{
	wherry_job *job;
	wherry_error error;
	if (wherry_consumer_next(k, 10000, &job, &error) != WHERRY_OK)
		fail_msg("%s: %s", error.name, error.text);
	assert_int_equal(job->id, id);
	return job;
}

static inline void hear_settled(void *arg, const wherry_job *job, const wherry_error *error)
{
	char said[SHOWN];
	snprintf(said, sizeof(said), "%lu %s", job->id, error->code == WHERRY_OK ? "done" : error->name);
	hear(arg, said);
}

#endif
