// tls+tcp on an nng stream: its aios are asynchronous, so two buffers stand between them and the caller, and an eventfd
// tells the caller that something moved.
//
// Locks: `lock` guards everything in struct tls but the aios and the dialer, which are constant.  nng calls back on its
// own threads, never from within nng_stream_send, nng_stream_recv or nng_stream_dialer_dial.

#include "transport.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wherry/status.h"

enum { SIDE = 64 << 10 };

struct tls {
	struct transport base;
	nng_stream_dialer *dialer;
	nng_aio *dial_aio, *in_aio, *out_aio;
	pthread_mutex_t lock;
	nng_stream *stream; // NULL: not connected yet
	int failed;         // nng's error of connecting
	bool receiving, sending, broken, mute;
	bool refused;           // a send found another one under way
	size_t in_at, in_len;   // of in: what came and was not taken yet
	size_t out_at, out_len; // of out: what is under way
	uint8_t in[SIDE], out[SIDE];
};

static struct tls *of(struct transport *t)
{
	return (struct tls *)(void *)t;
}

static void signal_moved(struct tls *s)
{
	eventfd_write(s->base.fd, 1);
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

static void dialled(void *arg)
{
	struct tls *s = arg;
	pthread_mutex_lock(&s->lock);
	s->failed = nng_aio_result(s->dial_aio);
	if (s->failed == 0)
		s->stream = nng_aio_get_output(s->dial_aio, 0);
	if (s->stream != NULL)
		start_recv(s);
	pthread_mutex_unlock(&s->lock);
	signal_moved(s);
}

static void received(void *arg)
{
	struct tls *s = arg;
	pthread_mutex_lock(&s->lock);
	s->receiving = false;
	s->in_at = 0;
	s->in_len = nng_aio_result(s->in_aio) == 0 ? nng_aio_count(s->in_aio) : 0;
	s->broken |= s->in_len == 0;
	pthread_mutex_unlock(&s->lock);
	signal_moved(s);
}

static void sent_some(void *arg)
{
	struct tls *s = arg;
	pthread_mutex_lock(&s->lock);
	s->sending = false;
	s->out_at += nng_aio_result(s->out_aio) == 0 ? nng_aio_count(s->out_aio) : 0;
	if (nng_aio_result(s->out_aio) != 0)
		s->mute = true;
	else if (s->out_at < s->out_len)
		start_send(s);
	bool waited_for = !s->sending && (s->refused || s->mute);
	s->refused &= s->sending;
	pthread_mutex_unlock(&s->lock);
	if (waited_for)
		signal_moved(s);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int tls_send(struct transport *t, const void *out, size_t len, size_t *sent)
{
	struct tls *s = of(t);
	pthread_mutex_lock(&s->lock);
	int status = s->mute ? WHERRY_ESTALE : WHERRY_OK;
	*sent = status == WHERRY_OK && !s->sending ? least(len, sizeof(s->out)) : 0;
	s->refused = *sent < len;
	if (*sent > 0) {
		s->out_at = 0;
		s->out_len = *sent;
		memcpy(s->out, out, *sent);
		start_send(s);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

// The eventfd was emptied before: whatever is left must be told of again.
static int tls_recv(struct transport *t, void *in, size_t room, size_t *received_)
{
	struct tls *s = of(t);
	pthread_mutex_lock(&s->lock);
	*received_ = least(s->in_len - s->in_at, room);
	memcpy(in, s->in + s->in_at, *received_);
	s->in_at += *received_;
	int status = *received_ == 0 && s->broken ? WHERRY_ESTALE : WHERRY_OK;
	if (s->in_at < s->in_len || (s->broken && status == WHERRY_OK))
		signal_moved(s);
	else if (!s->receiving && !s->broken)
		start_recv(s);
	pthread_mutex_unlock(&s->lock);
	return status;
}

static int status_of(int failed)
{
	switch (failed) {
	case 0:
		return WHERRY_OK;
	case NNG_ENOMEM:
		return WHERRY_ENOMEM;
	case NNG_EADDRINVAL:
	case NNG_ENOENT:
		return WHERRY_EARG;
	default:
		return WHERRY_ENORESP;
	}
}

static int tls_connected(struct transport *t, char *why)
{
	struct tls *s = of(t);
	pthread_mutex_lock(&s->lock);
	int failed = s->failed;
	bool connected = s->stream != NULL;
	pthread_mutex_unlock(&s->lock);
	if (connected)
		return WHERRY_OK;
	if (failed == 0)
		return WHERRY_EAGAIN;
	snprintf(why, TRANSPORT_WHY, "%s", nng_strerror(failed));
	return status_of(failed);
}

// Freeing an aio waits for its callback; only then nothing uses the stream and the buffers.
static void tls_close(struct transport *t)
{
	struct tls *s = of(t);
	if (s->dialer != NULL)
		nng_stream_dialer_close(s->dialer);
	nng_aio_free(s->dial_aio);
	if (s->stream != NULL)
		nng_stream_close(s->stream);
	nng_aio_free(s->in_aio);
	nng_aio_free(s->out_aio);
	nng_stream_free(s->stream);
	if (s->dialer != NULL)
		nng_stream_dialer_free(s->dialer);
	pthread_mutex_destroy(&s->lock);
	transport_unwatch(t);
	if (t->fd >= 0)
		close(t->fd);
	free(s);
}

static const struct transport_ops tls_ops = {
    .connected = tls_connected,
    .send = tls_send,
    .recv = tls_recv,
    .close = tls_close,
};

static struct tls *tls_new(void)
{
	struct tls *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->base = (struct transport){.ops = &tls_ops, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .signalled = true};
	pthread_mutex_init(&s->lock, NULL);
	if (s->base.fd >= 0 && nng_aio_alloc(&s->dial_aio, dialled, s) == 0 &&
	    nng_aio_alloc(&s->in_aio, received, s) == 0 && nng_aio_alloc(&s->out_aio, sent_some, s) == 0)
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

int transport_open_tls(struct transport **t, const char *url, const struct transport_options *options, char *why)
{
	if (options->tls_ca_file == NULL && !options->tls_unverified) {
		snprintf(why, TRANSPORT_WHY, "tls needs a file of certificates to trust (tls_ca_file)");
		return WHERRY_EARG;
	}
	struct tls *s = tls_new();
	why[0] = 0;
	int failed = s == NULL ? NNG_ENOMEM : nng_stream_dialer_alloc(&s->dialer, url);
	if (failed == 0)
		failed = set_up(s->dialer, options, why);
	if (failed == 0) {
		nng_stream_dialer_dial(s->dialer, s->dial_aio);
		*t = &s->base;
		return WHERRY_OK;
	}
	if (why[0] == 0)
		snprintf(why, TRANSPORT_WHY, "%s", nng_strerror(failed));
	if (s != NULL)
		tls_close(&s->base);
	return status_of(failed);
}
