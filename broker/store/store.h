// The keyspace: namespaces of typed keys, each a head and ordered records, with revision, deadline and alarm; striped
// locks; one unit a commit.
//
// STRIPES.  A key's 64-bit hash gives its stripe (top bits) and its place in the stripe's open-addressing table of
// that namespace.  Each stripe has one mutex; a transaction locks the stripes of all its keys in rising order, so no
// two can wait for each other.  All functions on a txn: the thread that began it.
//
// REVISION.  A revision is the LSN of the unit that last changed the key.  LSNs rise by one per unit under the commit
// lock, taken while the stripes are held: so the order of units per key is the order of changes.
//
// DURABILITY.  txn_gate() is the highest LSN that this transaction wrote, or read that others wrote (for a missing
// key: its stripe's last change), and that is not yet durable: 0, or what the answer has to wait for.

#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "store/sink.h"

enum { STORE_STRIPES = 512, STORE_TYPES = 250, STORE_NAMESPACES = 4096, STORE_NS_DEFAULT = 0 };
enum { STORE_KEY_BYTES = 65535, STORE_HEAD_BYTES = 0x7fffffff }; // the most: ELIMIT above

struct store;
struct txn;

enum store_event { STORE_PUT, STORE_DEL, STORE_EXPIRE };

// What became of a key; lent.
struct store_change {
	enum store_event event;
	bool swapped; // by a change that txn_swaps() announced
	uint32_t ns, type;
	uint64_t hash, revision;
	wherry_span key, head; // head: of STORE_PUT
};

struct store_config {
	const struct clock *clock;
	const struct store_sink *sink;   // NULL: nothing survives, everything is "durable" at once
	const struct hash_key *hash_key; // NULL: random.  Tests fix it
	// The sink made everything up to `lsn` durable (or, failed, never will): answers that waited may go.  May be NULL.
	void (*durable)(void *arg, uint64_t lsn, bool failed);
	// The earliest deadline or alarm became `unix_ms` (earlier than before): wake the expirer.  Any thread, stripe held.
	void (*next_due)(void *arg, int64_t unix_ms);
	// Each key that a commit changed, once, in the order of the commits by key; its stripe is held.  While *watched is not
	// 0.  Both may be NULL.
	void (*changed)(void *arg, const struct store_change *);
	const atomic_uint *watched;
	void *arg;
};

int store_open(struct store **, const struct store_config *);
void store_close(struct store *);                            // no transaction is open
void store_set_memory_limit(struct store *, uint64_t bytes); // 0: none
uint64_t store_memory(const struct store *);                 // about: exact within 1 KiB a stripe
bool store_memory_short(const struct store *);               // at the limit: GROWS commands are refused

// Types and namespaces have small ids for the life of the store, and names for ever.
// A new one is logged before it is answered: EIO, EFULL as the sink says.
int store_type(struct store *, const char *name, uint32_t *type); // finds or makes; ELIMIT, ENOMEM
const char *store_type_name(const struct store *, uint32_t type);
int store_ns_create(struct store *, wherry_span name, uint32_t *ns); // EEXIST, ELIMIT, EARG (not [A-Za-z0-9_.-]{1,64})
// A module's own, "$" and its name, which clients neither name nor see: finds or makes it.  ELIMIT, ENOMEM.
int store_ns_own(struct store *, const char *module, uint32_t *ns);
static inline bool store_ns_is_own(wherry_span name)
{
	return name.len > 0 && *(const char *)name.ptr == '$';
}
int store_ns_find(const struct store *, wherry_span name, uint32_t *ns); // ENOKEY
const char *store_ns_name(const struct store *, uint32_t ns);
uint32_t store_ns_count(const struct store *);
uint64_t store_keys(const struct store *, uint32_t ns); // how many keys; expired ones until they are freed
uint64_t store_live_keys(struct store *, uint32_t ns, int64_t now_ms); // without those; no stripe may be held

uint64_t store_hash(const struct store *, wherry_span key); // canonical key
// The hash is about to be looked up: fetch its slot, then (second call, a little later) its entry.
void store_prefetch_slot(const struct store *, uint32_t ns, uint64_t hash);
void store_prefetch_entry(const struct store *, uint32_t ns, uint64_t hash);

// LSNs.
uint64_t store_lsn(const struct store *); // the last one given
uint64_t store_durable_lsn(const struct store *);
bool store_failed(const struct store *);          // a flush failed: commits answer EIO
void store_durable(struct store *, uint64_t lsn); // by the sink
void store_flush_failed(struct store *);          // by the sink
void store_want_flush(struct store *, uint64_t lsn);

// --- transactions -----------------------------------------------------------------------------------------------

enum txn_mode { TXN_READ, TXN_WRITE };

int txn_new(struct txn **, struct store *); // reusable, one for each worker; ENOMEM
void txn_free(struct txn *);

void txn_begin(struct txn *, uint32_t ns, int64_t now_ms); // ns: the request's; each key names its own
// Declares a key (canonical; the span must live until txn_end).  *slot names it from now on.  The same key twice
// gives two slots of the same entry, each with its own mode.  Before txn_lock(); ENOMEM, ELIMIT, EARG (no such ns).
int txn_key(struct txn *, uint32_t ns, wherry_span key, uint64_t hash, enum txn_mode mode, uint32_t *slot);
void txn_lock(struct txn *);
// While locked: a slot for a key found only now.  OK, or RESTART: its stripe isn't held; txn_rollback, txn_unlock,
// and begin again with it declared too.
int txn_need(struct txn *, uint32_t ns, wherry_span key, uint64_t hash, enum txn_mode mode, uint32_t *slot);

wherry_span txn_slot_key(const struct txn *, uint32_t slot); // as it was declared
uint32_t txn_slot_ns(const struct txn *, uint32_t slot);
bool txn_holds_keys(const struct txn *);

struct txn_view {
	uint32_t type;
	wherry_span key, head;
	uint64_t revision; // as committed: a change in this transaction does not show
	bool changed;      // in this transaction: its commit gives the key another revision
	int64_t deadline_ms, alarm_ms;
	uint64_t records;
	uint64_t bytes; // memory of the whole key
};

enum { TXN_ANY_TYPE = UINT32_MAX };

// Results as wherry_keys (include/wherry/module.h) says, with a store type id; ENOMEM; what failed changed nothing.
// put_between: right behind `before`; if that is empty right in front of `after`; if both are, at the end.  ENOKEY: no
// such neighbour; EARG: they are none, or the key has other subkeys than labels.
int txn_open(struct txn *, uint32_t slot, uint32_t type, struct txn_view *);
int txn_put_head(struct txn *, uint32_t slot, uint32_t type, wherry_span head);
int txn_remove(struct txn *, uint32_t slot);
int txn_copy(struct txn *, uint32_t from, uint32_t to);
int txn_set_deadline(struct txn *, uint32_t slot, int64_t unix_ms);
int txn_set_alarm(struct txn *, uint32_t slot, int64_t unix_ms);
int txn_get(struct txn *, uint32_t slot, wherry_span subkey, wherry_span *value);
int txn_put(struct txn *, uint32_t slot, wherry_span subkey, wherry_span value);
int txn_patch(struct txn *, uint32_t slot, wherry_span subkey, uint64_t at, wherry_span bytes);
int txn_del(struct txn *, uint32_t slot, wherry_span subkey);
int txn_seek(struct txn *, uint32_t slot, wherry_span subkey, int direction, wherry_cursor *);
int txn_seek_rank(struct txn *, uint32_t slot, int64_t rank, int direction, wherry_cursor *); // rank -1: the last
int txn_rank(struct txn *, uint32_t slot, wherry_span subkey, uint64_t *rank);
int txn_put_between(struct txn *, uint32_t slot, wherry_span before, wherry_span after, wherry_span value);
int txn_next(wherry_cursor *, wherry_span *subkey, wherry_span *value); // ESTALE after a change

// Savepoints: undo back to a mark, newest first; never fails.  Mark 0 is the beginning.
size_t txn_mark(const struct txn *);
void txn_rollback(struct txn *, size_t mark);
size_t txn_changes(const struct txn *); // operations that are not undone
void txn_swaps(struct txn *, bool);     // whether what is done from now on is a swap (store_change.swapped)

// Reserves with the sink, gives the LSN, appends, sets revisions.  *lsn 0: nothing was changed.  On failure (EIO,
// EFULL, ENOMEM) everything is undone.  Then unlock.
int txn_commit(struct txn *, uint64_t *lsn);
uint64_t txn_gate(const struct txn *);
void txn_unlock(struct txn *); // after commit or rollback(0)

// --- by the whole -------------------------------------------------------------------------------------------------

// Visits about `count` keys from hash position `cursor`, one stripe locked at a time; answers the next position, 0 at
// the end.  Expired keys are left out.  each() answers WHERRY_SCAN_*; REMOVE commits a unit of its own per stripe.
// *gate rises to what the answer has to wait for.  *status becomes the error of a failed removal.
uint64_t store_scan(struct store *, uint32_t ns, uint64_t cursor, uint32_t count, uint32_t type, int64_t now_ms,
    int32_t (*each)(void *arg, const struct txn_view *), void *arg, uint64_t *gate, int *status);

// Removes what expired by now_ms and hands out due alarms, at most `most` keys a call.  Answers when to come again
// (Unix ms), INT64_MAX: nothing has a deadline.  alarm() is called with no stripe held, its key lent: it runs the
// type's alarm command, which sets the next alarm or none.  The alarm itself is cleared by that command's commit: a
// handler that sets it in the past is called again a millisecond later; one that does not come at all, ever more seldom,
// up to once a second.
int64_t store_expire(struct store *, int64_t now_ms, unsigned most,
    void (*alarm)(void *arg, uint32_t ns, uint32_t type, wherry_span key), void *arg);

// The digest of all keys (names, types, heads, records, revisions, deadlines, alarms), of all namespaces together;
// independent of order and of hash keys.  Stripe by stripe: exact only when nothing changes meanwhile.
struct digest store_digest(struct store *, uint64_t *keys);

// Replays a unit: no locks wait, no sink is told.  Ids in it are those that its defines gave.  ECORRUPT.
struct store_replay; // maps the ids of a log to this store's
int store_replay_begin(struct store_replay **, struct store *);
int store_replay_unit(struct store_replay *, uint64_t lsn, wherry_span unit);
void store_replay_end(struct store_replay *);

// Logs what every namespace and type there is is called.  Once, after open and replay, before the first transaction: a
// sink's units name ids that only these, and the ones logged when later names come into being, explain.
int store_describe(struct store *); // EIO, EFULL, ENOMEM

// Tests and sys.inspect: recounts and checks everything, stripe by stripe, while no transaction is open; a static
// sentence naming what is broken, or NULL.
const char *store_fault(struct store *);

struct store_stats {
	uint64_t keys, expired, commits, rollbacks, restarts, records_trees, table_bytes, memory;
};
void store_read_stats(const struct store *, struct store_stats *);

#endif
