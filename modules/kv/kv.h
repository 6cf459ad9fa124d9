// The kv module from the inside: what its files share.  kv.c is the index: the type, the options, the
// commands.
//
// A key of the type "kv.value" is a head and nothing else, and the head is the value's msgpack as it came:
// storing and answering decode nothing.
//
// Threads: struct kv is written by the control thread only, in the atomics; commands run on many workers at
// once.

#ifndef KV_H
#define KV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wherry/module.h"

struct kv {
	const wherry_keys *keys; // the host's tables, one load nearer than through `host`
	const wherry_write *write;
	const wherry_read *read;
	const wherry_bus *bus;
	const wherry_host *host;
	wherry_owner *owner;
	_Atomic int64_t max_value, max_answer, max_keys; // the options
};

enum { KV_VALUE }; // index of the type

// The places of arguments in wherry_call.args: the tables in kv.c are made from these.
enum { ONE_KEY };
enum { SET_KEY, SET_VALUE, SET_TTL_MS, SET_AT_MS, SET_KEEP_TTL, SET_NX, SET_XX, SET_REV, SET_GET, SET_ARGS };
enum { DEL_GET, DEL_KEYS };
enum { CAS_KEY, CAS_EXPECTED, CAS_NEW, CAS_TTL_MS };
enum { INCR_KEY, INCR_BY, INCR_INITIAL };
enum { APPEND_KEY, APPEND_BYTES };
enum { RANGE_KEY, RANGE_FROM, RANGE_TO };
enum { PATCH_KEY, PATCH_AT, PATCH_BYTES };
enum { MOVE_KEY, MOVE_NEW, MOVE_NX }; // rename and copy
enum { SCAN_CURSOR, SCAN_MATCH, SCAN_TYPE, SCAN_LIMIT, SCAN_VALUES };
enum { GETALL_MATCH, GETALL_LIMIT };
enum { WATCH_INITIAL, WATCH_OVERFLOW, WATCH_MAX_MESSAGES, WATCH_MAX_BYTES, WATCH_KEYS };
enum { WATCH_SCAN_SESSION, WATCH_SCAN_WATCH, WATCH_SCAN_MATCH, WATCH_SCAN_CURSOR };
enum { WATCH_STATE_SESSION, WATCH_STATE_WATCH, WATCH_STATE_KEYS };

// set.c: values whole
int32_t kv_get(void *self, wherry_call *);
int32_t kv_entry(void *self, wherry_call *);
int32_t kv_mget(void *self, wherry_call *);
int32_t kv_set(void *self, wherry_call *);
int32_t kv_mset(void *self, wherry_call *);
int32_t kv_cas(void *self, wherry_call *);
// number.c, bytes.c: inside a value
int32_t kv_incr(void *self, wherry_call *);
int32_t kv_append(void *self, wherry_call *);
int32_t kv_len(void *self, wherry_call *);
int32_t kv_range(void *self, wherry_call *);
int32_t kv_patch(void *self, wherry_call *);
// keys.c: keys of any type
int32_t kv_del(void *self, wherry_call *);
int32_t kv_exists(void *self, wherry_call *);
int32_t kv_type(void *self, wherry_call *);
int32_t kv_rename(void *self, wherry_call *);
int32_t kv_copy(void *self, wherry_call *);
// scan.c: the whole namespace
int32_t kv_scan(void *self, wherry_call *);
int32_t kv_getall(void *self, wherry_call *);
int32_t kv_count(void *self, wherry_call *);
int32_t kv_clear(void *self, wherry_call *);

// watch.c: what becomes of keys
int32_t kv_watch(void *self, wherry_call *);
int32_t kv_unwatch(void *self, wherry_call *);
int32_t kv_watch_scan(void *self, wherry_call *);
int32_t kv_watch_state(void *self, wherry_call *);

// fail.c: errors with numbers or kinds in their text.
int32_t kv_fail(const struct kv *, wherry_call *, int32_t status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int32_t kv_check_value(const struct kv *, wherry_call *, size_t len);  // ELIMIT above max_value
int32_t kv_check_answer(const struct kv *, wherry_call *, size_t len); // ELIMIT above max_answer
const char *kv_kind(uint32_t kind);                                    // "an int"

static inline bool kv_flag(const wherry_value *option)
{
	return option->kind == WHERRY_BOOL && option->as.i;
}

#endif
