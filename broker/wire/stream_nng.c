// Streams on nng_stream: stream.h.  Facts of NNG 1.5.2 that this file is built around:
//
//   - An aio without a callback that is cancelled right after it was submitted has done what could be done without
//     waiting: a non-blocking call in the caller's thread, with no hop to another.
//   - A receive or send that is submitted after nng_stream_close() is never completed on tcp and ipc, until it is
//     cancelled.  So whoever submits looks at `closed` afterwards, and whoever closes cancels afterwards: one of the two
//     sees the other.
//   - An aio must not be freed in its own callback: nng_aio_reap() waits for that elsewhere.

#include "wire/stream_nng.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "wherry/status.h"

struct stream {
	nng_stream *nng;
	stream_done received, sent;
	void *arg;
	nng_aio *recv, *try_recv, *try_send; // the latter two when first used
	_Atomic(nng_aio *) send;             // when first used; stream_close() looks at it from any thread
	atomic_bool closed;
	enum transport transport;
};

// What a finished operation came to.  A cancelled one is a closed one here: nothing else cancels those with callbacks.
static int status_of(int nng)
{
	switch (nng) {
	case 0:
		return WHERRY_OK;
	case NNG_ECLOSED:
	case NNG_ECANCELED:
	case NNG_ECONNSHUT:
	case NNG_ECONNRESET:
	case NNG_ECONNREFUSED: // what the TLS engine says of a peer that has gone
		return WHERRY_ESTALE;
	case NNG_ENOMEM:
		return WHERRY_ENOMEM;
	default:
		return WHERRY_EIO;
	}
}

static void on_received(void *arg)
{
	struct stream *s = arg;
	s->received(s->arg, status_of(nng_aio_result(s->recv)), nng_aio_count(s->recv));
}

static void on_sent(void *arg)
{
	struct stream *s = arg;
	nng_aio *aio = atomic_load(&s->send);
	s->sent(s->arg, status_of(nng_aio_result(aio)), nng_aio_count(aio));
}

static int set_parts(nng_aio *aio, const struct stream_part *parts, unsigned count)
{
	nng_iov iov[STREAM_IOV];
	for (unsigned i = 0; i < count; i++)
		iov[i] = (nng_iov){(void *)(uintptr_t)parts[i].ptr, parts[i].len};
	return nng_aio_set_iov(aio, count, iov);
}

static void set_room(nng_aio *aio, void *into, size_t room)
{
	nng_aio_set_iov(aio, 1, &(nng_iov){into, room}); // can't fail: room for four is in the aio
}

// One go at an operation: what came of it, without waiting.
static int try(struct stream *s, nng_aio *aio, void (*start)(nng_stream *, nng_aio *), size_t *count)
{
	start(s->nng, aio);
	nng_aio_cancel(aio);
	nng_aio_wait(aio);
	int result = nng_aio_result(aio);
	*count = nng_aio_count(aio);
	if (result == NNG_ECANCELED)
		return atomic_load(&s->closed) ? WHERRY_ESTALE : WHERRY_EAGAIN;
	return status_of(result);
}

static bool have_plain(nng_aio **aio)
{
	return *aio != NULL || nng_aio_alloc(aio, NULL, NULL) == 0;
}

struct stream *stream_wrap(nng_stream *nng, enum transport transport)
{
	struct stream *s = mem_zalloc(sizeof(*s));
	if (s == NULL) {
		nng_stream_free(nng);
		return NULL;
	}
	s->nng = nng;
	s->transport = transport;
	return s;
}

int stream_prepare(struct stream *s, stream_done received, stream_done sent, void *arg)
{
	s->received = received;
	s->sent = sent;
	s->arg = arg;
	return nng_aio_alloc(&s->recv, on_received, s) == 0 ? WHERRY_OK : WHERRY_ENOMEM;
}

static void remote_ipc(struct stream *s, char *text, size_t room)
{
	uint64_t pid = 0, uid = 0;
	nng_stream_get_uint64(s->nng, NNG_OPT_IPC_PEER_PID, &pid);
	nng_stream_get_uint64(s->nng, NNG_OPT_IPC_PEER_UID, &uid);
	snprintf(text, room, "ipc://pid:%llu,uid:%llu", (unsigned long long)pid, (unsigned long long)uid);
}

void stream_remote(struct stream *s, char *text, size_t room)
{
	char host[INET6_ADDRSTRLEN] = "?";
	const char *scheme = s->transport == TRANSPORT_TLS ? "tls+tcp" : "tcp";
	nng_sockaddr at;
	if (s->transport == TRANSPORT_IPC) {
		remote_ipc(s, text, room);
	} else if (nng_stream_get_addr(s->nng, NNG_OPT_REMADDR, &at) != 0) {
		snprintf(text, room, "%s://?", scheme);
	} else if (at.s_family == NNG_AF_INET6) {
		inet_ntop(AF_INET6, at.s_in6.sa_addr, host, sizeof(host));
		snprintf(text, room, "%s://[%s]:%u", scheme, host, ntohs(at.s_in6.sa_port));
	} else {
		inet_ntop(AF_INET, &at.s_in.sa_addr, host, sizeof(host));
		snprintf(text, room, "%s://%s:%u", scheme, host, ntohs(at.s_in.sa_port));
	}
}

bool stream_can_try(const struct stream *s)
{
	return s->transport != TRANSPORT_TLS;
}

void stream_recv(struct stream *s, void *into, size_t room)
{
	set_room(s->recv, into, room);
	nng_stream_recv(s->nng, s->recv);
	if (atomic_load(&s->closed))
		nng_aio_cancel(s->recv);
}

void stream_wake(struct stream *s)
{
	if (nng_aio_begin(s->recv))
		nng_aio_finish(s->recv, 0);
}

int stream_try_recv(struct stream *s, void *into, size_t room, size_t *count)
{
	*count = 0;
	if (!stream_can_try(s) || !have_plain(&s->try_recv))
		return WHERRY_EAGAIN;
	set_room(s->try_recv, into, room);
	return try(s, s->try_recv, nng_stream_recv, count);
}

static nng_aio *sending_aio(struct stream *s)
{
	nng_aio *aio = atomic_load(&s->send);
	if (aio == NULL && nng_aio_alloc(&aio, on_sent, s) == 0)
		atomic_store(&s->send, aio);
	return aio;
}

int stream_send(struct stream *s, const struct stream_part *parts, unsigned count)
{
	nng_aio *aio = sending_aio(s);
	if (aio == NULL || set_parts(aio, parts, count) != 0)
		return WHERRY_ENOMEM;
	nng_stream_send(s->nng, aio);
	if (atomic_load(&s->closed))
		nng_aio_cancel(aio);
	return WHERRY_OK;
}

int stream_wake_sent(struct stream *s)
{
	nng_aio *aio = sending_aio(s);
	if (aio == NULL || !nng_aio_begin(aio))
		return WHERRY_ENOMEM;
	nng_aio_finish(aio, 0);
	return WHERRY_OK;
}

int stream_try_send(struct stream *s, const struct stream_part *parts, unsigned count, size_t *sent)
{
	*sent = 0;
	if (!stream_can_try(s) || !have_plain(&s->try_send) || set_parts(s->try_send, parts, count) != 0)
		return WHERRY_EAGAIN;
	return try(s, s->try_send, nng_stream_send, sent);
}

void stream_close(struct stream *s)
{
	if (atomic_exchange(&s->closed, true))
		return;
	nng_stream_close(s->nng);
	nng_aio *send = atomic_load(&s->send);
	if (s->recv != NULL)
		nng_aio_cancel(s->recv);
	if (send != NULL)
		nng_aio_cancel(send);
}

// NNG frees all of them on a thread of its own, each when its callback has returned.
void stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	nng_stream_close(s->nng);
	nng_aio_reap(s->recv);
	nng_aio_reap(atomic_load(&s->send));
	nng_aio_reap(s->try_recv);
	nng_aio_reap(s->try_send);
	nng_stream_free(s->nng);
	mem_free(s);
}
