// The wire: SP over NNG's streams on any number of listeners, one port for every client socket.
//
//   stream.h    the seam to the transport: listen, accept, receive, send, try, close; on NNG: stream_nng.c, listen_nng.c
//   address.h   the URLs of listeners
//   server.c    listeners, the list of connections, limits; options.c: what a listener was told
//   conn.c      one connection: its life and its timer; conn_in.c: handshake, receive, frames; conn_out.c: send
//   peers.c     what each kind of client socket is served: requests.c REQ and PAIR; plain.c PUB and SUB; push.c, pull.c
//   inbox.h     where its bytes arrive
//   sp.h        the SP protocols as bytes
//   resend.h    REQ requests that come again
//   hot.h       the poller of hot connections under load
//   inside.h    what these files share: turns, roles, locks
//
// Threads: NNG's task threads and the poller's run everything; server_* functions are the control thread's.

#ifndef WIRE_SERVER_H
#define WIRE_SERVER_H

#include "base/timer.h"
#include "run/router.h"

struct server;

// Read each time they are used, so they may change while the broker runs.
struct wire_limits {
	_Atomic int64_t max_frame; // bytes of an SP message
	_Atomic int64_t max_connections;
	_Atomic int64_t handshake_ms;
	_Atomic int64_t idle_ms; // without a byte from the peer; 0: never
	// Answers that a peer has not read: above it, it is not read from, and pushes are refused with ELIMIT.
	_Atomic int64_t outbox_bytes;
	_Atomic int64_t send_bytes; // one coalesced send
	// A peer with something to read that takes nothing for so long is closed; 0: never.
	_Atomic int64_t stall_ms;
	// Answers kept for REQ requests that come again, of all connections together: above it they are not kept, and
	// such a request is answered ECONFLICT.
	_Atomic int64_t resend_bytes;
};

struct listen_options {
	bool insecure;                            // the administrator wants a plain listener on any address
	const char *tls_cert_file, *tls_key_file; // PEM; tls+tcp:// only
	int ipc_mode;                             // 0660

	// For sockets that know topics or a pipeline, and nothing of requests.
	const char *tap;                 // the filter of what SUB clients get; NULL: ">"
	int64_t max_messages, max_bytes; // that wait for one of them; 0: the broker's own
	bool payload_msgpack;            // what a PUB client sends behind the topic is one value; else it is bytes
	const char *queue, *ns; // of PUSH and PULL clients; queue NULL: they are turned away; ns NULL: the default one
};
bool listen_options_copy(
    struct listen_options *to, const struct listen_options *from); // false: no memory, nothing kept
void listen_options_free(struct listen_options *);                 // what a copy holds
bool listen_options_equal(const struct listen_options *, const struct listen_options *);

struct server_config {
	struct router *router;
	struct timers *timers;
	const struct logger *log;
	const struct wire_limits *limits;
};

int server_open(struct server **, const struct server_config *);
// Binds and accepts.  tcp://host:port, ipc:///path, tls+tcp://host:port.  On failure *why (static or in the server)
// says what to do: the address is taken, not loopback without security, no certificate ...
// A port of 0 is chosen by the system: `bound` tells the URL in force.
int server_listen(struct server *, const char *url, const struct listen_options *, char *bound, size_t bound_room,
    char *why, size_t why_room);
// Whether a listener may be had there, without opening it: its form and its security.  EARG, EDENIED: why[].
int server_check(const char *url, const struct listen_options *, char *why, size_t why_room);
void server_stop_accepting(struct server *);
// Sends every duplex session [2, "session", ["goodbye", nil]], receives nothing more, and waits until all answers have
// left, at most so long.  True if they have.
bool server_drain(struct server *, int64_t timeout_ms);
void server_close(struct server *); // ends all connections and waits for them

struct server_stats {
	uint64_t connections, accepted, closed, refused, handshakes_failed, frames_in, frames_out, bytes_in, bytes_out,
	    resent, oversize, idle_closed, stalled_closed, accept_errors;
	uint64_t published, publish_dropped; // of PUB clients; dropped: no topic, or no payload
	uint64_t pushed, push_dropped; // of PUSH clients; dropped: too large, or it closed while the queue was full
	uint64_t pulled;               // to PULL clients
};
void server_read_stats(const struct server *, struct server_stats *);

#endif
