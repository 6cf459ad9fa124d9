// The commands of the router's test harness: harness.h.

#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker.h"
#include "run/call.h"

static const wherry_keys *const keys = &call_keys;

static int32_t run_set(void *self, wherry_call *c)
{
	(void)self;
	int32_t status = keys->put_head(c, 0, 0, c->args[1].as.bytes);
	if (status == WHERRY_OK)
		pack_revision(c->reply);
	return status;
}

static int32_t run_get(void *self, wherry_call *c)
{
	(void)self;
	wherry_key key = {.size = sizeof(key)};
	int32_t status = keys->open(c, 0, 0, &key);
	if (status == WHERRY_ENOKEY)
		pack_nil(c->reply);
	else if (status == WHERRY_OK)
		pack_text(c->reply, key.head);
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t stash(wherry_call *c, uint32_t arg, wherry_span text, uint64_t *count)
{
	wherry_key key = {.size = sizeof(key)};
	int32_t status = keys->open(c, arg, 0, &key);
	if (status == WHERRY_ENOKEY)
		status = keys->put_head(c, arg, 0, span_text(""));
	if (status == WHERRY_OK)
		status = keys->put_between(c, arg, (wherry_span){0}, (wherry_span){0}, text);
	if (status == WHERRY_OK)
		status = keys->open(c, arg, 0, &key);
	*count = key.records;
	return status;
}

static int32_t push(wherry_call *c, uint32_t arg, wherry_span text, uint64_t *count)
{
	int32_t status = stash(c, arg, text, count);
	return status == WHERRY_OK ? keys->signal(c, arg, 1) : status;
}

static int32_t run_stash(void *self, wherry_call *c)
{
	(void)self;
	uint64_t count;
	int32_t status = stash(c, 0, c->args[1].as.bytes, &count);
	if (status == WHERRY_OK)
		pack_uint(c->reply, count);
	return status;
}

static int32_t run_push(void *self, wherry_call *c)
{
	(void)self;
	uint64_t count;
	int32_t status = push(c, 0, c->args[1].as.bytes, &count);
	if (status == WHERRY_OK)
		pack_uint(c->reply, count);
	return status;
}

// The first record of the key, taken out: into text[64].
static int32_t pop(wherry_call *c, uint32_t arg, wherry_span *text, char *room)
{
	wherry_cursor at;
	wherry_span subkey, value;
	int32_t status = keys->seek(c, arg, (wherry_span){0}, 1, &at);
	if (status == WHERRY_OK)
		status = keys->next(&at, &subkey, &value);
	if (status != WHERRY_OK)
		return status;
	size_t len = value.len < 64 ? value.len : 64;
	memcpy(room, value.ptr, len);
	*text = span_of(room, len);
	uint8_t label[8];
	memcpy(label, subkey.ptr, sizeof(label));
	return keys->del(c, arg, span_of(label, sizeof(label)));
}

static int32_t run_coin(void *self, wherry_call *c)
{
	(void)self;
	char room[64];
	wherry_span text;
	int32_t status = pop(c, 0, &text, room);
	if (status == WHERRY_OK)
		pack_text(c->reply, text);
	return status;
}

static int32_t pop_any(wherry_call *c, bool tell)
{
	char room[64];
	wherry_span text;
	for (uint32_t arg = 1; arg < c->argc; arg++) {
		int32_t status = pop(c, arg, &text, room);
		if (status == WHERRY_OK && tell)
			status = call_emit(c, span_text("taken"), (wherry_span){0}, (wherry_span){0});
		if (status == WHERRY_OK)
			pack_text(c->reply, text);
		if (status != WHERRY_ENOKEY)
			return status;
	}
	if (c->why == WHERRY_WHY_TIMEOUT || c->why == WHERRY_WHY_SHUTDOWN || c->args[0].kind == WHERRY_ABSENT) {
		pack_nil(c->reply);
		return WHERRY_OK;
	}
	c->cookie[0]++;
	int32_t status = keys->park(c, c->args[0].as.i, NULL);
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

static int32_t run_pop(void *self, wherry_call *c)
{
	(void)self;
	return pop_any(c, false);
}

static int32_t run_take(void *self, wherry_call *c)
{
	(void)self;
	return pop_any(c, true);
}

static int32_t run_nudge(void *self, wherry_call *c)
{
	(void)self;
	pack_nil(c->reply);
	return keys->signal(c, 0, (uint32_t)c->args[1].as.i);
}

static int32_t run_linger(void *self, wherry_call *c)
{
	(void)self;
	if (c->why == WHERRY_WHY_FIRST) {
		int32_t status = keys->park(c, -1, NULL);
		return status == WHERRY_OK ? WHERRY_PARKED : status;
	}
	struct timespec pause = {0, c->args[1].as.i * 1000000};
	nanosleep(&pause, NULL);
	pack_nil(c->reply);
	return WHERRY_OK;
}

static int32_t run_feign(void *self, wherry_call *c)
{
	(void)self;
	keys->put_head(c, 0, 0, span_text("changed"));
	return WHERRY_PARKED;
}

static int32_t run_revisions(void *self, wherry_call *c)
{
	(void)self;
	int32_t status = keys->put_head(c, 0, 0, span_text("changed"));
	pack_array(c->reply, (uint32_t)c->args[1].as.i);
	for (int64_t i = 0; i < c->args[1].as.i; i++)
		pack_revision(c->reply);
	return status;
}

static int32_t visit(void *arg, const wherry_key *key)
{
	(void)arg;
	(void)key;
	return WHERRY_SCAN_NEXT;
}

static int32_t run_wander(void *self, wherry_call *c)
{
	(void)self;
	uint32_t arg;
	int32_t status = keys->need(c, span_of("\xa1z", 2), WHERRY_READ, &arg);
	if (status != WHERRY_OK)
		return status;
	pack_uint(c->reply, keys->scan(c, 0, 100, WHERRY_ANY_TYPE, visit, NULL));
	return WHERRY_OK;
}

static int32_t run_move(void *self, wherry_call *c)
{
	(void)self;
	char room[64];
	wherry_span text;
	int32_t status = pop(c, 0, &text, room);
	if (status != WHERRY_OK)
		return status;
	uint8_t key[66] = {(uint8_t)(0xa0 | text.len)};
	memcpy(key + 1, text.ptr, text.len);
	uint32_t to;
	status = keys->need(c, span_of(key, text.len + 1), WHERRY_WRITE, &to);
	uint64_t count;
	if (status == WHERRY_OK)
		status = push(c, to, text, &count);
	if (status == WHERRY_OK)
		pack_text(c->reply, text);
	return status;
}

static int32_t run_restless(void *self, wherry_call *c)
{
	(void)self;
	char key[12];
	for (unsigned i = 0;; i++) {
		key[0] = (char)0xa8;
		snprintf(key + 1, sizeof(key) - 1, "%08u", i);
		uint32_t arg;
		int32_t status = keys->need(c, span_of(key, 9), WHERRY_READ, &arg);
		if (status != WHERRY_OK)
			return status;
	}
}

static int32_t run_fail(void *self, wherry_call *c)
{
	(void)self;
	keys->put_head(c, 0, 0, span_text("changed"));
	keys->put(c, 0, span_text("x"), span_text("y"));
	keys->signal(c, 0, 10);
	call_emit(c, span_text("never"), (wherry_span){0}, (wherry_span){0});
	pack_text(c->reply, span_text("never"));
	return (int32_t)c->args[1].as.i;
}

static int32_t run_silent(void *self, wherry_call *c)
{
	(void)self;
	return keys->put_head(c, 0, 0, span_text("changed"));
}

static int32_t run_big(void *self, wherry_call *c)
{
	(void)self;
	size_t len = (size_t)c->args[1].as.i;
	char *bytes = calloc(1, len + 1);
	keys->put_head(c, 0, 0, span_text("changed"));
	pack_bytes(c->reply, span_of(bytes, len));
	free(bytes);
	return WHERRY_OK;
}

static int32_t run_emit(void *self, wherry_call *c)
{
	(void)self;
	int32_t status = keys->put_head(c, 0, 0, span_text("emitted"));
	if (status == WHERRY_OK)
		status = call_emit(c, c->args[1].as.bytes, c->args[2].raw, (wherry_span){0});
	if (status == WHERRY_OK)
		pack_nil(c->reply);
	return status;
}

static int32_t run_sleep(void *self, wherry_call *c)
{
	struct harness *h = self;
	if (c->why != WHERRY_WHY_FIRST) {
		pack_int(c->reply, c->why);
		return WHERRY_OK;
	}
	uint64_t ticket;
	int32_t status = keys->park(c, -1, &ticket);
	atomic_store(&h->ticket, ticket);
	if (c->args[0].kind == WHERRY_BOOL && c->args[0].as.i)
		router_wake(h->router, ticket); // before it is registered
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

static int32_t run_doze(void *self, wherry_call *c)
{
	(void)self;
	struct timespec pause = {0, c->args[1].as.i * 1000000};
	nanosleep(&pause, NULL);
	pack_nil(c->reply);
	return WHERRY_OK;
}

static int32_t run_found(void *self, wherry_call *c)
{
	struct harness *h = self;
	uint32_t ns;
	pack_nil(c->reply);
	return store_ns_create(h->store, c->args[0].as.bytes, &ns);
}

static int32_t run_use(void *self, wherry_call *c)
{
	struct harness *h = self;
	uint32_t ns;
	int32_t status = store_ns_find(h->store, c->args[0].as.bytes, &ns);
	if (status == WHERRY_OK)
		atomic_store(&call_of(c)->session->ns, ns);
	pack_nil(c->reply);
	return status;
}

static int32_t run_leave(void *self, wherry_call *c)
{
	(void)self;
	struct session *s = call_of(c)->session;
	s->ops->close(s, "t.leave");
	pack_nil(c->reply);
	return WHERRY_OK;
}

#define ARG(k, f, n)                                                                             \
	{                                                                                        \
		.size = sizeof(wherry_arg), .kinds = (k), .flags = (f), .name = (n), .help = "-" \
	}
#define READ_KEY ARG(WHERRY_KEY_KINDS, WHERRY_ARG_READ, "key")
#define WRITE_KEY ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "key")
#define COMMAND(n, f, a, r)                                                                                       \
	{                                                                                                         \
		.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = "-", .verb = "-", .args = (a), \
		.arg_count = sizeof(a) / sizeof((a)[0]), .arg_stride = sizeof(wherry_arg), .run = (r)             \
	}

static const wherry_arg get_args[] = {READ_KEY};
static const wherry_arg write_args[] = {WRITE_KEY};
static const wherry_arg text_args[] = {WRITE_KEY, ARG(WHERRY_TEXT, 0, "text")};
static const wherry_arg number_args[] = {WRITE_KEY, ARG(WHERRY_INT, 0, "number")};
static const wherry_arg emit_args[] = {WRITE_KEY, ARG(WHERRY_TEXT, 0, "topic"), ARG(WHERRY_ANY_KIND, 0, "payload")};
static const wherry_arg pop_args[] = {
    ARG(WHERRY_INT, WHERRY_ARG_OPTION, "wait_ms"), ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE | WHERRY_ARG_REST, "key")};
static const wherry_arg name_args[] = {ARG(WHERRY_TEXT, 0, "name")};
static const wherry_arg sleep_args[] = {ARG(WHERRY_BOOL, WHERRY_ARG_OPTIONAL, "wake_early")};

static const wherry_command commands[] = {
    COMMAND("t.set", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, text_args, run_set),
    COMMAND("t.get", 0, get_args, run_get),
    COMMAND("t.push", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, text_args, run_push),
    COMMAND("t.pop", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, pop_args, run_pop),
    COMMAND("t.take", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, pop_args, run_take),
    COMMAND("t.coin", WHERRY_CMD_WRITES, write_args, run_coin),
    COMMAND("t.stash", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, text_args, run_stash),
    COMMAND("t.nudge", WHERRY_CMD_WRITES, number_args, run_nudge),
    COMMAND("t.linger", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, number_args, run_linger),
    COMMAND("t.feign", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, write_args, run_feign),
    COMMAND("t.revisions", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, number_args, run_revisions),
    COMMAND("t.wander", WHERRY_CMD_SCANS, sleep_args, run_wander),
    COMMAND("t.move", WHERRY_CMD_WRITES, write_args, run_move),
    COMMAND("t.restless", WHERRY_CMD_WRITES, write_args, run_restless),
    COMMAND("t.fail", WHERRY_CMD_WRITES, number_args, run_fail),
    COMMAND("t.silent", WHERRY_CMD_WRITES, write_args, run_silent),
    COMMAND("t.big", WHERRY_CMD_WRITES, number_args, run_big),
    COMMAND("t.emit", WHERRY_CMD_WRITES, emit_args, run_emit),
    COMMAND("t.doze", 0, number_args, run_doze),
    COMMAND("t.found", 0, name_args, run_found),
    COMMAND("t.use", 0, name_args, run_use),
    COMMAND("t.leave", 0, sleep_args, run_leave),
    COMMAND("t.sleep", WHERRY_CMD_PARKS, sleep_args, run_sleep),
};

struct command_table *harness_table(struct harness *h, const struct command_owner *owner)
{
	(void)h;
	struct command_table *t = command_table_new();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_int_equal(command_table_add(t, &commands[i], owner), WHERRY_OK);
	assert_int_equal(command_table_add(t, &builtin_tx.commands[0], owner), WHERRY_OK);
	assert_int_equal(command_table_seal(t), WHERRY_OK);
	return t;
}
