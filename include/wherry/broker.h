// Wherry as a library: the whole broker inside a program.  Any number of brokers may live in one process; there is no
// global state.  Link with -lwherry-broker.
//
// CAVEATS FIRST.  Until the log module exists nothing survives wherry_broker_close().  NNG's threads live in the
// process: a program that forks must not touch the broker in the child.
//
// Threads: every function may be called from any thread unless it says otherwise.  Strings handed over are copied.

#ifndef WHERRY_BROKER_H
#define WHERRY_BROKER_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WHERRY_API __attribute__((visibility("default")))
#else
#define WHERRY_API
#endif

typedef struct wherry_broker wherry_broker;
typedef struct wherry_session wherry_session;
typedef struct wherry_config wherry_config;

// --- configuration: an object to fill, then to open a broker with ---------------------------------------------------

WHERRY_API wherry_config *wherry_config_new(void); // every option at its default; NULL: no memory
WHERRY_API void wherry_config_free(wherry_config *);
// Sets one option by name, in the text form of the configuration file ("max_frame", "16MiB"; "kv.max_value" for a
// module's).  EARG: unknown, malformed or out of bounds; wherry_config_why() says which.
WHERRY_API int wherry_config_set(wherry_config *, const char *name, const char *value);
WHERRY_API int wherry_config_file(wherry_config *, const char *path);   // EARG, EIO
WHERRY_API int wherry_config_listen(wherry_config *, const char *url);  // one more listener
WHERRY_API int wherry_config_module(wherry_config *, const char *path); // one more module, by path or by name
WHERRY_API const char *wherry_config_why(const wherry_config *);        // the last error, for people; lent

// --- a broker -------------------------------------------------------------------------------------------------------

// Opens it: data directory, modules, listeners.  *why (may be NULL) gets a text to free() when it fails.  The
// configuration is read, not kept.
WHERRY_API int wherry_broker_open(const wherry_config *, wherry_broker **, char **why);
// Drains: stops accepting, says goodbye, lets answers leave (at most drain_ms), unloads the modules.  Frees it.
// All its sessions must have been closed.
WHERRY_API void wherry_broker_close(wherry_broker *);
// Puts another configuration into the running broker: all of it, or, when it fails, nothing (without memory, some of the
// new namespaces may be there, empty); *why as above.  Takes effect:
// options that are hot, of the broker and of loaded modules; modules and namespaces that are new.  Stays as it is until the
// broker is opened anew, and is logged: other options, listeners, modules no longer named.  A hot option is set if its
// configured value changed since the last time: else what sys.config set meanwhile stays.  Returns when it is done.
// EARG and what loading a module fails with.  Not after wherry_broker_close() has begun.
WHERRY_API int wherry_broker_reload(wherry_broker *, const wherry_config *, char **why);
// Opens the file of the option log_file anew, as after it was renamed; no line is lost.  EIO: the old one stays; *why as
// above.  OK without such a file.
WHERRY_API int wherry_broker_reopen_log(wherry_broker *, char **why);
// The URL in force of listener `index` (a port 0 resolved); NULL: no such.  Lent until close.
WHERRY_API const char *wherry_broker_url(const wherry_broker *, unsigned index);
// Returns when sys.shutdown was called or wherry_broker_stop() was, or after timeout_ms (< 0: never): OK or ETIMEOUT.
WHERRY_API int wherry_broker_wait(wherry_broker *, int64_t timeout_ms);
WHERRY_API void wherry_broker_stop(wherry_broker *); // makes wait return; async-signal-unsafe

// --- calling it in the process --------------------------------------------------------------------------------------

// A session of this process: namespace, parked requests.  A session's calls come from one thread at a time.
WHERRY_API int wherry_session_open(wherry_broker *, wherry_session **);
WHERRY_API void wherry_session_close(wherry_session *);
// Runs one frame (one or more msgpack requests after one another, include/wherry/README.md) and waits for its answers:
// *answer is lent until the session's next call.  Parked requests are waited for.  What is wrong with a request is in its
// answer; ESTALE: the session was closed: by session.close, or because there was no memory for an answer.
WHERRY_API int wherry_session_call(
    wherry_session *, const void *frame, size_t frame_len, const void **answer, size_t *answer_len);

WHERRY_API const char *wherry_version(void); // "0.1.0"

#ifdef __cplusplus
}
#endif
#endif
