// What the files of checked modules share: see checked.h.

#ifndef MODULE_CHECKED_INSIDE_H
#define MODULE_CHECKED_INSIDE_H

#include "module/checked.h"
#include "module/instance.h"
#include "run/call.h"

enum { FINDINGS_MOST = 128, WHAT_ROOM = 200 };

struct finding {
	const char *command;
	uint64_t times;
	char what[WHAT_ROOM];
};

struct checked_command {
	const char *name;
	int32_t (*run)(void *self, wherry_call *);
};

struct checked {
	wherry_owner *owner;
	struct checked_command *commands;
	wherry_command *wrapped; // what the router is given
	uint32_t command_count;
	int64_t run_ns;
	atomic_int phase;
	_Atomic unsigned fail_in;
	atomic_bool has_failed;
	pthread_mutex_t lock; // all below
	bool mute;
	struct checked_tally tally;
	struct finding *findings;
	uint32_t finding_count;
};

// One copy that was lent.
struct lent_piece {
	unsigned char *at;
	size_t len;
	wherry_span key; // whose change takes it back; empty: any
};

struct lent {
	struct lent_chunk *chunks;
	struct lent_piece *pieces;
	size_t count, room, bytes;
};

// One run(): what the module was given in the place of the broker's own.
struct watched {
	struct checked *module;
	struct call *real;
	const char *command;
	wherry_call *face;        // lent
	wherry_out *reply;        // stands for the real one
	size_t reply_at, changes; // where its reply begins; how many changes others of its transaction had made
	struct lent lent;
	struct checked_here here;
	struct watched *prev, *next; // of the runs under way
	bool failed, restart, parked, in_each;
};

// checked.c
enum finding_kind { FINDING_MISUSE, FINDING_UNDONE, FINDING_SLOW };
void checked_find(struct checked *, enum finding_kind, const char *command, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
struct checked_here *checked_here(void); // of this thread; NULL: nothing of a checked module runs on it
// Names the module whose code runs on this thread, if any does.
void misuse_here(const char *format, ...) __attribute__((format(printf, 1, 2)));

// checked_run.c
int32_t checked_run(void *self, wherry_call *);
// The run that the call belongs to; NULL: it may not be used here and now, which was said.
struct watched *watched_of(const wherry_call *, const char *function);
struct watched *watched_anywhere(const wherry_call *, const char *function); // in each() of a scan, too
void misuse_of_call(const void *call_or_reply, const char *function);        // it is not this thread's
struct watched *watched_here(const char *function);                          // for functions without a call

// checked_keys.c.  False: this change is to fail, as if there were no memory; a commit counts as one.
bool checked_may_change(const struct watched *);

// checked_lent.c: copies for the module.  Without memory, or above LENT_MOST, the original is lent.
enum { LENT_MOST = 64 << 20 };
void *lent_room(struct lent *, size_t size); // zeroed; NULL: none
wherry_span lent_copy(struct lent *, wherry_span);
wherry_span lent_record(struct lent *, wherry_span, wherry_span key); // until the key changes
void lent_change(struct lent *, wherry_span key);                     // the key changed; empty: any
size_t lent_mark(const struct lent *);
void lent_back_to(struct lent *, size_t mark); // what was lent since is taken back
void lent_end(struct lent *, const char *command);

// checked_held.c
enum held_kind { HELD_MEMORY, HELD_BUFFER };
enum held_answer { HELD_HERE, HELD_GONE, HELD_NEVER };
bool held_add(struct checked *, const void *, enum held_kind); // false: no memory
// References change by `delta`, at 0 it is gone.  What stands in the way leaves everything as it is.
enum held_answer held_change(
    const struct checked *, const void *, enum held_kind, int delta); // module NULL: whose ever
struct checked *held_by(const void *); // buffers do not say whose they are; NULL: unknown
void held_forget(const struct checked *);

// Whether a span that comes from the module can be looked at.
static inline bool span_is_whole(wherry_span s)
{
	return s.ptr != NULL || s.len == 0;
}

extern const wherry_keys checked_keys;
extern const wherry_write checked_write;
extern const wherry_read checked_read;
extern const wherry_bus checked_bus;
// Whether the owner may call this now; what it may not is said.  early: before start() and behind drain(), too.
bool checked_owner(wherry_owner *, const char *function, bool early);

#endif
