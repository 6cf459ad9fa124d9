// The broker inside a program: how many gets and sets one thread does through wherry_session_call(), 10,000
// keys, 64-byte values.  Uses nothing but the installed header.
//
//   embed [--seconds 1] [--keys 10000]
//
// The last line is JSON: requests a second, with one request a call and with frames of 64.

#include "peer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wherry/broker.h"

enum { REQUESTS = 1 << 16, VALUE = 64, BATCH = 64 };

// Frames are made before the time is taken, with random keys; a call only hands one over.
struct work {
	struct frame_shape shape;
	uint8_t *frames;
	size_t count;
};

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "embed: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	exit(1);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t body_at(void)
{
	return SP_LENGTH + SP_HEADER;
}

static void work_make(struct work *w, bool set, uint32_t requests, uint64_t keys, bool in_order)
{
	uint64_t state = 88172645463325252ULL, next = 0;
	struct frame_spec spec = {
	    .peer = PEER_WHERRY, .set = set, .requests = requests, .value_size = VALUE, .prefix = "embed:"};
	frame_shape_make(&w->shape, &spec);
	w->count = REQUESTS / requests;
	w->frames = malloc(w->shape.len * w->count);
	if (!w->frames)
		fail("memory", NULL);
	for (size_t f = 0; f < w->count; f++) {
		memcpy(w->frames + f * w->shape.len, w->shape.bytes, w->shape.len);
		for (uint32_t i = 0; i < requests; i++) {
			state = state * 6364136223846793005ULL + 1442695040888963407ULL;
			uint64_t key = in_order ? next++ % keys : (state >> 32) * keys >> 32;
			frame_put_key(&w->shape, w->frames + f * w->shape.len, i, key);
		}
	}
}

static void work_free(struct work *w)
{
	frame_shape_free(&w->shape);
	free(w->frames);
}

static void check_answers(const struct work *w, const uint8_t *frame, const uint8_t *answer, size_t len)
{
	size_t used = 0;
	for (uint32_t i = 0; i < w->shape.requests; i++) {
		long n = frame_check_answer(&w->shape, frame, i, answer + used, len - used);
		if (n <= 0)
			fail("a wrong answer", NULL);
		used += (size_t)n;
	}
	if (used != len)
		fail("more answers than requests", NULL);
}

static void call_frame(wherry_session *session, const struct work *w, size_t index)
{
	const uint8_t *frame = w->frames + index * w->shape.len;
	const void *answer;
	size_t len;
	int status = wherry_session_call(session, frame + body_at(), w->shape.len - body_at(), &answer, &len);
	if (status != WHERRY_OK)
		fail("wherry_session_call", NULL);
	check_answers(w, frame, answer, len);
}

static void fill(wherry_session *session, uint64_t keys)
{
	struct work w;
	work_make(&w, true, BATCH, keys, true);
	for (uint64_t i = 0; i * BATCH < keys; i++)
		call_frame(session, &w, i % w.count);
	work_free(&w);
}

static double measure(wherry_session *session, bool set, uint32_t requests, uint64_t keys, double seconds)
{
	struct work w;
	work_make(&w, set, requests, keys, false);
	for (size_t i = 0; i < w.count; i++)
		call_frame(session, &w, i);
	uint64_t calls = 0;
	double start = now_s(), end = start;
	while (end - start < seconds) {
		for (size_t i = 0; i < w.count; i++)
			call_frame(session, &w, i);
		calls += w.count;
		end = now_s();
	}
	work_free(&w);
	return (double)(calls * requests) / (end - start);
}

struct embed_options {
	double seconds;
	uint64_t keys;
};

static struct embed_options read_options(int argc, char **argv)
{
	static const struct option names[] = {{"seconds", 1, NULL, 't'}, {"keys", 1, NULL, 'k'}, {NULL, 0, NULL, 0}};
	struct embed_options o = {.seconds = 1, .keys = 10000};
	for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (name == 't')
			o.seconds = strtod(optarg, NULL);
		else if (name == 'k')
			o.keys = strtoul(optarg, NULL, 10);
		else
			fail("usage: embed [--seconds S] [--keys N]", NULL);
	}
	if (o.seconds <= 0 || !o.keys || o.keys > REQUESTS)
		fail("--seconds above 0, --keys at most 65536", NULL);
	return o;
}

static wherry_broker *open_broker(void)
{
	wherry_broker *broker;
	char *why = NULL;
	wherry_config *config = wherry_config_new();
	if (!config)
		fail("memory", NULL);
	if (wherry_broker_open(config, &broker, &why) != WHERRY_OK)
		fail("the broker does not open", why);
	wherry_config_free(config);
	return broker;
}

int main(int argc, char **argv)
{
	struct embed_options o = read_options(argc, argv);
	wherry_broker *broker = open_broker();
	wherry_session *session;
	if (wherry_session_open(broker, &session) != WHERRY_OK)
		fail("no session", NULL);
	fill(session, o.keys);
	double get = measure(session, false, 1, o.keys, o.seconds);
	double set = measure(session, true, 1, o.keys, o.seconds);
	double get_batch = measure(session, false, BATCH, o.keys, o.seconds);
	double set_batch = measure(session, true, BATCH, o.keys, o.seconds);
	printf("{\"get\": %.0f, \"set\": %.0f, \"get_frames_of_64\": %.0f, \"set_frames_of_64\": %.0f}\n", get, set,
	    get_batch, set_batch);
	wherry_session_close(session);
	wherry_broker_close(broker);
	return 0;
}
