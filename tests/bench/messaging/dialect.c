// The text dialects, MQTT's, and the list of all.

#include "dialect.h"

#include "../dial.h"
#include "conn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void say(struct piece *p, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	p->len += (size_t)vsnprintf((char *)p->bytes + p->len, sizeof p->bytes - p->len, format, args);
	va_end(args);
}

void say_bytes(struct piece *p, const void *bytes, size_t len)
{
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
}

static void speak(int fd, const struct piece *p)
{
	dial_say(fd, p->bytes, p->len);
}

static void no_greeting(int fd)
{
	(void)fd;
}

// --- Redis ---

static void redis_make(struct phrases *p, const struct spec *s)
{
	size_t len = strlen(s->topic);
	say(&p->publish_head, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%u\r\n", len, s->topic, s->payload);
	say(&p->publish_tail, "\r\n");
	say(&p->answer, ":%u\r\n", s->subscribers);
	say(&p->message_head, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%u\r\n", len, s->topic, s->payload);
	say(&p->message_tail, "\r\n");
}

static void redis_subscribe(int fd, const char *filter, const struct spec *spec)
{
	(void)spec;
	struct piece out = {.len = 0}, in = {.len = 0};
	uint8_t byte[2];
	say(&out, "SUBSCRIBE %s\r\n", filter);
	say(&in, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:", strlen(filter), filter);
	speak(fd, &out);
	for (size_t at = 0; at < in.len; at += 16)
		dial_expect(fd, in.bytes + at, in.len - at < 16 ? in.len - at : 16);
	do // how many it has now
		dial_hear(fd, byte, 1);
	while (byte[0] != '\n');
}

const struct dialect redis_dialect = {"redis", redis_make, no_greeting, no_greeting, redis_subscribe, NULL};

// --- NATS ---

static void nats_make(struct phrases *p, const struct spec *s)
{
	say(&p->publish_head, "PUB %s %u\r\n", s->topic, s->payload);
	say(&p->publish_tail, s->acked ? "\r\nPING\r\n" : "\r\n");
	if (s->acked)
		say(&p->answer, "PONG\r\n");
	say(&p->message_head, "MSG %s 1 %u\r\n", s->topic, s->payload);
	say(&p->message_tail, "\r\n");
	say(&p->aside, "PING\r\n");
}

static void nats_greet(int fd)
{
	uint8_t byte[1];
	do // its INFO line
		dial_hear(fd, byte, 1);
	while (byte[0] != '\n');
	static const char text[] = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n";
	dial_say(fd, text, sizeof text - 1);
	dial_expect(fd, "PONG\r\n", 6);
}

static void nats_subscribe(int fd, const char *filter, const struct spec *spec)
{
	(void)spec;
	struct piece out = {.len = 0};
	say(&out, "SUB %s 1\r\nPING\r\n", filter);
	speak(fd, &out);
	dial_expect(fd, "PONG\r\n", 6);
}

const struct dialect nats_dialect = {"nats", nats_make, nats_greet, nats_greet, nats_subscribe, NULL};

// --- MQTT 3.1.1, quality of service 0 ---

static void say_u8(struct piece *p, unsigned byte)
{
	say_bytes(p, &(uint8_t){(uint8_t)byte}, 1);
}

static void say_be16(struct piece *p, size_t n)
{
	say_u8(p, (unsigned)(n >> 8));
	say_u8(p, (unsigned)n & 0xff);
}

static void say_remaining_length(struct piece *p, size_t n)
{
	for (; n > 127; n >>= 7)
		say_u8(p, (unsigned)(n & 127) | 128);
	say_u8(p, (unsigned)n);
}

static void say_mqtt_text(struct piece *p, const char *text)
{
	say_be16(p, strlen(text));
	say_bytes(p, text, strlen(text));
}

static void mqtt_make(struct phrases *p, const struct spec *s)
{
	say_u8(&p->publish_head, 0x30);
	say_remaining_length(&p->publish_head, 2 + strlen(s->topic) + s->payload);
	say_mqtt_text(&p->publish_head, s->topic);
	p->message_head = p->publish_head;
	if (!s->acked)
		return;
	say_bytes(&p->publish_tail, "\xc0", 2); // PINGREQ
	say_bytes(&p->answer, "\xd0", 2);
}

static void mqtt_greet(int fd)
{
	static const uint8_t connect[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0};
	dial_say(fd, connect, sizeof connect);
	dial_expect(fd, "\x20\x02\0\0", 4);
}

static void mqtt_subscribe(int fd, const char *filter, const struct spec *spec)
{
	(void)spec;
	struct piece out = {.len = 0};
	say_u8(&out, 0x82);
	say_remaining_length(&out, 5 + strlen(filter));
	say_be16(&out, 1);
	say_mqtt_text(&out, filter);
	say_u8(&out, 0);
	speak(fd, &out);
	dial_expect(fd, "\x90\x03\0\x01\0", 5);
}

const struct dialect mqtt_dialect = {"mqtt", mqtt_make, mqtt_greet, mqtt_greet, mqtt_subscribe, NULL};

// --- all ---

const struct dialect *dialect_find(const char *name)
{
	static const struct dialect *const all[] = {
	    &wherry_dialect, &wherry_sub_dialect, &nng_dialect, &redis_dialect, &nats_dialect, &mqtt_dialect};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}
