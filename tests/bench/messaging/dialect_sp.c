// Dialects over SP: ours in msgpack, and stock SUB sockets.

#include "dialect.h"

#include "../dial.h"
#include "../peer.h"
#include "conn.h"
#include "msgpack.h"

#include <string.h>

// --- one call after another, before anything is measured ---

enum { ANSWER_MOST = 4096 };

struct answer {
	uint8_t bytes[ANSWER_MOST];
	struct unpack result;
};

static void send_frame(int fd, const struct piece *body)
{
	uint8_t head[SP_LENGTH + SP_HEADER] = {0};
	store_be32(head + 4, (uint32_t)(body->len + SP_HEADER));
	store_be32(head + SP_LENGTH, 1); // hops
	dial_say(fd, head, sizeof head);
	dial_say(fd, body->bytes, body->len);
}

static _Noreturn void refused(const uint8_t *answer, size_t len)
{
	char text[256];
	size_t n = 0;
	for (size_t i = 0; i < len && n < sizeof text; i++)
		if (answer[i] >= ' ' && answer[i] < 0x7f)
			text[n++] = (char)answer[i];
	wrong("refused: %.*s", (int)n, text);
}

static void hear_answer(int fd, struct answer *a)
{
	uint8_t head[SP_LENGTH + SP_HEADER];
	dial_hear(fd, head, sizeof head);
	size_t len = load_be32(head + 4) - SP_HEADER;
	if (len > ANSWER_MOST)
		wrong("an answer of %zu bytes", len);
	dial_hear(fd, a->bytes, len);
	a->result = (struct unpack){a->bytes, a->bytes + len, false};
	if (!unpack_is(&a->result, "\x94\x01\0\xc0", 4))
		refused(a->bytes, len);
}

static void say_str(struct piece *p, const char *text)
{
	p->len += pack_str_head(p->bytes + p->len, strlen(text));
	say(p, "%s", text);
}

static void say_request(struct piece *p, unsigned elements, const char *method, unsigned params)
{
	say_bytes(p, (uint8_t[]){(uint8_t)(0x90 | elements), 0, 0}, 3);
	say_str(p, method);
	say_bytes(p, &(uint8_t){(uint8_t)(0x90 | params)}, 1);
}

static void say_number(struct piece *p, const char *name, uint64_t n)
{
	say_str(p, name);
	p->len += pack_uint(p->bytes + p->len, n);
}

// --- ours ---

static void make_publish(struct phrases *p, const struct spec *s)
{
	say_request(&p->publish_head, 4, "pubsub.publish", 2);
	say_str(&p->publish_head, s->topic);
	p->publish_head.len += pack_bin_head(p->publish_head.bytes + p->publish_head.len, s->payload);
	p->publish_id_at = 2;
	say_bytes(&p->answer, "\x94\x01\0\xc0", 4);
	p->answer.len += pack_uint(p->answer.bytes + p->answer.len, s->subscribers);
	p->answer_id_at = 2;
	p->framed = true;
}

static void wherry_make(struct phrases *p, const struct spec *s)
{
	make_publish(p, s);
	say_bytes(&p->message_head, "\x93", 1);
	say_str(&p->message_head, s->topic);
	p->message_head.len += pack_bin_head(p->message_head.bytes + p->message_head.len, s->payload);
	say_bytes(&p->message_tail, "\xc0", 1); // no headers
	p->delivered = true;
}

static void greet_pair(int fd)
{
	dial_sp(fd, SP_PAIR1, SP_PAIR1);
}

static void wherry_subscribe(int fd, const char *filter, const struct spec *spec)
{
	struct piece p = {.len = 0};
	struct answer a;
	say_request(&p, spec->bound ? 5 : 4, "pubsub.subscribe", 1);
	say_str(&p, filter);
	if (spec->bound) {
		say_bytes(&p, "\x82", 1);
		say_number(&p, "max_messages", spec->bound);
		say_number(&p, "max_bytes", 64U << 20);
	}
	send_frame(fd, &p);
	hear_answer(fd, &a);
	unpack_uint(&a.result);
}

const struct dialect wherry_dialect = {"wherry", wherry_make, greet_pair, greet_pair, wherry_subscribe, NULL};

// --- stock SUB: topic, zero byte, payload in msgpack ---

static void say_body_head(struct piece *p, const struct spec *s)
{
	say(p, "%s", s->topic);
	say_bytes(p, "", 1);
	p->len += pack_bin_head(p->bytes + p->len, s->payload);
}

static void say_sp_length(struct piece *p, size_t len)
{
	uint8_t head[SP_LENGTH] = {0};
	store_be32(head + 4, (uint32_t)len);
	say_bytes(p, head, sizeof head);
}

static void make_stock_message(struct phrases *p, const struct spec *s)
{
	struct piece body = {.len = 0};
	say_body_head(&body, s);
	say_sp_length(&p->message_head, body.len + s->payload);
	say_bytes(&p->message_head, body.bytes, body.len);
}

// What await_listed() publishes, as subscribers get it.
static const uint8_t probe[] = {'p', 'r', 'o', 'b', 'e', 0, 1};

static void wherry_sub_make(struct phrases *p, const struct spec *s)
{
	make_publish(p, s);
	make_stock_message(p, s);
	say_sp_length(&p->aside, sizeof probe);
	say_bytes(&p->aside, probe, sizeof probe);
}

static void greet_sub(int fd)
{
	dial_sp(fd, SP_SUB, SP_PUB);
}

static void subscribed_by_nature(int fd, const char *filter, const struct spec *spec)
{
	(void)spec;
	(void)fd;
	(void)filter;
}

// Whoever was greeted may not be listed yet: publishes, to a topic that is not measured, until all are counted.
static void await_listed(int fd, const struct spec *s)
{
	struct piece p = {.len = 0};
	struct answer a;
	uint64_t listed;
	say_request(&p, 4, "pubsub.publish", 2);
	say_str(&p, "probe");
	say_bytes(&p, "\x01", 1);
	do {
		send_frame(fd, &p);
		hear_answer(fd, &a);
		listed = unpack_uint(&a.result);
	} while (listed < s->subscribers);
}

const struct dialect wherry_sub_dialect = {
    "wherry-sub", wherry_sub_make, greet_pair, greet_sub, subscribed_by_nature, await_listed};

// --- NNG's own PUB0: it waits for its subscribers itself ---

static void nng_make(struct phrases *p, const struct spec *s)
{
	make_stock_message(p, s);
	p->publish_head = p->message_head;
}

static void greet_nothing(int fd)
{
	(void)fd;
}

const struct dialect nng_dialect = {"nng", nng_make, greet_nothing, greet_sub, subscribed_by_nature, NULL};
