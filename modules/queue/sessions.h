// Who may hold something where: for each session the queues that it popped from without `hold`.  A hint only: a run that
// noted it may have been undone, and what was acknowledged stays noted.  When a session ends, its queues are looked through
// (reclaim.c), each once for all sessions that end meanwhile.
//
// Threads: any; a lock a bucket.

#ifndef QUEUE_SESSIONS_H
#define QUEUE_SESSIONS_H

#include "bytes.h"

int32_t sessions_open(struct queues *); // ENOMEM
void sessions_close(struct queues *);

int32_t sessions_note(const struct queues *, wherry_call *, wherry_span key); // the session that asks; ENOMEM
int32_t sessions_note_of(const struct queues *, wherry_call *, uint64_t session, wherry_span key);
void sessions_end(const struct queues *, uint64_t session); // submits queue.reclaim for all of its queues

// What queue.reclaim answers to: it begins now, so who ends from now on asks for another.
void reclaim_begins(const struct queues *, wherry_span ns, wherry_span key);
void reclaim_submit(const struct queues *, wherry_span ns, wherry_span key);
void recover_submit(const struct queues *, wherry_span ns, uint64_t cursor);
void recover_all(const struct queues *);

#endif
