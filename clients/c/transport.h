// The seam to the transport: one byte stream that blocks up to a deadline.  transport_socket.c serves tcp and ipc on
// plain sockets; transport_tls.c serves tls+tcp, and is the only file that knows nng.
// Threads: one at a time.

#ifndef CLIENT_TRANSPORT_H
#define CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRANSPORT_WHY = 400 };

#define NO_DEADLINE INT64_MAX

int64_t monotonic_ms(void);
// timeout_ms < 0: for ever.
int64_t deadline_after(int64_t timeout_ms);
// For poll(2): 0 if it has passed, -1 if there is none.
int poll_ms(int64_t deadline);

struct transport;

struct transport_ops {
	// Sends of `out` what goes at once and receives what is there; waits until either moved at least a byte.  Bytes
	// it calls sent may still be under way.  OK, ETIMEOUT, ESTALE (the peer closed, or it broke).
	int (*move)(struct transport *, const void *out, size_t out_len, size_t *sent, void *in, size_t in_room,
	    size_t *received, int64_t deadline);
	void (*close)(struct transport *); // and frees it
};

struct transport {
	const struct transport_ops *ops;
	bool ipc; // frames of ipc begin with a byte of their own
};

struct transport_options {
	const char *tls_ca_file;
	bool tls_unverified;
};

// EARG: not a URL that is understood; EAGAIN: nobody answers; ETIMEOUT, ENOMEM.  why[TRANSPORT_WHY] says more.
int transport_open(struct transport **, const char *url, const struct transport_options *, int64_t deadline, char *why);

int transport_open_tcp(struct transport **, const char *address, int64_t deadline, char *why); // HOST:PORT
int transport_open_ipc(struct transport **, const char *path, int64_t deadline, char *why);
int transport_open_tls(
    struct transport **, const char *url, const struct transport_options *, int64_t deadline, char *why);

#endif
