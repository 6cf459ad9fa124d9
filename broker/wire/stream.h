// The seam to the transport: byte streams over tcp, ipc and tls.  Everything above speaks only this, so that another
// poller could serve tcp and ipc one day.
//
//   stream_nng.c   streams on nng_stream (NNG 1.5.2; nothing that 1.11 calls deprecated)
//   listen_nng.c   listeners: accept, pause, tls configuration
//   address.c      what a URL means, before anything is opened
//
// One receive and one send may be under way per stream, of either form.  Callbacks run on NNG's task threads, may run
// on another thread before the call that caused them has returned, and may call everything here but
// stream_listener_close.

#ifndef WIRE_STREAM_H
#define WIRE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;
struct stream_listener;

enum { STREAM_IOV = 8 };

struct stream_part {
	const void *ptr;
	size_t len;
};

// status: WHERRY_OK with a count > 0; ESTALE: the peer closed or the stream was closed; EIO: it broke.
typedef void (*stream_done)(void *arg, int status, size_t count);

struct stream_listen {
	const char *tls_cert_file, *tls_key_file;
	int ipc_mode;
	// A new stream, or NULL with a status: EAGAIN (no descriptors, ...: the listener pauses and goes on by itself).
	void (*accepted)(void *arg, struct stream *, int status);
	void *arg;
};

// EARG, EIO with a sentence in why[]: what is wrong with the address, and the way out.
int stream_listen(struct stream_listener **, const char *url, const struct stream_listen *, char *why, size_t why_room);
int stream_listener_url(struct stream_listener *, char *url,
    size_t room);                                     // the port that was chosen filled in
void stream_listener_close(struct stream_listener *); // no accepted() after it; frees it.  Not from a callback

// Once, before the first receive or send.  ENOMEM.
int stream_prepare(struct stream *, stream_done received, stream_done sent, void *arg);
void stream_remote(struct stream *, char *text, size_t room); // "tcp://127.0.0.1:40000"

void stream_recv(struct stream *, void *into, size_t room); // received() follows
void stream_wake(struct stream *); // received() follows with OK and a count of 0; no receive is under way
// Whatever has come, now, without a callback: OK and a count, EAGAIN, ESTALE, EIO.
int stream_try_recv(struct stream *, void *into, size_t room, size_t *count);
int stream_send(struct stream *, const struct stream_part *,
    unsigned parts);                   // OK: sent() follows, may be partial.  ENOMEM
int stream_wake_sent(struct stream *); // OK: sent() follows with OK and a count of 0; no send is under way.  ENOMEM
int stream_try_send(struct stream *, const struct stream_part *, unsigned parts, size_t *count);
// Whether stream_try_ can be anything but EAGAIN.  Not with tls: its engine must be given again what it began to send.
bool stream_can_try(const struct stream *);

// What is under way, and all that is started later, ends with ESTALE; idempotent; any thread.  Whoever starts an
// operation at the same time must hold the stream until that call has returned.
void stream_close(struct stream *);
void stream_free(struct stream *); // nothing is under way but the callback that calls this.  Any thread

#endif
