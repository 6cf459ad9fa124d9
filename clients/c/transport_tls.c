// tls+tcp on an nng stream: its aios are asynchronous, so two buffers stand between them and the caller, and a
// condition joins nng's threads and ours.
//
// Locks: `lock` guards everything in struct tls but the aios and the stream, which are constant.  nng calls back on
// its own threads, never from within nng_stream_send or nng_stream_recv.

#include "transport.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wherry/status.h"

enum { SIDE = 64 << 10 };

struct tls {
	struct transport base;
	nng_stream *stream;
	nng_aio *in_aio, *out_aio;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool receiving, sending, broken;
	size_t in_at, in_len;   // of in: what came and was not taken yet
	size_t out_at, out_len; // of out: what is under way
	uint8_t in[SIDE], out[SIDE];
};

static struct tls *of(struct transport *t)
{
	return (struct tls *)(void *)t;
}

static void start_recv(struct tls *s)
{
	nng_iov iov = {.iov_buf = s->in, .iov_len = sizeof(s->in)};
	s->receiving = true;
	nng_aio_set_iov(s->in_aio, 1, &iov);
	nng_stream_recv(s->stream, s->in_aio);
}

static void start_send(struct tls *s)
{
	nng_iov iov = {.iov_buf = s->out + s->out_at, .iov_len = s->out_len - s->out_at};
	s->sending = true;
	nng_aio_set_iov(s->out_aio, 1, &iov);
	nng_stream_send(s->stream, s->out_aio);
}

static void received(void *arg)
{
	struct tls *s = arg;
	pthread_mutex_lock(&s->lock);
	s->receiving = false;
	s->in_at = 0;
	s->in_len = nng_aio_result(s->in_aio) == 0 ? nng_aio_count(s->in_aio) : 0;
	s->broken |= s->in_len == 0;
	pthread_cond_signal(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

static void sent_some(void *arg)
{
	struct tls *s = arg;
	pthread_mutex_lock(&s->lock);
	s->sending = false;
	// What cannot be sent shows in receiving too; until then what the peer has said can still be read.
	if (nng_aio_result(s->out_aio) == 0) {
		s->out_at += nng_aio_count(s->out_aio);
		if (s->out_at < s->out_len)
			start_send(s);
	}
	pthread_cond_signal(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t take(struct tls *s, void *in, size_t room)
{
	size_t count = least(s->in_len - s->in_at, room);
	memcpy(in, s->in + s->in_at, count);
	s->in_at += count;
	return count;
}

static size_t give(struct tls *s, const void *out, size_t len)
{
	if (len == 0 || s->sending || s->broken)
		return 0;
	s->out_at = 0;
	s->out_len = least(len, sizeof(s->out));
	memcpy(s->out, out, s->out_len);
	start_send(s);
	return s->out_len;
}

// Both of monotonic time.
static int wait_moved(struct tls *s, int64_t deadline)
{
	if (deadline == NO_DEADLINE)
		return pthread_cond_wait(&s->moved, &s->lock);
	struct timespec until = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};
	return pthread_cond_timedwait(&s->moved, &s->lock, &until);
}

static int tls_move(struct transport *t, const void *out, size_t out_len, size_t *sent, void *in, size_t in_room,
    size_t *got, int64_t deadline)
{
	struct tls *s = of(t);
	int status = WHERRY_OK;
	*sent = *got = 0;
	pthread_mutex_lock(&s->lock);
	while (status == WHERRY_OK && *sent + *got == 0) {
		*sent = give(s, out, out_len);
		*got = take(s, in, in_room);
		if (*sent + *got > 0)
			break;
		if (s->broken)
			status = WHERRY_ESTALE;
		else if (!s->receiving)
			start_recv(s);
		if (status == WHERRY_OK && wait_moved(s, deadline) == ETIMEDOUT)
			status = WHERRY_ETIMEOUT;
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

static void tls_close(struct transport *t)
{
	struct tls *s = of(t);
	if (s->stream != NULL)
		nng_stream_close(s->stream);
	// Freeing an aio waits for its callback; only then nothing uses the stream and the buffers.
	nng_aio_free(s->in_aio);
	nng_aio_free(s->out_aio);
	nng_stream_free(s->stream);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct transport_ops tls_ops = {.move = tls_move, .close = tls_close};

static struct tls *tls_new(void)
{
	struct tls *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	pthread_condattr_t monotonic;
	s->base.ops = &tls_ops;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (nng_aio_alloc(&s->in_aio, received, s) == 0 && nng_aio_alloc(&s->out_aio, sent_some, s) == 0)
		return s;
	tls_close(&s->base);
	return NULL;
}

// The dialer's settings; answers nng's error.
static int set_up(nng_stream_dialer *dialer, const struct transport_options *options, char *why)
{
	int mode = options->tls_unverified ? NNG_TLS_AUTH_MODE_NONE : NNG_TLS_AUTH_MODE_REQUIRED;
	int failed = nng_stream_dialer_set_int(dialer, NNG_OPT_TLS_AUTH_MODE, mode);
	if (failed == 0)
		failed = nng_stream_dialer_set_bool(dialer, NNG_OPT_TCP_NODELAY, true);
	if (failed == 0 && options->tls_ca_file != NULL && !options->tls_unverified) {
		failed = nng_stream_dialer_set_string(dialer, NNG_OPT_TLS_CA_FILE, options->tls_ca_file);
		if (failed != 0)
			snprintf(why, TRANSPORT_WHY, "%.200s: %s", options->tls_ca_file, nng_strerror(failed));
	}
	return failed;
}

static int dial(nng_stream_dialer *dialer, int64_t deadline, nng_stream **stream)
{
	nng_aio *aio;
	int failed = nng_aio_alloc(&aio, NULL, NULL);
	if (failed != 0)
		return failed;
	nng_aio_set_timeout(aio, deadline == NO_DEADLINE ? NNG_DURATION_INFINITE : poll_ms(deadline));
	nng_stream_dialer_dial(dialer, aio);
	nng_aio_wait(aio);
	failed = nng_aio_result(aio);
	if (failed == 0)
		*stream = nng_aio_get_output(aio, 0);
	nng_aio_free(aio);
	return failed;
}

static int status_of(int failed)
{
	switch (failed) {
	case 0:
		return WHERRY_OK;
	case NNG_ENOMEM:
		return WHERRY_ENOMEM;
	case NNG_ETIMEDOUT:
		return WHERRY_ETIMEOUT;
	case NNG_EADDRINVAL:
	case NNG_ENOENT:
		return WHERRY_EARG;
	default:
		return WHERRY_EAGAIN;
	}
}

int transport_open_tls(
    struct transport **t, const char *url, const struct transport_options *options, int64_t deadline, char *why)
{
	if (options->tls_ca_file == NULL && !options->tls_unverified) {
		snprintf(why, TRANSPORT_WHY, "tls needs a file of certificates to trust (tls_ca_file)");
		return WHERRY_EARG;
	}
	nng_stream_dialer *dialer = NULL;
	struct tls *s = tls_new();
	why[0] = 0;
	int failed = s == NULL ? NNG_ENOMEM : nng_stream_dialer_alloc(&dialer, url);
	if (failed == 0)
		failed = set_up(dialer, options, why);
	if (failed == 0)
		failed = dial(dialer, deadline, &s->stream);
	if (dialer != NULL)
		nng_stream_dialer_free(dialer);
	if (failed == 0) {
		*t = &s->base;
		return WHERRY_OK;
	}
	if (why[0] == 0)
		snprintf(why, TRANSPORT_WHY, "%s", nng_strerror(failed));
	if (s != NULL)
		tls_close(&s->base);
	return status_of(failed);
}
