// What ends a wait of the prompt: a key, a signal, news from another thread.  One set of these for the process, since
// signals are the process's own.  Threads: wake_up() from any and from signal handlers, the rest from the main one.

#ifndef CLI_PROMPT_WAKE_H
#define CLI_PROMPT_WAKE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	WAKE_INTERRUPT = 1, // Ctrl-C
	WAKE_RESIZE = 2,    // the terminal has another size
	WAKE_SUSPEND = 4,   // Ctrl-Z
	WAKE_END = 8,       // the terminal is gone, or somebody ends us
	WAKE_NEWS = 16,     // an answer, or the connection is another
};

bool wake_open(void); // takes the signals; false: errno says why not
void wake_close(void);
int wake_ending_signal(void); // of WAKE_END; 0: none came

void wake_up(unsigned what);
unsigned wake_take(unsigned what); // those that happened since they were last taken

// Waits for one of `what`, for fd (-1: none) to be readable or hung up, or for timeout_ms (< 0: for ever).  Takes nothing.
// true: fd.
bool wake_wait(unsigned what, int fd, int64_t timeout_ms);

int64_t now_ms(void); // monotonic

#endif
