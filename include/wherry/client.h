// The C client of Wherry: a blocking connection over tcp, ipc or tls.  Link with -lwherry.
//
// CAVEATS FIRST.  There is no reconnecting: once a call answered ESTALE or ECORRUPT the connection is over, whether its
// request ran is not known, and a new client must be opened.  A request whose call answered ETIMEOUT may still run;
// its late answer is thrown away.  One client runs one call at a time: a request that waits at the broker keeps other
// threads of the same client waiting, so give such requests a client of their own.
//
// VALUES.  Requests and answers carry msgpack (include/wherry/README.md); this library neither packs nor unpacks it,
// but checks that what is sent and what comes from the broker is whole: lengths inside the bytes, at most 128 levels
// deep.
//
// OWNERSHIP.  Everything passed in is copied or used up before the call returns.  What comes out belongs to the
// wherry_reply, wherry_note or wherry_batch that it was read into and is lent until that object is used again or
// freed; a client may be closed before them.
//
// THREADS.  A wherry_client may be used by any number of threads: one lock is held for the length of a call.  A
// wherry_reply, wherry_note or wherry_batch belongs to one thread at a time.  wherry_client_close: no call is under
// way.
//
// TIMES are milliseconds.  Every function that can fail answers WHERRY_OK or a code of wherry/status.h:
//   EARG      a URL, a name or msgpack that can't be sent; nothing was sent
//   EAGAIN    nobody answers there, or whoever does is not a broker
//   ETIMEOUT  the time ran out
//   ESTALE    the connection ended; ECORRUPT: the broker sent something that is no answer.  The client is of no more
//             use
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

// [grows] All zero, but size, asks for the presets.
typedef struct wherry_client_options {
	uint32_t size;           // sizeof(wherry_client_options)
	uint32_t tls_unverified; // 1: take any certificate (tests)
	int64_t connect_ms;      // for connecting and greeting together; 0: 5,000; < 0: for ever
	int64_t call_ms;         // for each call until it is set otherwise; 0: 60,000; < 0: for ever
	uint64_t max_frame;      // longest frame taken from the broker, bytes; 0: 1 GiB
	uint64_t max_notes;      // bytes of notifications kept until they are asked for; 0: 64 MiB
	const char *tls_ca_file; // PEM, for tls+tcp: whom to trust; needed unless tls_unverified
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
// NULL.  *client is given, to be closed; NULL when it fails.  *error may be NULL.
WHERRY_API int wherry_client_open(
    const char *url, const wherry_client_options *options, wherry_client **client, wherry_error *error);

// Ends the connection and frees the client; NULL does nothing.
WHERRY_API void wherry_client_close(wherry_client *client);

// Sets how long a call may take from now on; < 0: for ever.
WHERRY_API void wherry_client_set_timeout(wherry_client *client, int64_t call_ms);

// Runs one command and waits for its answer.
//   params   one encoded array, the positional arguments; NULL: none
//   options  one encoded map; NULL: none
//   reply    gets the result or the error
// Answers reply->error.code.
WHERRY_API int wherry_client_call(wherry_client *client, const char *method, const void *params, size_t params_len,
    const void *options, size_t options_len, wherry_reply *reply);

WHERRY_API void wherry_reply_free(wherry_reply *reply); // its memory; {0} again

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

// Sends all of it, in frames of about 256 KiB, reading answers meanwhile, and waits until all have come.  OK also
// where single requests failed.  *error may be NULL.  After ETIMEOUT or ESTALE the answers that came can be read; the
// others answer that error.
WHERRY_API int wherry_client_run(wherry_client *client, wherry_batch *batch, wherry_error *error);

// Answer `index`, in the order of adding; *reply is filled with pointers into the batch: lent until the batch is
// cleared or freed.  Answers reply->error.code; EARG: no such.
WHERRY_API int wherry_batch_answer(const wherry_batch *batch, size_t index, wherry_reply *reply);

// --- what the broker says by itself ---------------------------------------------------------------------------------

// The next notification, in the order they came.  Waits at most timeout_ms (0: not at all; < 0: for ever);
// ETIMEOUT: none.  *error may be NULL.
WHERRY_API int wherry_client_poll(wherry_client *client, int64_t timeout_ms, wherry_note *note, wherry_error *error);

WHERRY_API void wherry_note_free(wherry_note *note);

WHERRY_API const char *wherry_client_version(void);    // "0.1.0"
WHERRY_API const char *wherry_status_name(int status); // "ETYPE"; "EINTERNAL" for what is no code
WHERRY_API const char *wherry_status_text(int status); // what it means when nothing better is known

#ifdef __cplusplus
}
#endif
#endif
