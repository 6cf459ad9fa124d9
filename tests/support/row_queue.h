// A queue for tests of the wire: a row in memory behind the three commands that the wire asks.  Threads: its lock.

#ifndef SUPPORT_ROW_QUEUE_H
#define SUPPORT_ROW_QUEUE_H

#include <pthread.h>

#include "base/buffer.h"
#include "run/command.h"

enum { ROW_QUEUE_ROOM = 20000 };
enum message_state { READY, RESERVED, DONE };

extern struct row_queue {
	pthread_mutex_t lock;
	struct buffer value[ROW_QUEUE_ROOM]; // encoded
	enum message_state state[ROW_QUEUE_ROOM];
	uint32_t count, first, most, acked; // first: before it all are reserved or done
	uint32_t pushes;                    // commands
	bool slow;                          // a push waits until somebody signals
	int broken;                         // what every command answers, if it is not 0
} row_queue;

void row_queue_empty(void);
// queue.push queue value..., queue.pop queue {wait_ms}, queue.ack queue token.  EARG for the bytes "bad", EFULL above `most`.
void row_queue_add(struct command_table *, const struct command_owner *);

#endif
