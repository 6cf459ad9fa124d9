// A load client that shares no code with the broker: plain sockets, one epoll loop, frames made once that
// only get new keys.  It drives Wherry and Redis with the same structure, so that the peers are compared and
// not their clients.
//
//   load --peer wherry|wherry-req|redis --port N [--host 127.0.0.1] [--conns 1] [--frames 1] [--requests 1]
//        [--op get|set] [--keys 100000] [--size 64] [--prefix bench:] [--sequential] [--warmup-ms 100]
//        [--db N] (--seconds S | --count N)
//
// --frames is how many frames of --requests requests each connection keeps in flight.  Every answer is
// checked; the first wrong one ends the run with status 1.  The last line is JSON; times are those of whole
// frames.

#include "histogram.h"
#include "load_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_ROOM = 256 * 1024, EVENTS = 64, SILENCE_MS = 10000 };

// Its frames are a ring of `frames` slots: answers come in the order of the requests.
struct conn {
	int fd;
	bool armed; // for EPOLLOUT
	uint8_t *ring;
	uint64_t *made_at;       // of each slot
	uint64_t made, answered; // frames
	uint64_t sent;           // bytes
	uint32_t request;        // of the oldest frame, answered next
	uint64_t sp_left;        // of the SP message under way
	uint8_t *input;
	size_t input_len, input_room;
};

struct load {
	struct load_options opt;
	struct frame_shape shape;
	struct conn *conns;
	int epoll;
	uint64_t random, next_key, frames_left, in_flight;
	uint64_t now, start, end, answered; // ns; requests since start
	bool warm, stopping;
	struct histogram times;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "no");
	exit(2);
}

static uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

// --- requests ---

static uint64_t next_key(struct load *l)
{
	if (l->opt.sequential)
		return l->next_key++ % l->opt.keys;
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (l->random >> 32) * l->opt.keys >> 32;
}

static void make_frame(struct load *l, struct conn *c)
{
	size_t slot = c->made % l->opt.frames;
	uint8_t *frame = c->ring + slot * l->shape.len;
	for (uint32_t i = 0; i < l->shape.requests; i++)
		frame_put_key(&l->shape, frame, i, next_key(l));
	frame_put_request_id(&l->shape, frame, (uint32_t)c->made);
	c->made_at[slot] = l->now;
	c->made++;
	l->in_flight++;
	l->frames_left--;
}

static void fill_ring(struct load *l, struct conn *c)
{
	while (!l->stopping && l->frames_left > 0 && c->made - c->answered < l->opt.frames)
		make_frame(l, c);
}

static void want_output(struct load *l, struct conn *c, bool want)
{
	if (c->armed == want)
		return;
	c->armed = want;
	struct epoll_event event = {.events = EPOLLIN | (want ? EPOLLOUT : 0U), .data.ptr = c};
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
		die("epoll_ctl");
}

// What is made and not sent, as at most two stretches of the ring.
static void flush(struct load *l, struct conn *c)
{
	size_t size = l->shape.len * l->opt.frames;
	while (c->sent < c->made * l->shape.len) {
		size_t from = c->sent % size, len = (size_t)(c->made * l->shape.len - c->sent);
		size_t first = len < size - from ? len : size - from;
		struct iovec parts[2] = {{c->ring + from, first}, {c->ring, len - first}};
		ssize_t n = writev(c->fd, parts, len > first ? 2 : 1);
		if (n < 0 && errno != EAGAIN)
			die("send");
		if (n < 0)
			break;
		c->sent += (uint64_t)n;
	}
	want_output(l, c, c->sent < c->made * l->shape.len);
}

// --- answers ---

static _Noreturn void wrong_answer(const struct conn *c, const uint8_t *p, size_t len)
{
	fprintf(stderr, "load: frame %llu, request %u: wrong answer: ", (unsigned long long)c->answered, c->request);
	for (size_t i = 0; i < len && i < 160; i++)
		fprintf(stderr, p[i] >= ' ' && p[i] < 0x7f ? "%c" : "\\x%02x", p[i]);
	fputc('\n', stderr);
	exit(1);
}

static void answered(struct load *l, struct conn *c)
{
	l->answered++;
	if (++c->request < l->shape.requests)
		return;
	histogram_add(&l->times, l->now - c->made_at[c->answered % l->opt.frames]);
	c->request = 0;
	c->answered++;
	l->in_flight--;
}

static size_t take_answers(struct load *l, struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;
	while (used < len) {
		if (c->answered == c->made)
			wrong_answer(c, p + used, len - used);
		const uint8_t *frame = c->ring + c->answered % l->opt.frames * l->shape.len;
		long n = frame_check_answer(&l->shape, frame, c->request, p + used, len - used);
		if (n < 0)
			wrong_answer(c, p + used, len - used);
		if (n == 0)
			break;
		used += (size_t)n;
		answered(l, c);
	}
	return used;
}

// REQ's id comes back in front of the answer, PAIR1 has its hop count there.
static void check_sp_header(struct load *l, struct conn *c, const uint8_t *p)
{
	uint32_t header = load_be32(p + SP_LENGTH);
	uint32_t wanted = l->shape.request_id ? ((uint32_t)c->answered | 0x80000000U) : 1;
	if (header != wanted || load_be32(p) != 0 || load_be32(p + 4) < SP_HEADER)
		wrong_answer(c, p, SP_LENGTH + SP_HEADER);
	c->sp_left = load_be32(p + 4) - SP_HEADER;
}

static size_t take_sp(struct load *l, struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;
	for (;;) {
		if (c->sp_left == 0) {
			if (len - used < SP_LENGTH + SP_HEADER)
				return used;
			check_sp_header(l, c, p + used);
			used += SP_LENGTH + SP_HEADER;
		}
		size_t have = len - used < c->sp_left ? len - used : c->sp_left;
		size_t n = take_answers(l, c, p + used, have);
		used += n;
		c->sp_left -= n;
		if (c->sp_left > 0) {
			if (n < have && have == c->sp_left + n)
				wrong_answer(c, p + used,
				    have - n); // an answer cut off by the end of its message
			return used;
		}
	}
}

static void receive(struct load *l, struct conn *c)
{
	ssize_t n = recv(c->fd, c->input + c->input_len, c->input_room - c->input_len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the peer closed the connection");
	l->now = clock_ns();
	c->input_len += (size_t)n;
	size_t used = (l->shape.sp ? take_sp : take_answers)(l, c, c->input, c->input_len);
	c->input_len -= used;
	memmove(c->input, c->input + used, c->input_len);
}

// --- connections ---

static void *must_alloc(size_t size)
{
	void *p = calloc(1, size);
	if (!p)
		die("memory");
	return p;
}

static void open_conn(struct load *l, struct conn *c)
{
	*c = (struct conn){.fd = peer_dial(l->opt.frame.peer, l->opt.host, (uint16_t)l->opt.port, l->opt.db),
	    .input_room = INPUT_ROOM + 2 * (size_t)l->opt.frame.value_size};
	c->ring = must_alloc(l->shape.len * l->opt.frames);
	c->made_at = must_alloc(sizeof *c->made_at * l->opt.frames);
	c->input = must_alloc(c->input_room);
	for (uint32_t i = 0; i < l->opt.frames; i++)
		memcpy(c->ring + i * l->shape.len, l->shape.bytes, l->shape.len);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("epoll_ctl");
}

static void set_nonblocking(const struct load *l)
{
	for (uint32_t i = 0; i < l->opt.conns; i++) {
		int no_wait = 1;
		if (ioctl(l->conns[i].fd, FIONBIO, &no_wait) != 0)
			die("ioctl");
	}
}

static void close_conn(struct conn *c)
{
	close(c->fd);
	free(c->ring);
	free(c->made_at);
	free(c->input);
}

// --- the run ---

// The warm-up is forgotten; the end of the measured time stops new frames, what is in flight is still
// awaited.
static void mind_time(struct load *l)
{
	if (!l->warm && l->now - l->start >= l->opt.warmup_ms * 1000000ULL) {
		l->warm = true;
		l->start = l->now;
		l->answered = 0;
		memset(&l->times, 0, sizeof l->times);
	}
	if (l->warm && !l->stopping && l->opt.seconds > 0 && (double)(l->now - l->start) >= l->opt.seconds * 1e9) {
		l->stopping = true;
		l->end = l->now;
	}
}

static void serve(struct load *l, struct conn *c, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(l, c);
	mind_time(l);
	fill_ring(l, c);
	flush(l, c);
}

static void run(struct load *l)
{
	uint64_t measured = 0;
	struct epoll_event events[EVENTS];
	l->now = l->start = clock_ns();
	for (uint32_t i = 0; i < l->opt.conns; i++)
		serve(l, &l->conns[i], 0);
	while (l->in_flight > 0) {
		int n = epoll_wait(l->epoll, events, EVENTS, SILENCE_MS);
		errno = n == 0 ? ETIMEDOUT : errno;
		if (n <= 0)
			die("no answer");
		for (int i = 0; i < n; i++)
			serve(l, events[i].data.ptr, events[i].events);
		if (!l->stopping)
			measured = l->answered;
	}
	if (!l->end)
		l->end = l->now, measured = l->answered;
	l->answered = measured;
}

static void report(const struct load *l)
{
	double seconds = (double)(l->end - l->start) / 1e9;
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	printf("{\"requests\": %llu, \"seconds\": %.6f, \"per_second\": %.0f, \"p50_us\": %.2f, \"p99_us\": "
	       "%.2f, "
	       "\"max_us\": %.2f, \"client_cpu_s\": %.3f}\n",
	    (unsigned long long)l->answered, seconds, (double)l->answered / seconds, histogram_us(&l->times, 0.5),
	    histogram_us(&l->times, 0.99), (double)l->times.max / 1000,
	    (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 + (double)used.ru_stime.tv_sec +
		(double)used.ru_stime.tv_usec / 1e6);
}

int main(int argc, char **argv)
{
	struct load *l = must_alloc(sizeof *l);
	l->opt = load_options_read(argc, argv);
	l->random = clock_ns() | 1;
	l->frames_left = UINT64_MAX;
	if (l->opt.count)
		l->frames_left = (l->opt.count + l->opt.frame.requests - 1) / l->opt.frame.requests;
	frame_shape_make(&l->shape, &l->opt.frame);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->conns = must_alloc(sizeof *l->conns * l->opt.conns);
	for (uint32_t i = 0; i < l->opt.conns; i++)
		open_conn(l, &l->conns[i]);
	set_nonblocking(l);
	run(l);
	report(l);
	for (uint32_t i = 0; i < l->opt.conns; i++)
		close_conn(&l->conns[i]);
	frame_shape_free(&l->shape);
	free(l->conns);
	free(l);
	return 0;
}
