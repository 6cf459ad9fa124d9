// wherry bench pubsub: one publishes, all others must get every message, in order.

#include "bench_flow.h"

static const uint64_t AHEAD = 50000;

static void heard(void *arg, const wherry_delivery *d)
{
	struct receiver *r = arg;
	uint64_t number;
	if (!flow_read(r, d->payload, d->payload_len, &number))
		return;
	if (number != r->latest + 1 + d->lost)
		flow_wrong(r, "message %llu came after %llu, with %llu told as lost", (unsigned long long)number,
		    (unsigned long long)r->latest, (unsigned long long)d->lost);
	r->latest = number;
	atomic_fetch_add(&r->lost, d->lost);
	atomic_fetch_add(&r->got, 1);
}

static int begin(struct receiver *r, wherry_error *error)
{
	const char *filter = r->flow->name;
	wherry_subscribe_options wanted = {.size = sizeof(wanted),
	    .filters = &filter,
	    .filter_count = 1,
	    .max_messages = AHEAD,
	    .max_bytes = 64 << 20,
	    .on_message = heard,
	    .arg = r};
	return wherry_client_subscribe(r->client, &wanted, &r->feed, error);
}

int bench_pubsub(struct bench *b)
{
	struct flow f = {.bench = b,
	    .method = "pubsub.publish",
	    .sent_word = "published",
	    .got_word = "delivered",
	    .each = b->options.connections};
	uint64_t fit = (48 << 20) / (b->options.size + 100); // bytes that wait for a subscription, with room to spare
	f.ahead = fit < AHEAD ? fit + 1 : AHEAD;
	return flow_run(&f, begin);
}
