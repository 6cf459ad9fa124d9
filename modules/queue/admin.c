// The queue itself: made with settings of its own, emptied, paused, deleted.

#include "settings.h"

// --- create -----------------------------------------------------------------------------------------------------------

struct creation {
	const struct queues *all;
	wherry_call *call;
	struct settings s;
	uint8_t given;
	bool any; // option at all
};

static int32_t number(struct creation *c, uint32_t arg, const char *name, int64_t least, int64_t most, int64_t *out)
{
	return queue_number(c->all, c->call, arg, name, least, most, 0, out);
}

static bool is_given(const struct creation *c, uint32_t arg)
{
	return c->call->args[arg].kind != WHERRY_ABSENT;
}

static void note(struct creation *c, uint32_t arg, enum setting bit)
{
	if (is_given(c, arg))
		c->given |= (uint8_t)bit;
}

static int32_t read_numbers(struct creation *c)
{
	int64_t attempts = 0, length = 0, bytes = 0;
	int32_t status = number(c, CREATE_VISIBLE_MS, "visible_ms", 1, QUEUE_VISIBLE_MOST, &c->s.visible_ms);
	if (!status)
		status = number(c, CREATE_MAX_ATTEMPTS, "max_attempts", 0, INT32_MAX, &attempts);
	if (!status)
		status = number(c, CREATE_DEDUP_MS, "dedup_ms", 0, QUEUE_DEDUP_MOST, &c->s.dedup_ms);
	if (!status)
		status = number(c, CREATE_MAX_LENGTH, "max_length", 1, UINT32_MAX, &length);
	if (!status)
		status = number(c, CREATE_MAX_BYTES, "max_bytes", 1, INT64_MAX, &bytes);
	c->s.max_attempts = (uint32_t)attempts;
	c->s.max_length = (uint64_t)length;
	c->s.max_bytes = (uint64_t)bytes;
	note(c, CREATE_VISIBLE_MS, SETTING_VISIBLE);
	note(c, CREATE_MAX_ATTEMPTS, SETTING_MAX_ATTEMPTS);
	note(c, CREATE_DEDUP_MS, SETTING_DEDUP);
	note(c, CREATE_DEAD_LETTER, SETTING_DEAD_LETTER);
	return status;
}

static int32_t read_backoff(struct creation *c)
{
	wherry_reader reader;
	wherry_value one;
	if (!is_given(c, CREATE_BACKOFF))
		return WHERRY_OK;
	c->all->read->open(&c->call->args[CREATE_BACKOFF], &reader);
	while (!c->all->read->next(&reader, &one)) {
		if (one.kind != WHERRY_INT || one.as.i < 0 || one.as.i > QUEUE_MS_MOST ||
		    c->s.backoffs == QUEUE_BACKOFFS)
			return queue_fail(c->all, c->call, WHERRY_EARG,
			    "backoff is a list of at most %d delays in milliseconds", QUEUE_BACKOFFS);
		c->s.backoff_ms[c->s.backoffs++] = one.as.i;
	}
	return WHERRY_OK;
}

static int32_t read_overflow(struct creation *c)
{
	static const char *const names[] = {"reject", "drop_oldest", "dead_oldest"};
	wherry_span text = c->call->args[CREATE_OVERFLOW].as.bytes;
	if (!is_given(c, CREATE_OVERFLOW))
		return WHERRY_OK;
	for (uint8_t i = 0; i < sizeof names / sizeof *names; i++) {
		c->s.overflow = i;
		if (text.len == strlen(names[i]) && memcmp(text.ptr, names[i], text.len) == 0)
			return WHERRY_OK;
	}
	return queue_fail(
	    c->all, c->call, WHERRY_EARG, "overflow must be \"reject\", \"drop_oldest\" or \"dead_oldest\"");
}

// `room` keeps the canonical name.  false: none.
static int32_t read_dead_letter(struct creation *c, uint8_t *room, size_t most)
{
	const wherry_value *value = &c->call->args[CREATE_DEAD_LETTER];
	wherry_span key = c->call->args[CREATE_KEY].raw;
	size_t len;
	if (!is_given(c, CREATE_DEAD_LETTER) || (value->kind == WHERRY_BOOL && !value->as.i))
		return WHERRY_OK;
	if (value->kind == WHERRY_BOOL || c->all->read->canonical(value, room, most, &len))
		return queue_fail(c->all, c->call, WHERRY_EARG, "dead_letter is a queue's name, or false for none");
	if (len == key.len && memcmp(room, key.ptr, len) == 0)
		return queue_fail(c->all, c->call, WHERRY_EARG, "a queue can't be its own dead_letter");
	c->s.dead_letter = (wherry_span){room, len};
	return WHERRY_OK;
}

static int32_t read_settings(struct creation *c, uint8_t *room, size_t most)
{
	int32_t status = read_numbers(c);
	if (!status)
		status = read_backoff(c);
	if (!status)
		status = read_overflow(c);
	for (uint32_t i = CREATE_VISIBLE_MS; i <= CREATE_DEDUP_MS; i++)
		c->any |= is_given(c, i);
	return status ? status : read_dead_letter(c, room, most);
}

static int32_t check_same(const struct creation *c, struct queue *q, wherry_span wanted)
{
	wherry_span is = {0};
	struct subkey subkey = subkey_family(FAMILY_SETTINGS);
	int32_t status = WHERRY_OK;
	if (q->head.flags & HEAD_SETTINGS)
		status = c->all->keys->get(c->call, CREATE_KEY, subkey_span(&subkey), &is);
	if (status)
		return status;
	if (span_is(is, wanted))
		return WHERRY_OK;
	return queue_fail(
	    c->all, c->call, WHERRY_EEXIST, "the queue is there, with other settings; queue.stats shows them");
}

static int32_t make(const struct creation *c, struct queue *q, wherry_span settings)
{
	struct subkey subkey = subkey_family(FAMILY_SETTINGS);
	if (c->any)
		q->head.flags |= HEAD_SETTINGS;
	int32_t status = queue_make(q);
	if (!status && c->any)
		status = c->all->keys->put(c->call, CREATE_KEY, subkey_span(&subkey), settings);
	return status;
}

static int32_t create(struct creation *c, wherry_span settings)
{
	struct queue q;
	struct tally tally = {{0}};
	int32_t status = queue_open(&q, c->all, c->call, CREATE_KEY, NULL, &tally);
	if (status)
		return status;
	bool was_there = q.there;
	status = was_there ? check_same(c, &q, settings) : make(c, &q, settings);
	if (!status)
		c->all->write->boolean(c->call->reply, !was_there);
	return status;
}

int32_t queue_create(void *self, wherry_call *call)
{
	struct creation c = {.all = self, .call = call};
	uint8_t room[4096];
	struct bytes b;
	int32_t status = read_settings(&c, room, sizeof room);
	if (status)
		return status;
	bytes_open(&b, c.all);
	if (c.any)
		settings_write(&c.s, c.given, &b);
	status = b.failed ? WHERRY_ENOMEM : create(&c, bytes_span(&b));
	bytes_free(&b);
	return status;
}

// --- delete, purge, pause ---------------------------------------------------------------------------------------------

int32_t queue_delete(void *self, wherry_call *call)
{
	const struct queues *all = self;
	wherry_key key = {.size = sizeof key};
	int32_t status = all->keys->open(call, QUEUE_KEY, QUEUE_QUEUE, &key);
	if (!status)
		status = all->keys->remove(call, QUEUE_KEY);
	if (status && status != WHERRY_ENOKEY)
		return status;
	all->write->boolean(call->reply, !status);
	return WHERRY_OK;
}

// A record that outlives the purge.
static int32_t save(struct queue *q, enum family family, struct bytes *b)
{
	wherry_span value;
	struct subkey subkey = subkey_family(family);
	bytes_open(b, q->all);
	int32_t status = q->all->keys->get(q->call, q->arg, subkey_span(&subkey), &value);
	if (!status)
		bytes_add(b, value.ptr, value.len);
	if (b->failed)
		return WHERRY_ENOMEM;
	return status == WHERRY_ENOKEY ? WHERRY_OK : status;
}

static int32_t put_back(struct queue *q, enum family family, const struct bytes *b)
{
	struct subkey subkey = subkey_family(family);
	return b->len ? q->all->keys->put(q->call, q->arg, subkey_span(&subkey), bytes_span(b)) : WHERRY_OK;
}

// The key goes whole, which costs the same for ten messages and for a million, and comes back empty.
static int32_t empty(struct queue *q, const struct bytes *settings, const struct bytes *counts)
{
	q->head = (struct head){.flags = q->head.flags, .next_id = q->head.next_id};
	q->alarm_ms = 0;
	q->there = false;
	int32_t status = q->all->keys->remove(q->call, q->arg);
	if (!status)
		status = queue_make(q);
	if (!status && q->deadline_ms)
		status = q->all->keys->set_deadline(q->call, q->arg, q->deadline_ms);
	if (!status)
		status = put_back(q, FAMILY_SETTINGS, settings);
	return status ? status : put_back(q, FAMILY_COUNTS, counts);
}

static int32_t purge(struct queue *q)
{
	struct bytes settings, counts;
	int32_t status = save(q, FAMILY_SETTINGS, &settings);
	int32_t second = save(q, FAMILY_COUNTS, &counts);
	status = status ? status : second;
	if (!status)
		status = empty(q, &settings, &counts);
	bytes_free(&settings);
	bytes_free(&counts);
	return status;
}

int32_t queue_purge(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct queue q;
	struct tally tally = {{0}};
	int32_t status = queue_open(&q, all, call, QUEUE_KEY, NULL, &tally);
	uint64_t count = status ? 0 : head_length(&q.head);
	if (!status && q.there)
		status = purge(&q);
	if (status)
		return status;
	tally.events[EVENT_PURGED] += (uint32_t)count;
	all->write->uinteger(call->reply, count);
	tally_tell(all, &tally);
	return WHERRY_OK;
}

static uint8_t with_flag(uint8_t flags, const wherry_value *option, enum head_flag flag)
{
	if (option->kind == WHERRY_ABSENT)
		return flags;
	return (uint8_t)(option->as.i ? flags | flag : flags & ~flag);
}

static void answer_paused(const struct queues *all, wherry_call *call, uint8_t flags)
{
	all->write->map(call->reply, 2);
	all->write->cstring(call->reply, "in");
	all->write->boolean(call->reply, (flags & HEAD_PAUSED_IN) != 0);
	all->write->cstring(call->reply, "out");
	all->write->boolean(call->reply, (flags & HEAD_PAUSED_OUT) != 0);
}

int32_t queue_pause(void *self, wherry_call *call)
{
	const struct queues *all = self;
	struct queue q;
	struct tally tally = {{0}};
	int32_t status = queue_open(&q, all, call, PAUSE_KEY, NULL, &tally);
	if (status)
		return status;
	uint8_t flags = with_flag(q.head.flags, &call->args[PAUSE_IN], HEAD_PAUSED_IN);
	flags = with_flag(flags, &call->args[PAUSE_OUT], HEAD_PAUSED_OUT);
	q.changed = flags != q.head.flags;
	bool opened = q.head.flags & HEAD_PAUSED_OUT && !(flags & HEAD_PAUSED_OUT);
	q.head.flags = flags;
	q.fresh = opened ? q.head.ready : 0;
	if (q.changed && ((status = queue_make(&q)) || (status = queue_close(&q))))
		return status;
	answer_paused(all, call, flags);
	return WHERRY_OK;
}
