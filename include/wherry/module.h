// The module ABI of Wherry, version 0.2.
//
// CAVEATS FIRST.  This is 0.x: until 1.0 a new minor version may change anything here, and the broker refuses
// a module built for another minor, saying so.  A module shares the broker's address space: the broker checks
// what it declares, not what it does.  Frozen and growing parts are marked below, as they will stand in 1.0.
//
// A module is one shared object that exports one function, wherry_module_query().  It returns a constant
// description: the commands, key types, options, metrics and listeners of the module, and its lifecycle.  The
// broker reads and checks the whole description before it runs anything, so a module that cannot be served is
// refused whole, with a reason, and nothing has to be undone.  examples/hello is the smallest one.
//
// HOW THIS FILE MAY CHANGE (from 1.0 on)
//   [frozen]  never changes again: neither size, nor order, nor meaning.
//   [grows]   begins with `size` (set it to sizeof), and gains members only at its end.
//   A reader uses only the members that fit in `size`.  A member that is not there reads as zero, and zero
//   always means "as it was before".  What stands behind the members that a reader knows is not read, whatever it
//   is: a module that can't do without says so in abi_min.  A flag bit that the reader does not know is refused, and
//   so is a reserved0 of an argument or option that is not 0.  Lists carry count and stride, so a list survives the
//   growth of what it lists.
//   A text is UTF-8 without control characters but tab and line feed, at most 4096 bytes; a command has at most 64
//   arguments, other lists have at most 4096 rows.
//   tests/abi has what this version is, member by member, and keeps it so: ABI-HISTORY.md.
//
// WHO OWNS WHAT
//   A span or pointer handed over is LENT until the callback it came with returns, or, for spans into records
//   and heads, until the next change of that key; copy to keep.  The one thing that is GIVEN is a wherry_buf,
//   and only by functions whose name begins with give_; they consume it also when they fail.
//
// WHERE CODE RUNS: the tag behind each function
//   [control]  the broker's control thread; one call at a time per module
//   [worker]   any worker thread, many at once
//   [keys]     like [worker], holding the stripe of every key argument (shared or exclusive for
//              WHERRY_ARG_READ, exclusive for WHERRY_ARG_WRITE); must not block
//   [any]      any thread, also one that the module started itself
//
// KINDS ON THE WIRE: include/wherry/README.md.  Times are integer milliseconds; deadlines are Unix time.

#ifndef WHERRY_MODULE_H
#define WHERRY_MODULE_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WHERRY_ABI_MAJOR 0u
#define WHERRY_ABI_MINOR 2u
#define WHERRY_ABI (WHERRY_ABI_MAJOR << 16 | WHERRY_ABI_MINOR)

typedef struct wherry_owner wherry_owner; // the broker as one module sees it: tags all that the module holds
typedef struct wherry_buf wherry_buf;     // a reference-counted message body
typedef struct wherry_out wherry_out;     // a sink of msgpack values

// [frozen] Bytes lent.  Not terminated; may hold zero bytes; ptr may be NULL when len is 0.
typedef struct wherry_span {
	const void *ptr;
	size_t len;
} wherry_span;

// Kinds are bits, so that an argument can say INT | REAL.  An integer is an INT if it fits in int64_t, else a UINT: an
// argument that takes all of them says INT | UINT.  ABSENT (it was not given) is not NIL.
#define WHERRY_ABSENT 0u
#define WHERRY_NIL (1u << 0)
#define WHERRY_BOOL (1u << 1)
#define WHERRY_INT (1u << 2)
#define WHERRY_UINT (1u << 3)
#define WHERRY_REAL (1u << 4)
#define WHERRY_TEXT (1u << 5)
#define WHERRY_BYTES (1u << 6)
#define WHERRY_LIST (1u << 7)
#define WHERRY_MAP (1u << 8)
#define WHERRY_TIME (1u << 9)
#define WHERRY_TUPLE (1u << 10)
#define WHERRY_EXT (1u << 11)
#define WHERRY_ANY_KIND 0xfffu
#define WHERRY_KEY_KINDS (WHERRY_INT | WHERRY_UINT | WHERRY_REAL | WHERRY_TEXT | WHERRY_BYTES | WHERRY_TUPLE)

// [frozen] One value.  `raw` is its msgpack as it came.  An argument that is a key carries the key's canonical
// encoding in `raw` instead.  as.bytes: TEXT, BYTES: the content; LIST, MAP, TUPLE: the encoded elements after
// one another (reserved0 has their number; a map's pairs count once); EXT: the content, reserved0 its type & 255.
// TIME: as.i has the seconds since 1970, reserved0 the nanoseconds within the second.
typedef struct wherry_value {
	uint32_t kind, reserved0;
	union {
		int64_t i;         // INT, BOOL (0 or 1), TIME (seconds)
		uint64_t u;        // UINT
		double real;       // REAL
		wherry_span bytes; // TEXT, BYTES, LIST, MAP, TUPLE, EXT
	} as;
	wherry_span raw;
} wherry_value;

// Why run() runs: the first time, or again after it parked.
enum { WHERRY_WHY_FIRST, WHERRY_WHY_SIGNAL, WHERRY_WHY_WAKE, WHERRY_WHY_TIMEOUT, WHERRY_WHY_SHUTDOWN };

#define WHERRY_CALL_TRANSACTION (1u << 0) // what it changes is committed later, together with what others do

// [grows] One request while it runs; lent for one run().
typedef struct wherry_call {
	uint32_t size, why, argc, flags;
	// The declared positional arguments, then the declared options, then the rest, each in its place; absent
	// ones are ABSENT.  argc counts all of them: what stands behind the fixed ones is the rest.
	const wherry_value *args;
	int64_t now_ms;     // Unix time, fixed for the whole run
	uint64_t session;   // who asks; 0 is the broker itself
	uint64_t cookie[2]; // the module's own: zero at first, kept while parked
	wherry_out *reply;  // write exactly one value here before returning WHERRY_OK
} wherry_call;

#define WHERRY_ARG_READ (1u << 0)     // a key, read by the command
#define WHERRY_ARG_WRITE (1u << 1)    // a key, written by the command
#define WHERRY_ARG_OPTIONAL (1u << 2) // positional: may be left out; of a rest group: may come zero times
#define WHERRY_ARG_REST (1u << 3)     // from here on the arguments repeat as a group
#define WHERRY_ARG_OPTION (1u << 4)   // taken by name from the request's options; never required
#define WHERRY_ARG_TOPIC (1u << 5)    // a topic or filter: checked for form, and by the guard
#define WHERRY_ARG_SECRET (1u << 6)   // never logged or traced

// [grows] One argument.  Order in the table: positional ones, options, rest group.  The broker finds, sorts,
// deduplicates and locks the keys from this alone.  A key's kinds are WHERRY_KEY_KINDS.
typedef struct wherry_arg {
	uint32_t size, kinds, flags, reserved0;
	const char *name, *help;
} wherry_arg;

#define WHERRY_CMD_WRITES (1u << 0) // changes keys
#define WHERRY_CMD_GROWS (1u << 1)  // may use more memory; refused with ELIMIT when the broker is at its limit
#define WHERRY_CMD_PARKS (1u << 2)  // may return WHERRY_PARKED
#define WHERRY_CMD_SCANS (1u << 3)  // declares no key; walks by scan, a stripe at a time
#define WHERRY_CMD_ADMIN (1u << 4)
#define WHERRY_CMD_INTERNAL (1u << 5) // not for clients: alarms, timers and submit only
#define WHERRY_CMD_SWAPS (1u << 6)    // watchers are told of its changes as "cas", not as "put"
#define WHERRY_CMD_ALONE (1u << 7)    // refused within a transaction: it does what undo can't take back

// [grows] One command.  run() decides, writes the reply, changes records; it must not block.  What it changed is
// undone when it returns an error, PARKED or RESTART, and logged as one unit when it returns OK.  Any function of
// wherry_keys may answer RESTART (a value is on disk, a key is not yet held): return it unchanged.
typedef struct wherry_command {
	uint32_t size, flags;
	const char *name, *help; // "queue.pop": before the dot stands the module's name
	const char *verb;        // for access rules: "read" "write" "push" "pop" "publish" "admin" ...
	const wherry_arg *args;
	uint32_t arg_count, arg_stride;
	int32_t (*run)(void *self, wherry_call *call); // [keys]
} wherry_command;

#define WHERRY_TYPE_VALUE (1u << 0) // the head is one encoded value: watchers of the key are told it

// [grows] One type that a key may hold, by name, on disk for ever: "queue.queue".  A key of a type is a `head`
// (small, the module's own) and ordered records (subkey -> value).  The broker keeps both, so durability, undo,
// TTL, snapshots, scans and introspection need no code in the module.
typedef struct wherry_type {
	uint32_t size, version;
	const char *name, *help;
	const char *alarm; // the INTERNAL command, with one WRITE key, that a due alarm runs; or NULL
	uint32_t flags, reserved0;
} wherry_type;

enum { WHERRY_OPTION_BOOL = 1, WHERRY_OPTION_INT, WHERRY_OPTION_SIZE, WHERRY_OPTION_DURATION, WHERRY_OPTION_TEXT };
#define WHERRY_OPTION_HOT (1u << 0) // may change while the module runs: option_changed() tells

// [grows] One option, in the configuration as `module NAME { option = ... }`.  SIZE is in bytes ("64KiB" in text),
// DURATION in milliseconds ("30s").  min and max bound the number, or the length of a TEXT; both 0: no bound.
typedef struct wherry_option {
	uint32_t size, kind, flags, reserved0;
	const char *name, *preset, *help;
	int64_t min, max;
} wherry_option;

enum { WHERRY_METRIC_COUNTER = 1, WHERRY_METRIC_GAUGE };

// [grows] One metric, shown by sys.stats as module.name.  unit: "", "bytes", "seconds".
typedef struct wherry_metric {
	uint32_t size, kind;
	const char *name, *unit, *help;
} wherry_metric;

// [grows] One listener inside the broker: heard() gets every message whose topic matches `filter`
// (tokens by '.', '*' one token, '>' the rest), after the commit that emitted it.
typedef struct wherry_listener {
	uint32_t size, flags;
	const char *filter, *help;
	void (*heard)(void *self, wherry_span topic, wherry_span payload, wherry_span headers); // [worker]
} wherry_listener;

// [grows] Where load() and start() say why they failed; the text reaches the administrator.
typedef struct wherry_why {
	uint32_t size, reserved0;
	char text[248];
} wherry_why;

struct wherry_host;

// [grows] The module.      query --> load --> start --> [runs, heard ...] --> drain --> unload
//   load     makes `self`; nothing of the module runs yet.  Failing: clean up, return an error; unload isn't called.
//   start    everything the module needs is running; timers and submits may begin.  May be NULL.
//   drain    called once nothing of the module runs any more but what it started itself: end threads, finish within
//            `deadline_ms` from now; OK or an error, which keeps the module loaded and says so.  May be NULL.
//   unload   frees `self`.  Whatever it still holds of the broker is taken back and named in the log.  May be NULL.
// A hot reload loads and starts the new copy, swaps the commands in one step, then drains and unloads the old one.
typedef struct wherry_module {
	uint32_t size, abi, abi_min, flags; // abi: WHERRY_ABI; abi_min: the oldest it can do with; flags: 0
	const char *name, *version, *needs; // needs: "ttl wal", started after these, drained before; NULL: nothing
	const wherry_command *commands;
	uint32_t command_count, command_stride;
	const wherry_type *types;
	uint32_t type_count, type_stride;
	const wherry_option *options;
	uint32_t option_count, option_stride;
	const wherry_metric *metrics;
	uint32_t metric_count, metric_stride;
	const wherry_listener *listeners;
	uint32_t listener_count, listener_stride;
	int32_t (*load)(const struct wherry_host *, wherry_owner *, void **self, wherry_why *); // [control]
	int32_t (*start)(void *self, wherry_why *);                                             // [control]
	int32_t (*drain)(void *self, int64_t deadline_ms);                                      // [control]
	void (*unload)(void *self);                                                             // [control]
	void (*option_changed)(void *self, uint32_t option);                                    // [control]
	void (*session_ended)(void *self, uint64_t session);  // [worker] after the last run() for that session
	const void *(*extension)(void *self, const char *id); // [control] "wherry.sink/1" ...; NULL: has none
} wherry_module;

#define WHERRY_ANY_TYPE UINT32_MAX

// [grows] A key as it is: set size, the broker fills it in.
typedef struct wherry_key {
	uint32_t size, type; // type: index into the module's own types; WHERRY_ANY_TYPE if it is another module's
	wherry_span key;     // canonical encoding
	wherry_span head;
	const char *type_name;
	uint64_t revision;
	int64_t deadline_ms;     // Unix time; 0: lives on
	int64_t alarm_ms;        // Unix time; 0: none
	uint64_t records, bytes; // how many records; memory of the whole key
	// 1: this command, or one before it in its transaction, changed the key: it is at write->revision() after the commit.
	uint32_t changed, reserved0;
} wherry_key;

// [frozen] A place in the ordered records of a key.  Stale (ESTALE) as soon as the key's records change.
typedef struct wherry_cursor {
	uint64_t opaque[8];
} wherry_cursor;

enum { WHERRY_READ, WHERRY_WRITE };            // mode of need()
enum { WHERRY_SCAN_NEXT, WHERRY_SCAN_REMOVE }; // what each() of a scan answers; REMOVE takes the key away

// [grows] Keys and their records.  A key is named by the INDEX of its argument in args[], so a handler can reach
// only what it declared, and only while it is locked.  Records are ordered by memcmp of the subkey, the shorter
// first.  An expired key is not there.  All answer EARG when the index is no key argument, EINTERNAL when the
// argument was declared READ and the function writes, ENOKEY when the key is not there: put_head makes it.  What
// answers an error has changed nothing.  All [keys], but scan and count.
typedef struct wherry_keys {
	uint32_t size, reserved0;
	// ENOKEY, or ETYPE if the key is of a type other than `type` (WHERRY_ANY_TYPE: whatever it is).
	int32_t (*open)(wherry_call *, uint32_t arg, uint32_t type, wherry_key *out);
	// Creates the key or replaces its head, keeping its records.  ETYPE as open.
	int32_t (*put_head)(wherry_call *, uint32_t arg, uint32_t type, wherry_span head);
	int32_t (*remove)(wherry_call *, uint32_t arg);             // ENOKEY.  All that are parked on it run again
	int32_t (*copy)(wherry_call *, uint32_t from, uint32_t to); // all of it, over what is there
	int32_t (*set_deadline)(wherry_call *, uint32_t arg, int64_t unix_ms);               // 0: never; past: gone
	int32_t (*set_alarm)(wherry_call *, uint32_t arg, int64_t unix_ms);                  // 0: none; durable
	int32_t (*get)(wherry_call *, uint32_t arg, wherry_span subkey, wherry_span *value); // ENOKEY
	int32_t (*put)(wherry_call *, uint32_t arg, wherry_span subkey, wherry_span value);  // adds or replaces; ELIMIT
	// Overwrites a part of a value, which keeps its length: EARG if the part reaches beyond it.  ENOKEY.
	int32_t (*patch)(wherry_call *, uint32_t arg, wherry_span subkey, uint64_t at, wherry_span bytes);
	int32_t (*del)(wherry_call *, uint32_t arg, wherry_span subkey); // ENOKEY
	// The first record at or after (direction 1), at or before (-1) subkey; an empty subkey with -1: the last.  OK also
	// where there is none: next() says so.
	int32_t (*seek)(wherry_call *, uint32_t arg, wherry_span subkey, int32_t direction, wherry_cursor *);
	int32_t (*seek_rank)(wherry_call *, uint32_t arg, int64_t rank, int32_t direction, wherry_cursor *); // -1: last
	int32_t (*rank)(wherry_call *, uint32_t arg, wherry_span subkey, uint64_t *rank);                    // ENOKEY
	// Gives the record the cursor is at, then moves on in the direction it was made with.  ENOKEY at the end; ESTALE.
	int32_t (*next)(wherry_cursor *, wherry_span *subkey, wherry_span *value);
	// A new record between two neighbours (both empty: at the end; one empty: right beside the other), under an 8-byte
	// order label that the store chooses and, when crowded, renews: labels stay in order but may change.  ENOKEY: no such
	// neighbour; EARG: they are none, or the key has other subkeys than labels.
	int32_t (*put_between)(wherry_call *, uint32_t arg, wherry_span before, wherry_span after, wherry_span value);
	// A key found only now, in the request's namespace: canonical encoding.  RESTART: return it; the next run()
	// finds it held.
	int32_t (*need)(wherry_call *, wherry_span key, uint32_t mode, uint32_t *arg);
	// After the commit, runs up to `count` requests parked on the key, oldest first.
	int32_t (*signal)(wherry_call *, uint32_t arg, uint32_t count);
	// Then return WHERRY_PARKED: the request waits on its key arguments.  timeout_ms < 0: for ever; a REQ client's, at most
	// park_timeout.  *ticket is for wake(); ticket may be NULL.
	int32_t (*park)(wherry_call *, int64_t timeout_ms, uint64_t *ticket);
	// [worker], for SCANS commands.  Visits about `count` keys of the request's namespace (type: as open) from
	// `cursor` (0: the start) and answers the next cursor (0: the end).  A key that is there throughout is visited
	// exactly once.  each() runs under the key's stripe and must not call keys functions.
	uint64_t (*scan)(wherry_call *, uint64_t cursor, uint32_t count, uint32_t type,
	    int32_t (*each)(void *arg, const wherry_key *), void *arg);
	// [worker] Keys in the request's namespace.  For a command with key arguments, expired ones count until they are freed.
	uint64_t (*count)(wherry_call *);
	// Like need(), but of the module's own namespace, "$" and its name, which no client can name, list or scan.  It comes
	// into being when it is first needed.
	int32_t (*need_own)(wherry_call *, wherry_span key, uint32_t mode, uint32_t *arg);
	// The name of the request's namespace: what submit() says in the option ns.  Lent as long as the broker runs.
	wherry_span (*ns)(wherry_call *);
	// [worker] Like scan(), but of the module's own namespace.
	uint64_t (*scan_own)(wherry_call *, uint64_t cursor, uint32_t count, uint32_t type,
	    int32_t (*each)(void *arg, const wherry_key *), void *arg);
} wherry_keys;

// [grows] Writes one msgpack value after another.  An array or map is followed by its elements.  [keys]
typedef struct wherry_write {
	uint32_t size, reserved0;
	void (*nil)(wherry_out *);
	void (*boolean)(wherry_out *, int32_t);
	void (*integer)(wherry_out *, int64_t);
	void (*uinteger)(wherry_out *, uint64_t);
	void (*real)(wherry_out *, double);
	void (*text)(wherry_out *, wherry_span);
	void (*cstring)(wherry_out *, const char *);
	void (*bytes)(wherry_out *, wherry_span);
	void (*array)(wherry_out *, uint32_t count);
	void (*map)(wherry_out *, uint32_t pairs);
	void (*ext)(wherry_out *, int32_t type, wherry_span);
	void (*raw)(wherry_out *, wherry_span); // whole values, already encoded, as they are
	void (*revision)(wherry_out *);         // the revision that this command's commit will get
} wherry_write;

// [frozen] A place in an encoded list, map or tuple.
typedef struct wherry_reader {
	uint64_t opaque[4];
} wherry_reader;

// [grows] Reads encoded values: those of args[], or spans that were kept from them.  Anything else is checked
// first: EARG.  [any]
typedef struct wherry_read {
	uint32_t size, reserved0;
	int32_t (*value)(wherry_span raw, wherry_value *out);   // exactly one value
	int32_t (*open)(const wherry_value *, wherry_reader *); // of a LIST, TUPLE or MAP
	int32_t (*next)(wherry_reader *, wherry_value *out);    // ENOKEY at the end; of a map: key, value, key ...
	int32_t (*equal)(wherry_span a, wherry_span b);         // 1 if the same value: 1 in one byte or in nine
	// The canonical encoding of a key or subkey.  *len is what it needs; ELIMIT if it is more than `room`.
	int32_t (*canonical)(const wherry_value *, void *buffer, size_t room, size_t *len);
	// Patterns: * any run of bytes, ? one byte, [a-z] [^a-z] one byte of a set, \ takes the next byte as it is.
	const char *(*glob_fault)(wherry_span pattern); // a static sentence: what is wrong with it; NULL: nothing
	int32_t (*glob)(
	    wherry_span pattern, wherry_span text); // 1: it matches; 0; EARG: a fault; ELIMIT: it takes too long
	int32_t (*is_glob)(wherry_span text);       // 1: it has one of * ? [ \, so that it may match others
} wherry_read;

#define WHERRY_MESSAGE_RETAIN (1u << 0) // kept as the topic's last one; a nil or empty payload forgets it
#define WHERRY_MESSAGE_SILENT (1u << 1) // of a RETAIN one: nobody gets it now, it is only kept

// [grows] One message.  payload, headers: one encoded value each; headers a map or empty.
typedef struct wherry_message {
	uint32_t size, flags;
	wherry_span topic, payload, headers;
	int64_t expires_ms; // Unix time until which a RETAIN one is shown; 0: for ever
	uint64_t require;   // ENORESP, and it is not sent, if it would reach fewer
} wherry_message;

// What happens to a message that a subscription has no room for.  What was dropped is told to the subscriber as a number.
enum {
	WHERRY_OVERFLOW_DROP_OLDEST,
	WHERRY_OVERFLOW_DROP_NEWEST,
	WHERRY_OVERFLOW_CONFLATE,  // the older one of the same topic goes, also while there is room
	WHERRY_OVERFLOW_DISCONNECT // the session ends
};

#define WHERRY_SUBSCRIBE_RETAINED (1u << 0) // first what is kept for its topics, then what is published from now on

// [grows] What a session wants to get: each message that matches one of the filters, once.
typedef struct wherry_subscribe {
	uint32_t size, flags, overflow, filter_count;
	const wherry_span *filters;
	wherry_span group;  // each message goes to one member of those that say the same; empty: none
	wherry_span sticky; // the header whose value chooses the member; empty: the one with the least to do
	uint64_t max_messages, max_bytes; // that wait for it; 0: the broker's preset
} wherry_subscribe;

// [grows] A subscription as it is.
typedef struct wherry_subscription {
	uint32_t size, flags, overflow, filter_count;
	uint64_t id;
	const wherry_span *filters;
	wherry_span group, sticky;
	uint64_t max_messages, max_bytes;
	uint64_t pending, bytes;     // what waits for it
	uint64_t delivered, dropped; // messages, since it began
} wherry_subscription;

#define WHERRY_WATCH_INITIAL (1u << 0) // first "state": what each of the keys is now, nil if it is not there

// [grows] What of the keyspace a session wants to be told: keys by the index of their arguments, patterns over the str
// and bin keys of the request's namespace.  An event goes to it once, however many of them it meets.
typedef struct wherry_watch {
	uint32_t size, flags, overflow, key_count; // overflow: not CONFLATE
	const uint32_t *keys;
	const wherry_span *patterns;
	uint32_t pattern_count, reserved0;
	uint64_t max_messages, max_bytes; // events that wait for it; 0: the broker's preset
} wherry_watch;

// [grows] A filter that somebody has subscribed to, and how many have.
typedef struct wherry_topic {
	uint32_t size, reserved0;
	wherry_span filter;
	uint64_t subscriptions, groups; // subscriptions: members of groups count, too
} wherry_topic;

// [grows] Messages and buffers.
typedef struct wherry_bus {
	uint32_t size, reserved0;
	// Published once this command's unit is committed; dropped if it is undone.  payload, headers: one encoded
	// value each; headers a map or empty.  EARG: not a topic.  [keys]
	int32_t (*emit)(wherry_call *, wherry_span topic, wherry_span payload, wherry_span headers);
	// Published now.  *receivers may be NULL.  [any]
	int32_t (*publish)(
	    wherry_owner *, wherry_span topic, wherry_span payload, wherry_span headers, uint64_t *receivers);
	wherry_buf *(*buf_new)(wherry_owner *, size_t len); // NULL: no memory.  [any]
	void *(*buf_data)(wherry_buf *, size_t *len);       // writable while the caller holds the only reference
	void (*buf_hold)(wherry_buf *);
	void (*buf_drop)(wherry_buf *);
	// One whole notification object, pushed to a duplex session.  ESTALE: no such session; EUNSUPPORTED: a session
	// that can't be pushed to; ELIMIT: its outbox is full.  [any]
	int32_t (*give_session)(wherry_owner *, uint64_t session, wherry_buf *notification);
	// A message as a part of this command.  If it holds no key and is in no transaction, the message goes at once, whatever
	// run() answers afterwards, and *receivers is exact; so ask for keys before.  Else it goes once the command's unit is
	// committed, is dropped if that is undone, and *receivers is how many would get it now.  *receivers counts
	// subscriptions, groups (each one), and listeners; it may be NULL.  EARG: not a topic; ENORESP; ELIMIT: no room
	// for another retained one.  [keys] or, a SILENT one, in each() of a scan
	int32_t (*send)(wherry_call *, const wherry_message *, uint64_t *receivers);
	// How many would get a message of this topic now.  [keys]
	int32_t (*matches)(wherry_call *, wherry_span topic, uint64_t *receivers);
	// For the session that asks.  EARG and ELIMIT with their text; EUNSUPPORTED: it is the broker, or in a transaction.  [keys]
	int32_t (*subscribe)(wherry_call *, const wherry_subscribe *, uint64_t *id);
	int32_t (*unsubscribe)(wherry_call *, uint64_t id); // ENOKEY: the session has none of that id.  [keys]
	// Those of the session that asks.  Here and below, what each() is given is lent to it, and it answers 0 to go on;
	// it must not call functions of wherry_bus.  [keys]
	int32_t (*each_subscription)(wherry_call *, int32_t (*each)(void *arg, const wherry_subscription *), void *arg);
	// Subscribed filters that `match` matches, itself a filter, as if they were topics; empty: all.  [keys]
	int32_t (*each_topic)(
	    wherry_call *, wherry_span match, int32_t (*each)(void *arg, const wherry_topic *), void *arg);
	// Retained messages whose topics match the filter, but those that have expired.  [keys]
	int32_t (*each_retained)(
	    wherry_call *, wherry_span filter, int32_t (*each)(void *arg, const wherry_message *), void *arg);
	// From now on, each change of the keys, in the order of the commits.  For the session that asks; ends with it.  Errors
	// as subscribe.  [keys]
	int32_t (*watch)(wherry_call *, const wherry_watch *, uint64_t *id);
	int32_t (*unwatch)(wherry_call *, uint64_t id); // ENOKEY: the session has none of that id.  [keys]
	// Tells a watch what the key is now, as "state", in order with its events.  One that is gone is passed over.  [keys]
	int32_t (*state)(wherry_call *, uint64_t session, uint64_t watch, uint32_t arg);
} wherry_bus;

enum { WHERRY_LOG_ERROR, WHERRY_LOG_WARN, WHERRY_LOG_INFO, WHERRY_LOG_DEBUG };

// [grows] What the broker offers.  No member is NULL.  Valid until unload() returns.
typedef struct wherry_host {
	uint32_t size, abi;
	const char *version; // of the broker
	const wherry_keys *keys;
	const wherry_write *write;
	const wherry_read *read;
	const wherry_bus *bus;
	// The text of the error that run() is about to return: `return host->fail(call, WHERRY_EARG, "...")`.
	int32_t (*fail)(wherry_call *, int32_t status, const char *text); // [keys]
	// Counted for the module; NULL: no memory.  Only release() and resize() take what alloc() gave.
	void *(*alloc)(wherry_owner *, size_t);                             // [any]
	void *(*resize)(wherry_owner *, void *, size_t);                    // [any]
	void (*release)(wherry_owner *, void *);                            // [any]
	void (*log)(wherry_owner *, uint32_t level, const char *text);      // [any]
	void (*metric_add)(wherry_owner *, uint32_t metric, int64_t delta); // [any]
	int64_t (*unix_ms)(wherry_owner *);                                 // [any]
	uint64_t (*ticks_ns)(wherry_owner *);                               // [any] never goes back
	void (*random)(wherry_owner *, void *, size_t);                     // [any] cryptographic
	// The value in force: a BOOL, an INT (bytes, milliseconds), or a TEXT, lent until unload() returns.
	int32_t (*option)(wherry_owner *, uint32_t option, wherry_value *out); // [any]
	// Runs a request of the broker's own, soon, on a worker: one encoded [2, method, params] or with options.
	int32_t (*submit)(wherry_owner *, wherry_span request); // [any]
	// Wakes a parked request.  ESTALE: it ran already.
	int32_t (*wake)(wherry_owner *, uint64_t ticket); // [any]
	// Submits the request after delay_ms and, if period_ms > 0, again every period.  Gone with the module.
	int32_t (*timer_start)(wherry_owner *, int64_t delay_ms, int64_t period_ms, wherry_span request,
	    uint64_t *timer);                                     // [any]
	int32_t (*timer_stop)(wherry_owner *, uint64_t timer);    // [any] ESTALE: it is over
	const void *(*extension)(wherry_owner *, const char *id); // [any] NULL: has none
	// What the session calls itself, for people, without a zero at its end; it may be empty.  *len is what it needs; ELIMIT
	// if it is more than `room`; ESTALE: no such session any more.  A session's id is not given again, not even by a broker
	// that was started anew.
	int32_t (*session_client)(wherry_owner *, uint64_t session, void *buffer, size_t room, size_t *len); // [any]
	// The name of each namespace of clients, lent to each(): what submit() says in the option ns.
	void (*each_ns)(wherry_owner *, void (*each)(void *arg, wherry_span name), void *arg); // [any]
} wherry_host;

// Interfaces by id; the number rises when an interface changes in any way, and both may be served:
//   wherry.sink/1     where committed units go: reserve, append, flush, replay, forget
//   wherry.engine/1   where records live instead of the built-in keyspace
//   wherry.guard/1    who may do what
//   wherry.gateway/1  another protocol's front door

#if defined(__GNUC__)
#define WHERRY_EXPORT __attribute__((visibility("default")))
#else
#define WHERRY_EXPORT
#endif

// The entry.  Pure: it may be called only to be looked at.  NULL: not with that host.
typedef const wherry_module *(*wherry_module_query_fn)(uint32_t host_abi);
WHERRY_EXPORT const wherry_module *wherry_module_query(uint32_t host_abi);

#ifdef __cplusplus
}
#endif
#endif
