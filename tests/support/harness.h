// A router with a store and a few commands of its own, without modules or wire: for tests of run/.
//
//   t.set key text            writes the head; answers the revision
//   t.get key                 the head, or nil
//   t.push key text           appends a record, signals one waiter; answers how many there are
//   t.pop key... {wait_ms}    the first record of the first key that has one; waits; nil when the time is up
//   t.take key... {wait_ms}   the same, and emits "taken": harness.published counts what commits took
//   t.coin key                the first record; ENOKEY if there is none
//   t.stash key text          as push, but signals nobody
//   t.nudge key count         signals so many, and changes nothing
//   t.linger key ms           waits; once it is woken, it holds its thread for so long
//   t.doze key ms             holds its thread, and its key, for so long
//   t.found name              makes a namespace
//   t.use name                the session's namespace from now on
//   t.leave                   ends the session
//   t.feign key               answers PARKED without park()
//   t.revisions key count     writes the head; answers its revision so many times
//   t.move from               pops from `from` and pushes to the key that the record names, by need()
//   t.wander                  scans while it holds a needed key: a fault
//   t.restless key            asks for one more key for ever
//   t.fail key status         changes the key, then fails with that status
//   t.silent key              changes the key and writes no answer
//   t.big key bytes           an answer of so many bytes
//   t.emit key topic payload  publishes after the commit
//   tx.exec                   the broker's own
//   t.sleep                   waits for router_wake(ticket): harness.ticket

#ifndef SUPPORT_HARNESS_H
#define SUPPORT_HARNESS_H

#include <pthread.h>

#include "run/router.h"
#include "sink.h"

struct harness {
	struct store *store;
	struct timers *timers;
	struct bus *bus;
	struct router *router;
	struct logger log;
	struct router_limits limits;
	struct bus_limits bus_limits;
	struct test_sink *sink; // NULL: no log
	struct command_owner owner;
	uint32_t type;
	atomic_uint_fast64_t ticket, published, ended;
};

// A peer: what it asks and what it is told, as text.
struct peer {
	struct session session;
	struct harness *h;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct late_frame *late, *late_last; // frames delivered later, oldest first
	bool may_close;                      // else a test fails when the router closes the session
	atomic_bool closed;
};

void harness_open(struct harness *, bool with_sink);
// Ends by checking the world: nothing parked, nothing held, no session; with a sink, its units replayed into an empty
// store give the same digest.
void harness_close(struct harness *);
// The same commands for another owner: what a reload does.
struct command_table *harness_table(struct harness *, const struct command_owner *);

struct peer *peer_open(struct harness *, bool duplex);
void peer_close(struct peer *);
// Sends one frame (several requests: "t.set a 1 ; t.get a") and shows the answers that came at once, as embed.h does;
// "late" if the frame is answered later, "" if nothing is answered.  free() it.
char *peer_send(struct peer *, const char *line);
char *peer_late(struct peer *); // waits for the next late frame (10 s at most: fails the test), and shows it
bool peer_has_late(struct peer *);
// The same for bytes, and for tests in which allocations fail: what is written here is.
enum frame_result peer_send_bytes(struct peer *, wherry_span frame, struct buffer *out);
bool peer_wait(struct peer *, int ms); // true: a late frame is there, or the session was closed

// So many requests are parked, within 10 s.
void harness_wait_parked(struct harness *, unsigned count);

#define EXPECT(peer, line, answer)                  \
	do {                                        \
		char *got_ = peer_send(peer, line); \
		assert_string_equal(got_, answer);  \
		free(got_);                         \
	} while (0)
#define EXPECT_LATE(peer, answer)                  \
	do {                                       \
		char *got_ = peer_late(peer);      \
		assert_string_equal(got_, answer); \
		free(got_);                        \
	} while (0)

#endif
