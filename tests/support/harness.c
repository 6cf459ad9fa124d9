// The router's test harness: harness.h.

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "embed.h"
#include "run/call.h"

static const wherry_keys *const keys = &call_keys;

// --- the commands -----------------------------------------------------------------------------------------------------

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

#define ARG(k, f, n) {.size = sizeof(wherry_arg), .kinds = (k), .flags = (f), .name = (n), .help = "-"}
#define READ_KEY ARG(WHERRY_KEY_KINDS, WHERRY_ARG_READ, "key")
#define WRITE_KEY ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE, "key")
#define COMMAND(n, f, a, r)                                                                                            \
	{.size = sizeof(wherry_command), .flags = (f), .name = (n), .help = "-", .verb = "-", .args = (a),             \
	    .arg_count = sizeof(a) / sizeof((a)[0]), .arg_stride = sizeof(wherry_arg), .run = (r)}

static const wherry_arg get_args[] = {READ_KEY};
static const wherry_arg write_args[] = {WRITE_KEY};
static const wherry_arg text_args[] = {WRITE_KEY, ARG(WHERRY_TEXT, 0, "text")};
static const wherry_arg number_args[] = {WRITE_KEY, ARG(WHERRY_INT, 0, "number")};
static const wherry_arg emit_args[] = {WRITE_KEY, ARG(WHERRY_TEXT, 0, "topic"), ARG(WHERRY_ANY_KIND, 0, "payload")};
static const wherry_arg pop_args[] = {ARG(WHERRY_INT, WHERRY_ARG_OPTION, "wait_ms"),
    ARG(WHERRY_KEY_KINDS, WHERRY_ARG_WRITE | WHERRY_ARG_REST, "key")};
static const wherry_arg sleep_args[] = {ARG(WHERRY_BOOL, WHERRY_ARG_OPTIONAL, "wake_early")};

static const wherry_command commands[] = {
    COMMAND("t.set", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, text_args, run_set),
    COMMAND("t.get", 0, get_args, run_get),
    COMMAND("t.push", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, text_args, run_push),
    COMMAND("t.pop", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, pop_args, run_pop),
    COMMAND("t.take", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, pop_args, run_take),
    COMMAND("t.stash", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, text_args, run_stash),
    COMMAND("t.nudge", WHERRY_CMD_WRITES, number_args, run_nudge),
    COMMAND("t.linger", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, number_args, run_linger),
    COMMAND("t.feign", WHERRY_CMD_WRITES | WHERRY_CMD_PARKS, write_args, run_feign),
    COMMAND("t.revisions", WHERRY_CMD_WRITES | WHERRY_CMD_GROWS, number_args, run_revisions),
    COMMAND("t.move", WHERRY_CMD_WRITES, write_args, run_move),
    COMMAND("t.restless", WHERRY_CMD_WRITES, write_args, run_restless),
    COMMAND("t.fail", WHERRY_CMD_WRITES, number_args, run_fail),
    COMMAND("t.silent", WHERRY_CMD_WRITES, write_args, run_silent),
    COMMAND("t.big", WHERRY_CMD_WRITES, number_args, run_big),
    COMMAND("t.emit", WHERRY_CMD_WRITES, emit_args, run_emit),
    COMMAND("t.sleep", WHERRY_CMD_PARKS, sleep_args, run_sleep),
};

struct command_table *harness_table(struct harness *h, const struct command_owner *owner)
{
	(void)h;
	struct command_table *t = command_table_new();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_int_equal(command_table_add(t, &commands[i], owner), WHERRY_OK);
	assert_int_equal(command_table_seal(t), WHERRY_OK);
	return t;
}

// --- the world --------------------------------------------------------------------------------------------------------

static void on_durable(void *arg, uint64_t lsn, bool failed)
{
	struct harness *h = arg;
	if (h->router != NULL)
		router_durable(h->router, lsn, failed);
}

static void on_due(void *arg, int64_t unix_ms)
{
	struct harness *h = arg;
	if (h->router != NULL)
		router_next_due(h->router, unix_ms);
}

static void on_publish(void *arg, wherry_span topic, wherry_span payload, wherry_span headers)
{
	struct harness *h = arg;
	(void)topic, (void)payload, (void)headers;
	atomic_fetch_add(&h->published, 1);
}

static void on_ended(void *arg, uint64_t session)
{
	struct harness *h = arg;
	(void)session;
	atomic_fetch_add(&h->ended, 1);
}

void harness_open(struct harness *h, bool with_sink)
{
	*h = (struct harness){.log = {-1, WHERRY_LOG_ERROR, &clock_system},
	    .limits = {.depth = 24,
	        .elements = 1 << 20,
	        .args = 65536,
	        .key_bytes = 4096,
	        .answer_bytes = 1 << 20,
	        .parked_per_session = 100,
	        .park_ms = 50000}};
	h->sink = with_sink ? test_sink_new() : NULL;
	struct store_config config = {.clock = &clock_system,
	    .sink = with_sink ? test_sink_face(h->sink) : NULL,
	    .durable = on_durable,
	    .next_due = on_due,
	    .arg = h};
	assert_int_equal(timers_open(&h->timers, &clock_system), WHERRY_OK);
	assert_int_equal(store_open(&h->store, &config), WHERRY_OK);
	if (with_sink)
		test_sink_attach(h->sink, h->store);
	assert_int_equal(store_type(h->store, "t.thing", &h->type), WHERRY_OK);
	struct router_config router = {h->store, h->timers, &h->log, &clock_system, &h->limits, {on_ended, on_publish, h}};
	assert_int_equal(router_open(&h->router, &router), WHERRY_OK);
	h->owner = (struct command_owner){"t", h, &h->type, 1, NULL};
	router_publish(h->router, harness_table(h, &h->owner));
}

void harness_close(struct harness *h)
{
	router_drain(h->router);
	struct router_stats stats;
	router_read_stats(h->router, &stats);
	assert_int_equal(stats.sessions, 0);
	assert_int_equal(stats.waiting_flush, 0);
	router_close(h->router);
	h->router = NULL;
	if (h->sink != NULL)
		test_sink_check_replay(h->sink, h->store);
	store_close(h->store);
	timers_close(h->timers);
	if (h->sink != NULL)
		test_sink_free(h->sink);
}

// --- peers ------------------------------------------------------------------------------------------------------------

struct late_frame {
	struct late_frame *next;
	struct buffer bytes;
};

// Takes the bytes as they are: it must not fail where a test lets allocations fail.
static int peer_deliver(struct session *s, wherry_span header, struct buffer *frame)
{
	struct peer *p = s->peer;
	(void)header;
	struct late_frame *late = calloc(1, sizeof(*late));
	late->bytes = *frame;
	*frame = (struct buffer){0};
	pthread_mutex_lock(&p->lock);
	*(p->late_last != NULL ? &p->late_last->next : &p->late) = late;
	p->late_last = late;
	pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
	return WHERRY_OK;
}

static void peer_closed(struct session *s, const char *why)
{
	struct peer *p = s->peer;
	if (!p->may_close)
		fail_msg("the session was closed: %s", why);
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->closed, true);
	pthread_cond_broadcast(&p->arrived);
	pthread_mutex_unlock(&p->lock);
}

static void late_free(struct late_frame *late)
{
	buffer_free(&late->bytes);
	free(late);
}

static void peer_gone(struct session *s)
{
	struct peer *p = s->peer;
	for (struct late_frame *late = p->late, *next; late != NULL; late = next) {
		next = late->next;
		late_free(late);
	}
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->arrived);
	free(p);
}

static const struct session_ops peer_ops = {peer_deliver, peer_closed, peer_gone};

struct peer *peer_open(struct harness *h, bool duplex)
{
	struct peer *p = calloc(1, sizeof(*p));
	p->h = h;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->arrived, NULL);
	session_open(h->router, &p->session, &peer_ops, p, duplex);
	return p;
}

void peer_close(struct peer *p)
{
	session_end(p->h->router, &p->session);
}

static char *show(wherry_span answers)
{
	return answers.len == 0 ? strdup("") : embed_decode(answers);
}

enum frame_result peer_send_bytes(struct peer *p, wherry_span frame, struct buffer *out)
{
	wherry_span header = p->session.duplex ? span_of(NULL, 0) : span_of("\x80\0\0\1", 4);
	return router_frame(p->h->router, &p->session, header, frame, out);
}

char *peer_send(struct peer *p, const char *line)
{
	struct buffer frame = {0}, out = {0};
	embed_encode(line, &frame);
	enum frame_result result = peer_send_bytes(p, buffer_span(&frame), &out);
	char *text = result == FRAME_LATE && !p->session.duplex ? strdup("late") : show(buffer_span(&out));
	buffer_free(&frame);
	buffer_free(&out);
	return text;
}

bool peer_wait(struct peer *p, int ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	int64_t ns = until.tv_nsec + (int64_t)ms * 1000000;
	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_mutex_lock(&p->lock);
	while (p->late == NULL && !atomic_load(&p->closed))
		if (pthread_cond_timedwait(&p->arrived, &p->lock, &until) != 0)
			break;
	bool came = p->late != NULL || atomic_load(&p->closed);
	pthread_mutex_unlock(&p->lock);
	return came;
}

char *peer_late(struct peer *p)
{
	peer_wait(p, 10000);
	pthread_mutex_lock(&p->lock);
	struct late_frame *late = p->late;
	if (late != NULL)
		p->late = late->next;
	if (p->late == NULL)
		p->late_last = NULL;
	pthread_mutex_unlock(&p->lock);
	if (late == NULL)
		fail_msg("nothing was delivered within 10 s");
	char *text = show(buffer_span(&late->bytes));
	late_free(late);
	return text;
}

bool peer_has_late(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	bool has = p->late != NULL;
	pthread_mutex_unlock(&p->lock);
	return has;
}

void harness_wait_parked(struct harness *h, unsigned count)
{
	struct timespec pause = {0, 200000};
	struct router_stats stats = {.parked = count + 1};
	for (int tries = 0; tries < 50000 && stats.parked != count; tries++) {
		router_read_stats(h->router, &stats);
		if (stats.parked != count)
			nanosleep(&pause, NULL);
	}
	assert_int_equal(stats.parked, count);
}
