// A queue for tests of the wire: row_queue.h.

#include "row_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "codec/pack.h"
#include "run/call.h"

struct row_queue row_queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

void row_queue_empty(void)
{
	for (uint32_t i = 0; i < row_queue.count; i++)
		buffer_free(&row_queue.value[i]);
	memset(row_queue.state, 0, sizeof(row_queue.state));
	row_queue.count = row_queue.first = row_queue.acked = row_queue.pushes = 0;
	row_queue.slow = false;
	row_queue.broken = 0;
	row_queue.most = ROW_QUEUE_ROOM;
}

static bool is_bad(const wherry_value *v)
{
	return v->kind == WHERRY_BYTES && span_equal(v->as.bytes, span_text("bad"));
}

// Under the lock.
static int add_all(wherry_call *c)
{
	uint32_t ready = 0;
	for (uint32_t i = row_queue.first; i < row_queue.count; i++)
		ready += row_queue.state[i] == READY;
	if (ready + c->argc - 1 > row_queue.most)
		return WHERRY_EFULL;
	for (uint32_t i = 1; i < c->argc; i++)
		if (is_bad(&c->args[i]))
			return WHERRY_EARG;
	for (uint32_t i = 1; i < c->argc; i++)
		buffer_append(&row_queue.value[row_queue.count++], c->args[i].raw.ptr, c->args[i].raw.len);
	return WHERRY_OK;
}

static int32_t run_push(void *self, wherry_call *c)
{
	(void)self;
	pthread_mutex_lock(&row_queue.lock);
	bool wait = row_queue.slow && c->why == WHERRY_WHY_FIRST;
	int status = row_queue.broken != 0 ? row_queue.broken : wait ? WHERRY_OK : add_all(c);
	row_queue.pushes++;
	pthread_mutex_unlock(&row_queue.lock);
	if (status != WHERRY_OK)
		return call_fail(c, status, "the test said so");
	if (wait)
		return call_keys.park(c, 60000, NULL) == WHERRY_OK ? WHERRY_PARKED : WHERRY_EINTERNAL;
	pack_nil(c->reply);
	return call_keys.signal(c, 0, c->argc);
}

// Under the lock.
static void answer_message(wherry_call *c, uint32_t i)
{
	row_queue.state[i] = RESERVED;
	pack_array(c->reply, 1);
	pack_map(c->reply, 3);
	pack_cstring(c->reply, "queue");
	pack_cstring(c->reply, "jobs");
	pack_cstring(c->reply, "token");
	pack_array(c->reply, 1);
	pack_uint(c->reply, i);
	pack_cstring(c->reply, "value");
	pack_raw(c->reply, buffer_span(&row_queue.value[i]));
}

static int32_t run_pop(void *self, wherry_call *c)
{
	(void)self;
	pthread_mutex_lock(&row_queue.lock);
	int broken = row_queue.broken;
	while (row_queue.first < row_queue.count && row_queue.state[row_queue.first] != READY)
		row_queue.first++;
	bool any = broken == 0 && row_queue.first < row_queue.count;
	if (any)
		answer_message(c, row_queue.first++);
	pthread_mutex_unlock(&row_queue.lock);
	if (broken != 0)
		return call_fail(c, broken, "the test said so");
	if (any)
		return WHERRY_OK;
	if (c->why == WHERRY_WHY_TIMEOUT || c->why == WHERRY_WHY_SHUTDOWN) {
		pack_array(c->reply, 0);
		return WHERRY_OK;
	}
	int status = call_keys.park(c, c->args[1].as.i, NULL);
	return status == WHERRY_OK ? WHERRY_PARKED : status;
}

static int32_t run_ack(void *self, wherry_call *c)
{
	(void)self;
	struct cursor token = cursor_of(c->args[1].raw);
	uint32_t parts;
	uint64_t i = 0;
	bool sound = cursor_array(&token, &parts) && cursor_uint(&token, &i) && i < ROW_QUEUE_ROOM;
	pthread_mutex_lock(&row_queue.lock);
	if (sound && row_queue.state[i] == RESERVED) {
		row_queue.state[i] = DONE;
		row_queue.acked++;
	}
	pthread_mutex_unlock(&row_queue.lock);
	pack_uint(c->reply, 1);
	return WHERRY_OK;
}

#define ARG(k, f, n)                                                                             \
	{                                                                                        \
		.size = sizeof(wherry_arg), .kinds = (k), .flags = (f), .name = (n), .help = "-" \
	}
#define COMMAND(n, f, a, r)                                                                                       \
	{                                                                                                         \
		.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = "-", .verb = "-", .args = (a), \
		.arg_count = sizeof(a) / sizeof((a)[0]), .arg_stride = sizeof(wherry_arg), .run = (r)             \
	}

static const wherry_arg push_args[] = {
    ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "queue"), ARG(WHERRY_ANY_KIND, WHERRY_ARG_REST, "value")};
static const wherry_arg pop_args[] = {ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "queue"),
    ARG(WHERRY_INT, WHERRY_ARG_OPTION, "wait_ms"), ARG(WHERRY_INT, WHERRY_ARG_OPTION, "visible_ms")};
static const wherry_arg ack_args[] = {ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "queue"), ARG(WHERRY_LIST, 0, "token")};
static const wherry_command commands[] = {
    COMMAND("queue.push", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, push_args, run_push),
    COMMAND("queue.pop", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, pop_args, run_pop),
    COMMAND("queue.ack", WHERRY_CMD_WRITES, ack_args, run_ack),
};

void row_queue_add(struct command_table *t, const struct command_owner *owner)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_int_equal(command_table_add(t, &commands[i], owner), WHERRY_OK);
}
