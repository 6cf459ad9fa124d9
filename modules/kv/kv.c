// kv: one value a key.  This file is the module's index: the type, the options, the arguments, the commands.

#include "kv.h"

#define ARG(argument_kinds, argument_flags, argument_name, argument_help)                         \
	{                                                                                         \
		.size = sizeof(wherry_arg), .kinds = (argument_kinds), .flags = (argument_flags), \
		.name = (argument_name), .help = (argument_help)                                  \
	}
#define KEY(access, name, help) ARG(WHERRY_KEY_KINDS, WHERRY_ARG_##access, name, help)
#define KEYS(access, name, help) ARG(WHERRY_KEY_KINDS, WHERRY_ARG_##access | WHERRY_ARG_REST, name, help)
#define OPTION(kinds, name, help) ARG(kinds, WHERRY_ARG_OPTION, name, help)
#define FLAG(name, help) OPTION(WHERRY_BOOL, name, help)
#define NUMBER (WHERRY_INT | WHERRY_REAL)
#define STRING (WHERRY_TEXT | WHERRY_BYTES)

static const wherry_arg read_key[] = {[ONE_KEY] = KEY(READ, "key", "the key")};
static const wherry_arg read_keys[] = {KEYS(READ, "key", "the keys, one after another")};

static const wherry_arg set_args[] = {
    [SET_KEY] = KEY(WRITE, "key", "the key; whatever it held is replaced"),
    [SET_VALUE] = ARG(WHERRY_ANY_KIND, 0, "value", "any value, kept byte for byte"),
    [SET_TTL_MS] = OPTION(WHERRY_INT, "ttl_ms", "gone after so many milliseconds; without it the key lives on"),
    [SET_AT_MS] = OPTION(WHERRY_INT, "at_ms", "gone at this Unix time in milliseconds; a past one: at once"),
    [SET_KEEP_TTL] = FLAG("keep_ttl", "keep the deadline that the key has"),
    [SET_NX] = FLAG("nx", "only if the key does not exist; else nil is answered"),
    [SET_XX] = FLAG("xx", "only if the key exists; else nil is answered"),
    [SET_REV] =
	OPTION(WHERRY_INT | WHERRY_UINT, "rev", "the revision it must be at, 0: must not exist; else ECONFLICT"),
    [SET_GET] = FLAG("get", "answer [revision or nil, old value or nil]"),
};

static const wherry_arg mset_args[] = {
    KEYS(WRITE, "key", "a key; whatever it held is replaced"),
    ARG(WHERRY_ANY_KIND, WHERRY_ARG_REST, "value", "its value"),
};

static const wherry_arg del_args[] = {
    [DEL_GET] = FLAG("get", "answer the old values, nil for a missing one"),
    [DEL_KEYS] = KEYS(WRITE, "key", "the keys, of any type; with get, kv values only"),
};

static const wherry_arg cas_args[] = {
    [CAS_KEY] = KEY(WRITE, "key", "a key that exists"),
    [CAS_EXPECTED] = ARG(WHERRY_ANY_KIND, 0, "expected", "what it must hold: 1 is 1 in any width, but not 1.0"),
    [CAS_NEW] = ARG(WHERRY_ANY_KIND, 0, "new", "what it holds then"),
    [CAS_TTL_MS] = OPTION(WHERRY_INT, "ttl_ms", "a new lifetime; without it the old deadline stays"),
};

static const wherry_arg incr_args[] = {
    [INCR_KEY] = KEY(WRITE, "key", "an int or a float; missing: begins at initial"),
    [INCR_BY] = ARG(NUMBER, WHERRY_ARG_OPTIONAL, "by", "what to add; 1 without it.  A float makes a float"),
    [INCR_INITIAL] = OPTION(NUMBER, "initial", "where a missing key begins; 0 without it"),
};

static const wherry_arg append_args[] = {
    [APPEND_KEY] = KEY(WRITE, "key", "a str or a bin, which keeps its kind; missing: becomes the piece"),
    [APPEND_BYTES] = ARG(STRING, 0, "bytes", "the piece; a str is not checked to stay UTF-8"),
};

static const wherry_arg range_args[] = {
    [RANGE_KEY] = KEY(READ, "key", "a str or a bin; missing: like an empty one"),
    [RANGE_FROM] = ARG(WHERRY_INT, 0, "from", "the first byte; negative: from the end"),
    [RANGE_TO] = ARG(WHERRY_INT, 0, "to", "the last byte, inclusive; negative: from the end"),
};

static const wherry_arg patch_args[] = {
    [PATCH_KEY] = KEY(WRITE, "key", "a str or a bin, which keeps its kind; missing: like an empty one"),
    [PATCH_AT] = ARG(WHERRY_INT, 0, "at", "the first byte to write; at most the length"),
    [PATCH_BYTES] = ARG(STRING, 0, "bytes", "the piece; the value grows if it reaches beyond its end"),
};

static const wherry_arg rename_args[] = {
    [MOVE_KEY] = KEY(WRITE, "key", "a key of any type"),
    [MOVE_NEW] = KEY(WRITE, "new", "its new name; what it held is replaced"),
    [MOVE_NX] = FLAG("nx", "only if new does not exist; else false is answered"),
};

static const wherry_arg copy_args[] = {
    [MOVE_KEY] = KEY(READ, "key", "a key of any type"),
    [MOVE_NEW] = KEY(WRITE, "new", "the copy, with value and deadline; what it held is replaced"),
    [MOVE_NX] = FLAG("nx", "only if new does not exist; else false is answered"),
};

static const wherry_arg scan_args[] = {
    [SCAN_CURSOR] = ARG(WHERRY_INT | WHERRY_UINT, 0, "cursor", "0 to begin, then what the last answer began with"),
    [SCAN_MATCH] = OPTION(STRING, "match", "str and bin keys that match: * ? [a-z] and \\ , byte by byte"),
    [SCAN_TYPE] = OPTION(WHERRY_TEXT, "type", "keys of this type only, as kv.type answers it"),
    [SCAN_LIMIT] = OPTION(WHERRY_INT, "limit", "about how many keys are looked at; 100 without it"),
    [SCAN_VALUES] = FLAG("values", "answer [key, value] pairs, of kv values"),
};

static const wherry_arg getall_args[] = {
    [GETALL_MATCH] = OPTION(STRING, "match", "str and bin keys that match: * ? [a-z] and \\ , byte by byte"),
    [GETALL_LIMIT] = OPTION(WHERRY_INT, "limit", "the most pairs; more are ELIMIT.  1000 without it"),
};

static const wherry_arg watch_args[] = {
    [WATCH_INITIAL] =
	FLAG("initial", "first the event \"state\", with what there is now; a key that is not there: nil"),
    [WATCH_OVERFLOW] = OPTION(WHERRY_TEXT, "overflow",
	"what goes when too many events wait: drop_oldest (the preset), drop_newest, or disconnect"),
    [WATCH_MAX_MESSAGES] =
	OPTION(WHERRY_INT, "max_messages", "how many events may wait; the broker's preset without it"),
    [WATCH_MAX_BYTES] = OPTION(WHERRY_INT, "max_bytes", "and how many bytes of them"),
    [WATCH_KEYS] = KEYS(READ, "key", "keys, of any type; a str or bin with one of * ? [ \\ is a pattern over keys"),
};

static const wherry_arg unwatch_args[] = {
    ARG(WHERRY_INT | WHERRY_UINT, 0, "id", "what kv.watch answered"),
};

static const wherry_arg watch_scan_args[] = {
    [WATCH_SCAN_SESSION] = ARG(WHERRY_INT | WHERRY_UINT, 0, "session", "whose watch it is"),
    [WATCH_SCAN_WATCH] = ARG(WHERRY_INT | WHERRY_UINT, 0, "watch", "which"),
    [WATCH_SCAN_MATCH] = ARG(STRING, 0, "match", "the pattern"),
    [WATCH_SCAN_CURSOR] = ARG(WHERRY_INT | WHERRY_UINT, 0, "cursor", "0, then where the last one ended"),
};

static const wherry_arg watch_state_args[] = {
    [WATCH_STATE_SESSION] = ARG(WHERRY_INT | WHERRY_UINT, 0, "session", "whose watch it is"),
    [WATCH_STATE_WATCH] = ARG(WHERRY_INT | WHERRY_UINT, 0, "watch", "which"),
    [WATCH_STATE_KEYS] = KEYS(READ, "key", "keys that it is told of"),
};

#define ARGS(table) .args = (table), .arg_count = sizeof(table) / sizeof *(table), .arg_stride = sizeof *(table)
#define COMMAND(command_name, command_verb, command_flags, command_run, command_help)                             \
	.size = sizeof(wherry_command), .flags = (command_flags), .name = (command_name), .help = (command_help), \
	.verb = (command_verb), .run = (command_run)
#define MAKES (WHERRY_CMD_WRITES | WHERRY_CMD_GROWS)

static const wherry_command commands[] = {
    {COMMAND("kv.set", "write", MAKES, kv_set, "Stores a value; answers the key's revision."), ARGS(set_args)},
    {COMMAND("kv.get", "read", 0, kv_get, "Answers the value, nil if there is none."), ARGS(read_key)},
    {COMMAND("kv.entry", "read", 0, kv_entry, "Answers [value, revision, ms left or nil], nil if there is none."),
	ARGS(read_key)},
    {COMMAND("kv.mget", "read", 0, kv_mget, "Answers the values in place, nil for missing ones."), ARGS(read_keys)},
    {COMMAND("kv.mset", "write", MAKES, kv_mset, "Stores many values at once; answers their revisions."),
	ARGS(mset_args)},
    {COMMAND("kv.del", "write", WHERRY_CMD_WRITES, kv_del, "Removes keys; answers how many there were."),
	ARGS(del_args)},
    {COMMAND("kv.exists", "read", 0, kv_exists, "Answers for each key whether it exists."), ARGS(read_keys)},
    {COMMAND("kv.cas", "write", MAKES | WHERRY_CMD_SWAPS, kv_cas,
	 "Replaces a value that is as expected; answers [true, revision] or [false, value]."),
	ARGS(cas_args)},
    {COMMAND("kv.incr", "write", MAKES, kv_incr, "Adds to a number; answers the new one."), ARGS(incr_args)},
    {COMMAND("kv.append", "write", MAKES, kv_append, "Adds bytes at the end; answers the new length."),
	ARGS(append_args)},
    {COMMAND("kv.len", "read", 0, kv_len, "Answers how many bytes a str or bin has, 0 if there is none."),
	ARGS(read_key)},
    {COMMAND("kv.range", "read", 0, kv_range, "Answers a part of a str or bin, as bin."), ARGS(range_args)},
    {COMMAND("kv.patch", "write", MAKES, kv_patch, "Writes bytes over a part; answers the new length."),
	ARGS(patch_args)},
    {COMMAND("kv.type", "read", 0, kv_type, "Answers the name of the key's type, nil if there is none."),
	ARGS(read_key)},
    {COMMAND("kv.rename", "write", WHERRY_CMD_WRITES, kv_rename, "Gives a key another name; answers true."),
	ARGS(rename_args)},
    {COMMAND("kv.copy", "write", MAKES, kv_copy, "Copies a key; answers true."), ARGS(copy_args)},
    {COMMAND("kv.scan", "read", WHERRY_CMD_SCANS, kv_scan,
	 "Walks the keys; answers [next cursor, keys], and the cursor 0 at the end."),
	ARGS(scan_args)},
    {COMMAND("kv.getall", "read", WHERRY_CMD_SCANS, kv_getall, "Answers all kv values as [key, value] pairs."),
	ARGS(getall_args)},
    {COMMAND("kv.count", "read", 0, kv_count, "Answers how many keys the namespace has.")},
    {COMMAND("kv.watch", "read", WHERRY_CMD_ALONE, kv_watch,
	 "Tells this session of each change of keys, in the order of the commits; answers the watch's id.  Events: "
	 "put, del, "
	 "cas, expire, and state for what there was at first."),
	ARGS(watch_args)},
    {COMMAND("kv.unwatch", "read", WHERRY_CMD_ALONE, kv_unwatch,
	 "Ends a watch of this session; answers true.  ENOKEY: it has none of that id."),
	ARGS(unwatch_args)},
    {COMMAND("kv.watch_scan", "read", WHERRY_CMD_SCANS | WHERRY_CMD_INTERNAL, kv_watch_scan,
	 "Looks for keys that a new watch is to be told of first."),
	ARGS(watch_scan_args)},
    {COMMAND("kv.watch_state", "read", WHERRY_CMD_INTERNAL, kv_watch_state, "Tells a new watch what keys are."),
	ARGS(watch_state_args)},
    {COMMAND("kv.clear", "write", WHERRY_CMD_WRITES | WHERRY_CMD_SCANS, kv_clear,
	"Removes all keys of the namespace, of any type; answers how many.")},
};

static const wherry_type types[] = {
    [KV_VALUE] = {.size = sizeof(wherry_type),
	.version = 1,
	.name = "kv.value",
	.help = "one value, as it was sent",
	.flags = WHERRY_TYPE_VALUE},
};

enum { OPTION_MAX_VALUE, OPTION_MAX_ANSWER, OPTION_MAX_KEYS };

static const wherry_option options[] = {
    [OPTION_MAX_VALUE] = {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_SIZE,
	.flags = WHERRY_OPTION_HOT,
	.name = "max_value",
	.preset = "16MiB",
	.help = "the largest value, in its encoding",
	.min = 1024,
	.max = 1 << 30},
    [OPTION_MAX_ANSWER] = {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_SIZE,
	.flags = WHERRY_OPTION_HOT,
	.name = "max_answer",
	.preset = "16MiB",
	.help = "the most bytes of keys and values in one answer of kv.mget, kv.del, kv.scan, kv.getall",
	.min = 1024,
	.max = 1 << 30},
    [OPTION_MAX_KEYS] = {.size = sizeof(wherry_option),
	.kind = WHERRY_OPTION_INT,
	.flags = WHERRY_OPTION_HOT,
	.name = "max_keys",
	.preset = "10000",
	.help = "the largest limit that kv.scan and kv.getall may be given",
	.min = 1,
	.max = 1000000},
};

static void option_changed(void *self, uint32_t option)
{
	struct kv *kv = self;
	_Atomic int64_t *const places[] = {&kv->max_value, &kv->max_answer, &kv->max_keys};
	wherry_value value;
	if (kv->host->option(kv->owner, option, &value) == WHERRY_OK)
		atomic_store_explicit(places[option], value.as.i, memory_order_relaxed);
}

static int32_t load(const wherry_host *host, wherry_owner *owner, void **self, wherry_why *why)
{
	(void)why;
	struct kv *kv = host->alloc(owner, sizeof *kv);
	if (!kv)
		return WHERRY_ENOMEM;
	*kv = (struct kv){.keys = host->keys,
	    .write = host->write,
	    .read = host->read,
	    .bus = host->bus,
	    .host = host,
	    .owner = owner};
	for (uint32_t i = 0; i < sizeof options / sizeof *options; i++)
		option_changed(kv, i);
	*self = kv;
	return WHERRY_OK;
}

static void unload(void *self)
{
	struct kv *kv = self;
	kv->host->release(kv->owner, kv);
}

#define LIST(list, table) \
	.list##s = (table), .list##_count = sizeof(table) / sizeof *(table), .list##_stride = sizeof *(table)

static const wherry_module module = {
    .size = sizeof(wherry_module),
    .abi = WHERRY_ABI,
    .abi_min = WHERRY_ABI,
    .name = "kv",
    .version = "0.1.0",
    LIST(command, commands),
    LIST(type, types),
    LIST(option, options),
    .load = load,
    .unload = unload,
    .option_changed = option_changed,
};

const wherry_module *wherry_module_query(uint32_t host_abi)
{
	return host_abi >> 16 == WHERRY_ABI_MAJOR ? &module : NULL;
}
