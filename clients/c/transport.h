// The seam to the transport: one byte stream that never waits, and one place to wait for it.  transport_socket.c
// serves tcp and ipc on plain sockets; transport_tls.c serves tls+tcp, and is the only file that knows nng.
// Threads: one sends, one receives and waits, at the same time; opening, connected and close are the latter's.

#ifndef CLIENT_TRANSPORT_H
#define CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRANSPORT_WHY = 400 };

#define NO_DEADLINE INT64_MAX
#define AT_ONCE INT64_MIN // a deadline: does not wait

int64_t monotonic_ms(void);
// timeout_ms < 0: for ever.
int64_t deadline_after(int64_t timeout_ms);
int64_t deadline_about(int64_t timeout_ms); // up to 10 ms later, for less than half the price

struct transport;
struct waits;

struct transport_ops {
	// OK: there is a connection; EAGAIN: wait for READY_OUT and ask again; ENORESP and others: it failed, and `why`
	// says why.
	int (*connected)(struct transport *, char *why);
	// As much as goes at once: OK, with a count that may be 0, or ESTALE.  Bytes it took may still be under way.
	int (*send)(struct transport *, const void *out, size_t len, size_t *sent);
	// What is there: OK, with a count that may be 0, or ESTALE (the peer closed, or it broke).
	int (*recv)(struct transport *, void *in, size_t room, size_t *received);
	void (*close)(struct transport *); // and frees it
};

struct transport {
	const struct transport_ops *ops;
	int fd;
	bool signalled;      // fd is an eventfd that says: look again, in both directions
	bool ipc;            // frames of ipc begin with a byte of their own
	struct waits *waits; // where it is watched
	uint32_t watched;    // for what; 0: it is not
};

enum { READY_IN = 1, READY_OUT = 2, READY_WAKE = 4 };

// Where the driver waits.  What was measured, of a call of 6 us: poll(2) instead of epoll costs 2 us more for two
// descriptors, and a time-out given to epoll_wait(2) 1 us more, because the kernel starts and stops a timer each time.
struct waits {
	int epoll_fd, wake_fd, timer_fd;
	int64_t armed; // for when the timer is
};
bool waits_open(struct waits *); // false: no descriptors, or no memory; errno says which
void waits_close(struct waits *);
void waits_wake(struct waits *); // any thread

// Waits for any of `wanted` (READY_IN, READY_OUT), for waits_wake(), or until the deadline.  Answers what is ready; 0:
// nothing yet, or the time is up.  The transport may be NULL.
unsigned transport_wait(struct transport *, unsigned wanted, struct waits *, int64_t deadline);
// Before its fd is closed: a process that was forked meanwhile may keep it open, and epoll would go on about it.
void transport_unwatch(struct transport *);

struct transport_options {
	const char *tls_ca_file;
	bool tls_unverified;
};

// Begins to connect.  EARG: not a URL that is understood; EAGAIN: nobody answers; ENOMEM.  why[TRANSPORT_WHY] says more.
int transport_open(struct transport **, const char *url, const struct transport_options *, char *why);

int transport_open_tcp(struct transport **, const char *address, char *why); // HOST:PORT
int transport_open_ipc(struct transport **, const char *path, char *why);
int transport_open_tls(struct transport **, const char *url, const struct transport_options *, char *why);

#endif
