// The store from the inside: what its files share.  The way through them:
//
//   entry   one key's block                    txn      slots, locks, reading
//   table   a namespace's keys of a stripe     change   what transactions do to keys
//   due     a stripe's deadlines and alarms    txn_records, label   ... and to records
//   changed a commit, for whoever watches
//   stripe  lock, memory counter               undo     what was done, and back
//   names   types and namespaces               commit   what was done, for good: LSN, sink, revisions
//   store   open, close, LSNs, prefetch        expire, scan, digest, replay, check   by the whole
//
// Locks: a stripe's, then the names' (never both), then the commit lock.

#ifndef STORE_INSIDE_H
#define STORE_INSIDE_H

#include <pthread.h>
#include <stddef.h>

#include "store/due.h"
#include "store/table.h"
#include "store/unit.h"

struct stripe {
	_Alignas(64) pthread_mutex_t lock;
	uint64_t last_lsn;        // of the last change of any of its keys
	_Atomic int64_t earliest; // of `due`; DUE_NONE
	_Atomic int64_t memory;   // exact; written under the lock
	int64_t unreported;       // of it, not yet in the store's sum
	struct due due;
	struct store *store;
	_Atomic int64_t trees;
};

struct space {
	char name[65];
	struct table tables[STORE_STRIPES];
};

enum { SPACE_INDEX = 2 * STORE_NAMESPACES };

struct store {
	struct store_config config;
	struct hash_key hash_key;
	struct stripe *stripes;
	void *stripes_block; // what `stripes` is the aligned part of
	_Atomic(struct space *) spaces[STORE_NAMESPACES];
	_Atomic uint32_t space_count;
	_Atomic uint16_t space_index[SPACE_INDEX]; // by hash of the name: id + 1; names are never taken out
	_Atomic(char *) types[STORE_TYPES];
	_Atomic uint32_t type_count;
	pthread_mutex_t names_lock, commit_lock, txns_lock;
	_Atomic uint64_t lsn, durable;
	atomic_bool failed;
	_Atomic int64_t memory;
	_Atomic uint64_t memory_limit;
	_Atomic int64_t wake; // what next_due() was last told, or earlier
	_Atomic uint64_t expired;
	struct txn *txns; // all there are, under txns_lock; and what those did that are no more
	uint64_t past_commits, past_rollbacks, past_restarts;
};

static inline struct space *store_space(const struct store *s, uint32_t ns)
{
	return atomic_load_explicit(&s->spaces[ns], memory_order_acquire);
}

// --- stripes -----------------------------------------------------------------------------------------------------

int stripes_open(struct store *);
void stripes_close(struct store *);
void stripe_lock(struct stripe *);
bool stripe_try(struct stripe *);
void stripe_unlock(struct stripe *);
void stripe_assert_none_held(void); // debug builds: this thread may lock stripes only all at once
void stripe_memory(struct stripe *, int64_t delta);
// A deadline or alarm of the store is due at `ms`: tells next_due() if nobody knows of one as early.
void store_wake_at(struct store *, int64_t ms);

int names_open(struct store *); // with "default"
void names_close(struct store *);
int names_replay(struct store *, const struct unit_op *define, uint32_t *id); // finds or makes; ECORRUPT ...

// --- transactions ------------------------------------------------------------------------------------------------

struct slot {
	wherry_span key;
	uint64_t hash;
	struct entry *entry;   // as of `seen`; NULL: not there
	struct entry *expired; // not there any more, but in the way of a new one; or NULL
	uint64_t seen;         // the txn's `shape` when it was looked up; 0: never
	uint32_t ns;
	enum txn_mode mode;
};

struct txn {
	struct store *store;
	int64_t now_ms;
	uint64_t gate;
	uint64_t shape;  // rises whenever an entry comes, goes or moves
	uint64_t serial; // rises with each begin and rollback: cursors from before are stale
	struct slot *slots;
	uint32_t slot_count, slot_room;
	uint64_t stripes[STORE_STRIPES / 64];
	bool locked;
	bool logging;        // the redo unit is written
	bool swaps;          // what is done now is a swap
	uint64_t replay_lsn; // not 0: the commit gets this one, and no sink is told
	struct buffer undo, redo;
	size_t undo_last; // offset of the newest undo_op
	size_t changes;   // operations that are not undone
	unsigned dues;    // UNDO_DUE among them
	_Atomic uint64_t commits, rollbacks, restarts;
	struct txn *prev, *next;
};

// One thread writes these, any reads them.
static inline void txn_count(_Atomic uint64_t *counter)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);
	atomic_store_explicit(counter, before + 1, memory_order_relaxed);
}

static inline struct stripe *txn_stripe(const struct txn *t, uint64_t hash)
{
	return &t->store->stripes[hash_stripe(hash)];
}

static inline struct table *txn_table(const struct txn *t, uint32_t ns, uint64_t hash)
{
	return &store_space(t->store, ns)->tables[hash_stripe(hash)];
}

void txn_each_stripe(const struct txn *, void (*each)(struct stripe *)); // of those it holds, rising
void txn_lock_stripe(struct txn *, uint32_t stripe);   // the housekeepers': instead of txn_key() and txn_lock()
struct slot *txn_slot(struct txn *, uint32_t slot);    // NULL: no such
struct entry *slot_entry(struct txn *, struct slot *); // what is there, or NULL; raises the gate
int slot_write(struct txn *, uint32_t slot, struct slot **, struct entry **); // EARG, EINTERNAL, ENOKEY

// Changes, without the questions of types: all or nothing, ENOMEM.
int change_head(struct txn *, struct slot *, uint32_t type, wherry_span head);
int change_remove(struct txn *, struct slot *, struct entry *);
int change_deadline(struct txn *, struct slot *, struct entry *, int64_t unix_ms);
int change_alarm(struct txn *, struct slot *, struct entry *, int64_t unix_ms);
int change_put(struct txn *, struct slot *, struct entry *, wherry_span subkey, wherry_span value);
int change_patch(struct txn *, struct slot *, struct entry *, wherry_span subkey, uint64_t at, wherry_span bytes);
int change_del(struct txn *, struct slot *, struct entry *, wherry_span subkey); // ENOKEY
int change_put_between(
    struct txn *, struct slot *, struct entry *, wherry_span before, wherry_span after, wherry_span value);
// The key's extra; made, and the entry moved, if it had none.  NULL: no memory.
struct extra *change_extra(struct txn *, struct slot *, struct entry *);

// --- undo and redo -----------------------------------------------------------------------------------------------

enum undo_kind {
	UNDO_CREATED, // entry
	UNDO_MOVED,   // entry, from `old`
	UNDO_HEAD,    // entry's head and type overwritten; payload: the old head
	UNDO_REMOVED, // entry is GONE
	UNDO_DUE,     // entry's deadline and alarm, from `due`
	UNDO_RECORDS, // entry's records, from `records`
	UNDO_PUT,     // a record that was not there; payload: subkey
	UNDO_TAKEN,   // a record was taken out; payload: subkey, struct records_taken
	UNDO_PATCH,   // payload: subkey, old bytes
};

struct undo_op {
	uint8_t kind, type; // enum undo_kind; UNDO_HEAD: the old type
	uint16_t ns;
	uint16_t len;     // UNDO_HEAD: of the head.  of a record: of the subkey, which comes first
	bool swapped : 1; // by a swap, for whoever watches
	bool undone : 1;  // taken back already; what it made is given up when the transaction ends
	bool changed : 1; // the entry was, by an older operation
	size_t size;      // of the whole operation
	size_t prev;      // offset of the one before
	size_t redo_len;  // before it
	uint64_t hash;
	struct entry *entry;
	union {
		struct entry *old;
		struct records *records;
		struct {
			int64_t deadline_ms, alarm_ms;
		} due;
		struct {
			uint64_t at;
			size_t len;
		} patch;
	};
	unsigned char payload[];
};
static_assert(sizeof(struct undo_op) % _Alignof(max_align_t) == 0, "payloads are aligned");

// Room comes first, so that what follows can't fail.
bool undo_room(struct txn *, size_t payload);
struct undo_op *undo_push(struct txn *, enum undo_kind, const struct slot *, struct entry *, size_t payload);

void changes_tell(struct txn *, uint64_t lsn); // changed.c: of a commit, before its entries are given up

void undo_drop(struct txn *); // the newest one: nothing was done yet, or is any more
void undo_end(struct txn *);  // gives up what undone operations had made

static inline struct undo_op *undo_at(const struct txn *t, size_t offset)
{
	return (struct undo_op *)(void *)(t->undo.data + offset);
}

static inline wherry_span undo_subkey(const struct undo_op *op)
{
	return (wherry_span){op->payload, op->len};
}

// UNDO_TAKEN: where in the payload it is, behind the subkey.
static inline size_t undo_taken_at(size_t subkey_len)
{
	return (subkey_len + 7) & ~(size_t)7;
}

static inline struct records_taken *undo_taken(const struct undo_op *op)
{
	return (struct records_taken *)(uintptr_t)(op->payload + undo_taken_at(op->len));
}

bool redo_room(struct txn *, const struct unit_op *);
void redo_write(struct txn *, const struct unit_op *); // after redo_room
bool redo_whole(struct txn *, const struct slot *,
    const struct entry *); // remove, and all of it anew; false: no memory

// Gives a unit its LSN and the sink; EIO, EFULL, ENOMEM: nothing happened.
int store_log(struct store *, wherry_span unit, uint64_t *lsn);
void store_replayed(struct store *, uint64_t lsn); // LSNs go on behind it.  It is durable: the log had it

#endif
