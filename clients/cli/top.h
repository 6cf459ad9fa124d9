// wherry top: a broker at work, from two samples of sys.stats and sys.info, an interval apart.
//
// top.c tells the story; top_ask.c asks the broker; top_view.c makes rates and percentiles of two samples; top_print.c
// writes lines or JSON; top_screen.c is the terminal.
//
// Threads: the main one; answers come on the client library's thread and wait in the asker, under its lock.
// What the broker does not tell is NAN, and shown as "-".

#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <msgpack.h>

#include "cli.h"

enum { TOP_NAME = 64, TOP_ROWS = 4096, TOP_WHY = 200 };

// --- what the broker said (top_view.c) --------------------------------------------------------------------------------

// Begin with {0}.
struct sample {
	uint64_t taken_ns; // CLOCK_MONOTONIC; 0: empty
	msgpack_unpacked stats, info;
	void *stats_bytes, *info_bytes; // what they point into
};
bool sample_take(
    struct sample *, uint64_t taken_ns, void *stats, size_t stats_len, void *info, size_t info_len); // takes over both
void sample_free(struct sample *);

struct row {
	char name[TOP_NAME]; // harmless to a terminal
	double calls_s, errors_s, p50_us, p99_us, p999_us;
	double calls, errors; // since the broker began
};

struct view {
	char version[TOP_NAME];
	double seconds; // between the samples; NAN: there is one only
	double pid, uptime_ms;
	double requests_s, errors_s, frames_in_s, frames_out_s, bytes_in_s, bytes_out_s, accepted_s, commits_s,
	    expired_s, slow_s;
	double connections, sessions, parked, keys, memory, memory_limit, resident;
	struct row *commands, *namespaces; // of a namespace: its name, and calls is how many keys it has
	size_t command_count, namespace_count;
};

enum sorting { SORT_RATE, SORT_ERRORS, SORT_P50, SORT_P99, SORT_CALLS, SORT_NAME, SORTINGS };

// before: NULL or empty where there is none.  Where the broker was started anew between them there are no rates.
bool view_make(struct view *, const struct sample *now, const struct sample *before, enum sorting); // false: no memory
void view_sort(struct view *, enum sorting);
void view_free(struct view *);

// --- showing it (top_print.c) -----------------------------------------------------------------------------------------

struct banner {                  // above and below the figures
	const char *url, *state; // state: "", "paused", "lost: ...; trying again"
	enum sorting sorting;
	double interval;
	bool keys; // what they do is told
};

// Lines.  rows: how many there may be, 0: any.  Answers which one heads the table, from 0.
int view_print(const struct view *, const struct banner *, int rows, FILE *);
void view_print_json(const struct view *, FILE *); // one line

// --- asking (top_ask.c) ----------------------------------------------------------------------------------------------

struct asker;
struct asker *asker_open(const struct settings *, int *status); // NULL: it was said why; *status is the exit status
void asker_watch(struct asker *); // begins to mind the connection; starts the library's thread
void asker_close(struct asker *);
int asker_wake(const struct asker *);               // readable when something came
void asker_ask(struct asker *, int64_t timeout_ms); // for a sample; nothing if one is asked for
// false: nothing new.  Else *s is a new sample, or empty and `why` says why there is none.
bool asker_take(struct asker *, struct sample *, char why[TOP_WHY]);
bool asker_lost(struct asker *, char why[TOP_WHY]); // whether there is no connection now

// --- the terminal (top_screen.c) --------------------------------------------------------------------------------------

void top_screen_enter(void); // the terminal is restored whatever happens, but for SIGKILL
void top_screen_leave(void); // does nothing if it was left
void top_screen_show(const char *lines, int head, bool color); // as much as fits

#endif
