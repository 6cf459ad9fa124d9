// A broker inside the test, called by text, so that a test reads as a transcript:
//
//	struct embed *b = embed_open("kv");            // modules by name (from the build) or by path, "" for
// none 	expect(b, "kv.set a 1", "1"); 	expect(b, "kv.get a", "1"); 	expect(b, "kv.set [1] 3",
// "EARG: ..."); // the whole text is compared 	expect_like(b, "kv.get", "EARG: *");            // fnmatch
// pattern 	embed_close(b);                                 // asserts that nothing is left behind
//
// Command lines: a method, then values, then or between them options as --name=value (dashes in the name
// become underscores; --name alone is true).  Several requests of one frame are separated by " ; ", and so
// are their answers. Values are like JSON:
//
//	12 -1 1.5 1e3 +inf -inf +nan   numbers; one with a point or an exponent is a real
//	word  "text \n \" \\ \x01"     text; true false null are no words
//	b"bytes \x00"  [1, 2]  {"a": 1, b: 2}  t(1, "x")  time(seconds, nanoseconds)  x(5, "ext content")
//
// Answers come in the same form, strings always quoted, separated by ", "; errors as "ECODE: text".
// Threads: one session is called by one thread at a time; different sessions at once.

#ifndef SUPPORT_EMBED_H
#define SUPPORT_EMBED_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buffer.h"
#include "wherry/broker.h"

struct embed;         // a broker and its first session
struct embed_session; // one more session of it
struct embed_pending; // a call under way on a thread of its own

// Any failure to open fails the test with the broker's reason.
struct embed *embed_open(const char *modules_csv);
// With options of the configuration, "name=value" each, NULL at the end.
struct embed *embed_open_with(const char *modules_csv, const char *const *options);
// Closes the sessions that are left and the broker.  Fails the test if a request is still parked, a session
// is left, or an unloaded module had not released its memory.
void embed_close(struct embed *);
// The same without looking at what modules leaked: for tests of leaking ones.
void embed_close_leaky(struct embed *);

wherry_broker *embed_broker(struct embed *);
struct embed_session *embed_first(struct embed *);

// The answer as text, to free().
char *embed_call(struct embed *, const char *line);
char *embed_callf(struct embed *, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct embed_session *embed_session_open(struct embed *);
void embed_session_close(struct embed_session *);
char *embed_session_call(struct embed_session *, const char *line);

// For requests that park: calls on a thread of its own, in a session of its own.
struct embed_pending *embed_begin(struct embed *, const char *line);
char *embed_end(struct embed_pending *); // waits for the answer; to free()
// Waits until exactly so many requests are parked; fails the test after 10 s.
void embed_wait_parked(struct embed *, unsigned count);

// Calls and compares; both texts are shown when they differ.
#define expect(b, line, want) embed_expect((b), (line), (want), 0, __FILE__, __LINE__)
#define expect_like(b, line, pattern) embed_expect((b), (line), (pattern), 1, __FILE__, __LINE__)
#define expect_end(pending, want) embed_expect_text(embed_end(pending), (want), 0, __FILE__, __LINE__)
#define expect_end_like(pending, pattern) embed_expect_text(embed_end(pending), (pattern), 1, __FILE__, __LINE__)
// Calls until the answer matches the pattern; fails the test after 10 s.
void embed_await_like(struct embed *, const char *line, const char *pattern);
void embed_expect(struct embed *, const char *line, const char *want, int is_pattern, const char *file, int at);
void embed_expect_text(char *got, const char *want, int is_pattern, const char *file, int at); // frees `got`

// The path of a module: NAME.so of the build's modules, or of the test modules.  Lent until the next call.
const char *embed_module_path(const char *name);

// A new empty directory in the build, for the caller to remove.  Lent until the next call.
const char *embed_temp_dir(void);

// The translation alone.  A line that is no command line fails the test.
void embed_encode(const char *line, struct buffer *frame);
char *embed_decode(wherry_span answers); // responses, as above
char *embed_show(wherry_span value);     // values after one another

#endif
