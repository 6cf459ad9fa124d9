// wherry bench queue: one pushes, the others pop, each message for exactly one of them, and acknowledge.

#include <stdlib.h>
#include <string.h>

#include "bench_flow.h"

static const uint64_t AHEAD = 100000, REMEMBERED = UINT64_C(1) << 30;

// Whether it is the first time that this number is met.
static bool first_time(struct flow *f, uint64_t number)
{
	if (number == 0 || number > f->seen_most)
		return true;
	uint64_t bit = UINT64_C(1) << number % 64;
	return (atomic_fetch_or(&f->seen[number / 64], bit) & bit) == 0;
}

static void worked(void *arg, wherry_job *job)
{
	struct receiver *r = arg;
	uint64_t number;
	if (flow_read(r, job->value, job->value_len, &number)) {
		if (!first_time(r->flow, number))
			flow_wrong(r, "message %llu came twice", (unsigned long long)number);
		else if (number <= r->latest)
			flow_wrong(r, "message %llu came after %llu", (unsigned long long)number,
			    (unsigned long long)r->latest);
		r->latest = number;
	}
	wherry_job_ack(job);
}

static void settled(void *arg, const wherry_job *job, const wherry_error *error)
{
	struct receiver *r = arg;
	(void)job;
	if (error->code != WHERRY_OK)
		flow_wrong(r, "an acknowledgement failed: %s", error->text);
	atomic_fetch_add(&r->got, 1);
}

static int begin(struct receiver *r, wherry_error *error)
{
	const char *queue = r->flow->name;
	wherry_consume_options wanted = {.size = sizeof(wanted),
	    .queues = &queue,
	    .queue_count = 1,
	    .prefetch = (uint32_t)(r->flow->bench->options.in_flight < 1000 ? r->flow->bench->options.in_flight : 1000),
	    .on_job = worked,
	    .settled = settled,
	    .arg = r};
	return wherry_client_consume(r->client, &wanted, &r->consumer, error);
}

static void remove_queue(struct flow *f)
{
	uint8_t params[3 + FLOW_NAME] = {0x91, 0xd9, (uint8_t)strlen(f->name)};
	wherry_reply reply = {0};
	memcpy(params + 3, f->name, strlen(f->name));
	wherry_client_call(f->bench->control, "queue.delete", params, 3 + strlen(f->name), NULL, 0, &reply);
	wherry_reply_free(&reply);
}

int bench_queue(struct bench *b)
{
	struct flow f = {.bench = b,
	    .method = "queue.push",
	    .sent_word = "pushed",
	    .got_word = "acknowledged",
	    .each = 1,
	    .ahead = AHEAD};
	f.seen_most = b->options.count > 0 && b->options.count < REMEMBERED ? b->options.count : REMEMBERED - 1;
	f.seen = calloc(f.seen_most / 64 + 1, sizeof(*f.seen)); // what is not touched costs nothing
	if (f.seen == NULL)
		return fail(EXIT_ERROR, "out of memory");
	int status = flow_run(&f, begin);
	remove_queue(&f);
	free(f.seen);
	return status;
}
