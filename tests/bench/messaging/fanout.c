// The publish/subscribe load: one publisher keeps `window` messages in flight, and a message is in flight until every
// subscriber has it.  Sequence numbers stand in the payloads: each subscriber must get each of them once, in order and
// with the content that belongs to it, or the run ends with status 1.
//
//   fanout --peer wherry|wherry-sub|nng|redis|nats|mqtt --port N [--publish-port N] [--subscribers 100] [--window 256]
//          [--payload 64] [--stopped N] [--bound N] [--exact N] [--wildcards N] [--acked] (--seconds S | --count N)
//
// --stopped: so many more subscribers that read nothing until all has been published; what they miss must be told.
// --exact, --wildcards: so many subscriptions to other topics on a connection of their own.  The last line is JSON.

#include "fanout.h"

#include "../dial.h"
#include "../peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { SILENCE_MS = 10000, STOPPED_BYTES = 256 * 1024 };

// --- payloads: the sequence number, then letters that change with it ---

static void make_contents(struct fanout *f)
{
	for (unsigned i = 0; i < CONTENTS; i++) {
		f->contents[i] = must_alloc(1, f->opt.spec.payload);
		for (uint32_t at = 0; at < f->opt.spec.payload; at++)
			f->contents[i][at] = (uint8_t)('a' + (at * 7 + i * 11) % 26);
	}
}

static void put_payload(const struct fanout *f, uint8_t *p, uint64_t seq)
{
	memcpy(p, f->contents[seq % CONTENTS], f->opt.spec.payload);
	memcpy(p, &seq, SEQ_LEN);
}

// --- publishing ---

static void put_publish(struct fanout *f, uint64_t seq)
{
	const struct phrases *s = &f->phrases;
	uint32_t len = f->opt.spec.payload;
	uint8_t *p = conn_put(&f->publisher, s->publish_head.len + len + s->publish_tail.len);
	memcpy(p, s->publish_head.bytes, s->publish_head.len);
	if (s->publish_id_at)
		p[s->publish_id_at] = seq & 0x7f;
	put_payload(f, p + s->publish_head.len, seq);
	memcpy(p + s->publish_head.len + len, s->publish_tail.bytes, s->publish_tail.len);
	f->missing[seq % f->opt.window] = f->opt.spec.subscribers - f->opt.stopped;
	f->made_at[seq % f->opt.window] = f->loop.now;
}

// Those that travel together are one frame, as a client library coalesces them.
static void open_frame(struct conn *c)
{
	static const uint8_t head[SP_LENGTH + SP_HEADER] = {[SP_LENGTH + 3] = 1};
	conn_put_bytes(c, head, sizeof head);
}

static void seal_frame(struct conn *c, size_t begin)
{
	store_be32(c->out + begin + 4, (uint32_t)(c->out_len - begin - SP_LENGTH));
}

static uint64_t finished(const struct fanout *f)
{
	uint64_t done = f->opt.readers > 0 ? f->done : f->made;
	return f->phrases.answer.len > 0 && f->answered < done ? f->answered : done;
}

static void top_up(struct fanout *f)
{
	uint64_t until = finished(f) + f->opt.window;
	if (f->opt.count && until > f->opt.count)
		until = f->opt.count;
	if (f->stopping || f->made >= until)
		return;
	size_t begin = f->publisher.out_len;
	f->loop.now = clock_ns();
	if (f->phrases.framed)
		open_frame(&f->publisher);
	while (f->made < until)
		put_publish(f, f->made++);
	if (f->phrases.framed)
		seal_frame(&f->publisher, begin);
	conn_flush(&f->loop, &f->publisher);
}

// --- connections ---

static int dial_subscriber(const struct fanout *f, bool stopped)
{
	int fd = dial("127.0.0.1", (uint16_t)f->opt.port);
	if (stopped && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){STOPPED_BYTES}, sizeof(int)) != 0)
		die("SO_RCVBUF");
	f->dialect->greet_subscriber(fd);
	return fd;
}

static void open_subscriber(struct fanout *f, uint32_t number)
{
	struct subscriber *s = &f->subscribers[number];
	*s = (struct subscriber){.fanout = f, .number = number, .stopped = number >= f->opt.readers};
	s->conn.take = f->phrases.delivered ? take_delivered : take_plain;
	int fd = dial_subscriber(f, s->stopped);
	f->dialect->subscribe(fd, f->opt.spec.topic, &f->opt.spec);
	(s->stopped ? loop_add_stopped : loop_add)(&f->loop, &s->conn, fd);
}

static size_t nothing_expected(struct conn *c, const uint8_t *p, size_t len)
{
	return must_be_aside(((struct subscriber *)c)->fanout, p, len);
}

static void open_others(struct fanout *f)
{
	char filter[48];
	f->others = (struct subscriber){.fanout = f, .conn.take = nothing_expected};
	if (f->opt.exact + f->opt.wildcards == 0)
		return;
	int fd = dial_subscriber(f, false);
	for (uint32_t i = 0; i < f->opt.exact; i++) {
		(void)snprintf(filter, sizeof filter, "other.%u", i);
		f->dialect->subscribe(fd, filter, &f->opt.spec);
	}
	for (uint32_t i = 0; i < f->opt.wildcards; i++) {
		(void)snprintf(filter, sizeof filter, "bench.*.of.%u.>", i);
		f->dialect->subscribe(fd, filter, &f->opt.spec);
	}
	loop_add(&f->loop, &f->others.conn, fd);
}

static void open_publisher(struct fanout *f)
{
	int fd = dial("127.0.0.1", (uint16_t)(f->opt.publish_port ? f->opt.publish_port : f->opt.port));
	f->publisher.take = take_answered;
	f->dialect->greet_publisher(fd);
	if (f->dialect->await_subscribers)
		f->dialect->await_subscribers(fd, &f->opt.spec);
	loop_add(&f->loop, &f->publisher, fd);
}

static void open_all(struct fanout *f)
{
	loop_open(&f->loop, f->opt.spec.payload + 1024U);
	f->dialect->make(&f->phrases, &f->opt.spec);
	make_contents(f);
	f->subscribers = must_alloc(f->opt.spec.subscribers + 1U, sizeof *f->subscribers);
	f->missing = must_alloc(f->opt.window, sizeof *f->missing);
	f->made_at = must_alloc(f->opt.window, sizeof *f->made_at);
	for (uint32_t i = 0; i < f->opt.spec.subscribers; i++)
		open_subscriber(f, i);
	open_others(f);
	open_publisher(f);
}

static void close_all(struct fanout *f)
{
	for (uint32_t i = 0; i < f->opt.spec.subscribers; i++)
		conn_close(&f->subscribers[i].conn);
	if (f->others.conn.fd > 0)
		conn_close(&f->others.conn);
	conn_close(&f->publisher);
	for (unsigned i = 0; i < CONTENTS; i++)
		free(f->contents[i]);
	free(f->subscribers);
	free(f->missing);
	free(f->made_at);
	loop_close(&f->loop);
}

// --- the run ---

static void forget_warm_up(struct fanout *f, uint64_t now)
{
	f->warm = true;
	f->start = now;
	f->first = finished(f);
	memset(&f->times, 0, sizeof f->times);
	memset(&f->all_times, 0, sizeof f->all_times);
	memset(&f->answer_times, 0, sizeof f->answer_times);
}

// Windows may come to their end in one go: a measurement that is not as long as one of them would say little.
static bool is_time(const struct fanout *f)
{
	return f->opt.seconds > 0 && (double)(f->loop.now - f->start) >= f->opt.seconds * 1e9 &&
	       finished(f) - f->first >= f->opt.window;
}

static void mind_time(struct fanout *f)
{
	uint64_t now = f->loop.now;
	if (!f->warm && now - f->start >= f->opt.warmup_ms * 1000000ULL)
		forget_warm_up(f, now);
	if (f->warm && !f->stopping && is_time(f)) {
		f->stopping = true;
		f->end = now;
		f->last = finished(f);
	}
}

static bool goes_on(const struct fanout *f)
{
	return finished(f) < f->made || (!f->stopping && (!f->opt.count || f->made < f->opt.count));
}

static void run(struct fanout *f)
{
	f->start = f->loop.now = clock_ns();
	top_up(f);
	while (goes_on(f)) {
		if (!loop_turn(&f->loop, SILENCE_MS))
			wrong("silence: %llu published, %llu answered, %llu with all subscribers",
			    (unsigned long long)f->made, (unsigned long long)f->answered, (unsigned long long)f->done);
		mind_time(f);
		top_up(f);
	}
	if (!f->end)
		f->end = f->loop.now, f->last = finished(f);
}

// Nothing comes twice, or late.
static void expect_silence(struct fanout *f)
{
	while (loop_turn(&f->loop, 50))
		;
}

static void resume_stopped(struct fanout *f)
{
	for (uint32_t i = f->opt.readers; i < f->opt.spec.subscribers; i++) {
		struct subscriber *s = &f->subscribers[i];
		loop_resume(&f->loop, &s->conn);
		while (s->next < f->made)
			if (!loop_turn(&f->loop, SILENCE_MS))
				wrong("subscriber %u: %llu received, %llu told as lost, of %llu", i,
				    (unsigned long long)s->received, (unsigned long long)s->lost,
				    (unsigned long long)f->made);
	}
}

static void report(const struct fanout *f)
{
	uint64_t received = 0, lost = 0, published = f->last - f->first;
	double us = (double)(f->end - f->start) / 1e3;
	struct rusage used;
	for (uint32_t i = 0; i < f->opt.spec.subscribers; i++) {
		received += f->subscribers[i].received;
		lost += f->subscribers[i].lost;
	}
	if (received + lost != f->made * f->opt.spec.subscribers)
		wrong("%llu received and %llu lost, of %llu", (unsigned long long)received, (unsigned long long)lost,
		    (unsigned long long)(f->made * f->opt.spec.subscribers));
	getrusage(RUSAGE_SELF, &used);
	printf(
	    "{\"published\": %llu, \"received\": %llu, \"lost\": %llu, \"us_a_publish\": %.3f, \"per_second\": %.0f, "
	    "\"all_p50_us\": %.2f, \"all_p99_us\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"answer_p50_us\": %.2f, "
	    "\"client_cpu_s\": %.3f}\n",
	    (unsigned long long)f->made, (unsigned long long)received, (unsigned long long)lost, us / (double)published,
	    (double)published * 1e6 / us, histogram_us(&f->all_times, 0.5), histogram_us(&f->all_times, 0.99),
	    histogram_us(&f->times, 0.5), histogram_us(&f->times, 0.99), histogram_us(&f->answer_times, 0.5),
	    (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv)
{
	struct fanout *f = must_alloc(1, sizeof *f);
	f->opt = fanout_options_read(argc, argv, &f->dialect);
	open_all(f);
	run(f);
	resume_stopped(f);
	expect_silence(f);
	report(f);
	close_all(f);
	free(f);
	return 0;
}
