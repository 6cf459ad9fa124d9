// The C client of Wherry: blocking and asynchronous calls over tcp, ipc or tls.  Link with -lwherry; a tour is in
// clients/README.md.
//
// CAVEATS FIRST.  A request that was under way when its connection was lost may have run or not.  It is sent again, on
// the next connection, only if nothing can come of it twice (see LOST CONNECTIONS); every other one ends with ESTALE,
// and whoever made it decides.  A request whose call answered ETIMEOUT may still run; its late answer is thrown away.
// What a session has at the broker ends with its connection; the client brings back its namespace, its name, and what was
// made by messaging.h; nothing else.
//
// VALUES.  Requests and answers carry msgpack (include/wherry/README.md); this library neither packs nor unpacks it,
// but checks that what is sent and what comes from the broker is whole: lengths inside the bytes, at most 128 levels
// deep.
//
// OWNERSHIP.  Everything passed in is copied or used up before the call returns.  What comes out belongs to the
// wherry_reply, wherry_note or wherry_batch that it was read into and is lent until that object is used again or
// freed; a client may be closed before them.  What a callback is handed is lent until it returns.
//
// THREADS.  A wherry_client may be used by any number of threads at once; what they ask travels together and no one
// waits for another's answer.  A wherry_reply, wherry_note or wherry_batch belongs to one thread at a time.  As long as
// there are only blocking calls the library has no thread of its own: a caller that waits reads for all.  The first
// wherry_client_send() or wherry_client_on_...() starts one, the client's thread; all callbacks run there, one at a time,
// with no lock held.  They must not block; they may send, and must not call what waits (EARG).
// wherry_client_close: no other call is under way or begins.  After fork() the child must leave the client alone, and
// not even close it: the parent's connection would go deaf.  It takes four descriptors.
//
// LOST CONNECTIONS.  The client connects anew by itself: at once, then after backoff_ms, doubling up to
// backoff_max_ms, a little at random, for as long as it is open (unless `once`).  Requests that come meanwhile wait,
// for no longer than their time.  Of those that were under way
//   not one byte of whose frame, or not all of it, had left         are sent again: they can't have run (the fifth time
//                                                                   such a one was cut it ends with EAGAIN)
//   marked WHERRY_REPEATABLE, or of a command that only reads (its verb is "read" in sys.commands)    are sent again
//   all others                                                      end with ESTALE
// Each ends exactly once, in any case.  What a command does is asked on the new connection, if it must be known and is
// not yet: until then, or until their time is up, such requests do not end.
// A session.use that was answered is remembered: the next connection works in that namespace.  Before anything else is
// sent, the namespace and the name are restored; if the broker refuses them, what waits ends with its code rather than
// run elsewhere.
//
// TIMES are milliseconds.  Every function that can fail answers WHERRY_OK or a code of wherry/status.h:
//   EARG      a URL, a name or msgpack that can't be sent; nothing was sent
//   EAGAIN    no broker answered for as long as the call might take; it was not sent.  When opening, also: the process
//             has no descriptors left
//   ELIMIT    max_pending is reached: too much is under way; it was not sent
//   ETIMEOUT  the time ran out; whether it ran is not known
//   ESTALE    the connection ended before the answer came; whether it ran is not known
//   ECORRUPT  the broker sent something that is no answer: the connection is given up, as if lost; whether it ran is not
//             known
//   ESHUTDOWN the client was closed before the answer came
//   ENOMEM    out of memory
// and whatever the broker answered: wherry_error.local tells the two apart.

#ifndef WHERRY_CLIENT_H
#define WHERRY_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef WHERRY_API
#if defined(__GNUC__)
#define WHERRY_API __attribute__((visibility("default")))
#else
#define WHERRY_API
#endif
#endif

typedef struct wherry_client wherry_client;
typedef struct wherry_batch wherry_batch;

// Why something failed.  Texts end with a zero; long ones are cut.
typedef struct wherry_error {
	int32_t code;   // WHERRY_E..., negative; 0: no error
	int32_t local;  // 1: found out on this side; 0: the broker's answer
	char name[24];  // "ETYPE"
	char text[488]; // for people
} wherry_error;

// [grows] All zero, but size, asks for the presets; a size of 0 is EARG.  Strings are copied.
typedef struct wherry_client_options {
	uint32_t size;           // sizeof(wherry_client_options)
	uint32_t tls_unverified; // 1: take any certificate (tests)
	// For connecting and greeting together; 0: 5,000; < 0: for ever.  Not for looking up a host's name: that takes as
	// long as the system's resolver does (resolv.conf), and calls and wherry_client_close() may take as long.
	int64_t connect_ms;
	int64_t call_ms;         // for each call until it is set otherwise; 0: 60,000; < 0: for ever
	uint64_t max_frame;      // longest frame taken from the broker, bytes; 0: 1 GiB
	uint64_t max_notes;      // bytes of notifications kept until they are asked for, 32 more for each; 0: 64 MiB
	const char *tls_ca_file; // PEM, for tls+tcp: whom to trust; needed unless tls_unverified
	uint32_t once; // 1: never connect again; whatever comes after the connection was lost ends with ESTALE
	uint32_t reserved0;
	int64_t backoff_ms;     // the first wait between attempts to connect, less a random part up to half; 0: 50
	int64_t backoff_max_ms; // the longest; 0: 5,000
	// Bytes of requests that are not answered yet, of all calls together, and about 200 more for each of
	// wherry_client_send(); 0: 256 MiB.
	uint64_t max_pending;
	// Requests travel together in frames of so many bytes at most; 0: 256 KiB.  Not above the broker's max_frame.  Their
	// answers share its max_answer; a blocking call that is refused for that is asked again, alone.
	uint64_t frame_bytes;
	const char *ns;   // the namespace to work in, on every connection; NULL: the broker's first
	const char *name; // told to the broker (session.hello), for those who look at it; NULL: not told
} wherry_client_options;

// Begin with {0}.  Reused by call after call without allocating; wherry_reply_free() at the end.
typedef struct wherry_reply {
	const void *result; // one encoded value; NULL after an error
	size_t result_len;
	const void *details; // of an error of the broker: one encoded map or nil, or NULL
	size_t details_len;
	wherry_error error; // code 0: none
	void *memory;       // the library's
	size_t memory_room;
} wherry_reply;

// One notification.  Begin with {0}; wherry_note_free() at the end.
typedef struct wherry_note {
	const char *method; // "messages"; not terminated
	size_t method_len;
	const void *params; // an encoded array
	size_t params_len;
	uint64_t lost; // how many were thrown away just before this one, because max_notes was reached
	void *memory;  // the library's
	size_t memory_room;
} wherry_note;

// Connects to tcp://HOST:PORT, ipc:///PATH (also ipc://PATH) or tls+tcp://HOST:PORT and greets.  options may be
// NULL.  *client is given, to be closed; NULL when it fails: EAGAIN where nobody answers, or whoever does is no broker;
// ENOKEY, or whatever the broker says, where it refuses `ns` or `name`.  *error may be NULL.  One attempt is made.
WHERRY_API int wherry_client_open(
    const char *url, const wherry_client_options *options, wherry_client **client, wherry_error *error);

// Ends the connection and frees the client; requests of wherry_client_send() that are not answered are, with ESHUTDOWN,
// before it returns.  NULL does nothing, nor does a call from a callback.
WHERRY_API void wherry_client_close(wherry_client *client);

// Sets how long a call may take from now on; 0: 60,000; < 0: for ever.
WHERRY_API void wherry_client_set_timeout(wherry_client *client, int64_t call_ms);

// Runs one command and waits for its answer.
//   params   one encoded array, the positional arguments; NULL: none
//   options  one encoded map; NULL: none
//   reply    gets the result or the error
// Answers reply->error.code.
WHERRY_API int wherry_client_call(wherry_client *client, const char *method, const void *params, size_t params_len,
    const void *options, size_t options_len, wherry_reply *reply);

WHERRY_API void wherry_reply_free(wherry_reply *reply); // its memory; {0} again

// --- requests with more to say, and asynchronous ones ---------------------------------------------------------------

#define WHERRY_REPEATABLE (1u << 0) // running twice does no harm: send again after a lost connection

// [grows] One request; begin with {.size = sizeof(wherry_request)}.
typedef struct wherry_request {
	uint32_t size, flags; // WHERRY_REPEATABLE
	const char *method;   // "kv.get"
	const void *params;   // one encoded array, the positional arguments; NULL: none
	size_t params_len;
	const void *options; // one encoded map; NULL: none
	size_t options_len;
	int64_t timeout_ms; // 0: the client's call_ms; < 0: for ever
} wherry_request;

// wherry_client_call() with all that a request may say.
WHERRY_API int wherry_client_ask(wherry_client *client, const wherry_request *request, wherry_reply *reply);

// Called exactly once for each request that wherry_client_send() took; reply->error.code 0: it was done.
typedef void (*wherry_answered)(void *arg, const wherry_reply *reply);

// Sends a request and returns at once.  OK: `answered` will be called, on the client's thread (never from within this
// function), with the answer or with why there is none.  EARG, ELIMIT, ENOMEM, ESTALE (`once`, and it is lost),
// ESHUTDOWN (the client is being closed): it will not.  Times are kept to 10 ms.  Requests are sent in the order in
// which they were taken and their answers may come in another (a request that waits at the broker holds nobody up).
// Whatever is taken before the client's thread gets to sending travels in one frame, so send all there is, and leave
// batching to it.
WHERRY_API int wherry_client_send(
    wherry_client *client, const wherry_request *request, wherry_answered answered, void *arg);

// Waits until nothing of wherry_client_send() is under way: every callback has returned.  OK or ETIMEOUT (< 0: for ever).
WHERRY_API int wherry_client_settle(wherry_client *client, int64_t timeout_ms);

// --- many requests at once ------------------------------------------------------------------------------------------

// A batch is a list of requests that travel together and whose answers are all waited for: far cheaper than calls one
// after another.  They run in order, but are no transaction (that is tx.exec).  NULL: no memory.
WHERRY_API wherry_batch *wherry_batch_new(void);
WHERRY_API void wherry_batch_free(wherry_batch *batch);  // NULL does nothing
WHERRY_API void wherry_batch_clear(wherry_batch *batch); // empties it and keeps its memory
WHERRY_API size_t wherry_batch_count(const wherry_batch *batch);

// Adds a request; arguments as wherry_client_call.  EARG, ENOMEM, or EEXIST: it ran already, clear it first.
WHERRY_API int wherry_batch_add(wherry_batch *batch, const char *method, const void *params, size_t params_len,
    const void *options, size_t options_len);

// Sends all of it, in frames of about frame_bytes, reading answers meanwhile, and waits until all have come.  OK also
// where single requests failed.  *error may be NULL.  Where the time ran out or the connection was lost, the answers
// that came can be read; each of the others answers why there is none, and so does this.
WHERRY_API int wherry_client_run(wherry_client *client, wherry_batch *batch, wherry_error *error);

// Answer `index`, in the order of adding; *reply is filled with pointers into the batch: lent until the batch is
// cleared or freed.  Answers reply->error.code; EARG: no such.
WHERRY_API int wherry_batch_answer(const wherry_batch *batch, size_t index, wherry_reply *reply);

// --- what the broker says by itself ---------------------------------------------------------------------------------

// The next notification, in the order they came.  Waits at most timeout_ms (0: not at all; < 0: for ever);
// ETIMEOUT: none.  ESTALE: all that came is told, and then the connection was lost, and with it what the session had:
// once for each time, then it goes on with the next connection (`once`: every time).  *error may be NULL.
WHERRY_API int wherry_client_poll(wherry_client *client, int64_t timeout_ms, wherry_note *note, wherry_error *error);

WHERRY_API void wherry_note_free(wherry_note *note);

// Hands every notification to `heard`, on the client's thread, instead of keeping it; those that are kept already come
// first.  NULL: keeps them again.  When it returns, the former `heard` runs no more (called from a callback: after that).
typedef void (*wherry_heard)(void *arg, const wherry_note *note);
WHERRY_API int wherry_client_on_note(wherry_client *client, wherry_heard heard, void *arg); // ENOMEM

// Tells when the connection is lost (connected 0, `why` says why) and when there is one again (1, `why` NULL): the
// moment to make anew what a session had.  Requests sent from within come before all that wait.  A loss that was made
// good before this was called is not told.  NULL: tells no more; returns as wherry_client_on_note.
typedef void (*wherry_changed)(void *arg, int connected, const wherry_error *why);
WHERRY_API int wherry_client_on_change(wherry_client *client, wherry_changed changed, void *arg); // ENOMEM

// [grows] What a client has done since it was opened; set size.
typedef struct wherry_client_counts {
	uint32_t size, reserved0;
	uint64_t requests, answers; // taken; ended in any way
	uint64_t frames_out, bytes_out, frames_in, bytes_in;
	uint64_t connections; // made; the first counts
	uint64_t repeated;    // requests sent again after a lost connection
	uint64_t in_flight, pending_bytes, notes_lost;
} wherry_client_counts;
WHERRY_API void wherry_client_count(wherry_client *client, wherry_client_counts *counts);

WHERRY_API const char *wherry_client_version(void);    // "0.1.0"
WHERRY_API const char *wherry_status_name(int status); // "ETYPE"; "EINTERNAL" for what is no code
WHERRY_API const char *wherry_status_text(int status); // what it means when nothing better is known

#ifdef __cplusplus
}
#endif
#endif
