// liar.h: a thread with a socket.

#include "liar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/request.h"
#include "embed.h"

const char liar_greeting[] = "\0SP\0\0\x11\0\0";

enum { HEAD = 13, FRAME_MOST = 1 << 20 }; // ipc's 1, the length, the hops

void liar_send(int fd, const void *bytes, size_t len)
{
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}

void liar_frame(int fd, const char *body, size_t len)
{
	unsigned char head[HEAD] = {1, [12] = 1};
	for (unsigned i = 0; i < 8; i++)
		head[1 + i] = (unsigned char)((uint64_t)(len + 4) >> (56 - 8 * i));
	liar_send(fd, head, sizeof(head));
	liar_send(fd, body, len);
}

void liar_answer(int fd, uint32_t id, const char *result, size_t len)
{
	char body[512] = {
	    (char)0x94, 1, (char)0xce, (char)(id >> 24), (char)(id >> 16), (char)(id >> 8), (char)id, (char)0xc0};
	assert_true(len <= sizeof(body) - 8);
	memcpy(body + 8, result, len);
	liar_frame(fd, body, 8 + len);
}

static void show(const struct request *r, struct liar_request *to)
{
	char *params = embed_show(r->params);
	char *options = embed_show(r->options);
	snprintf(to->said, sizeof(to->said), "%s%s%s%s", params, r->option_count > 0 ? " {" : "", options,
	    r->option_count > 0 ? "}" : "");
	free(params);
	free(options);
}

static size_t slice(const uint8_t *body, size_t len, struct liar_request *requests)
{
	struct cursor at = cursor_of(span_of(body, len));
	size_t count = 0;
	struct request r;
	const char *why;
	while (at.at < at.end && count < LIAR_REQUESTS && request_slice(&at, &r, &why) == WHERRY_OK) {
		snprintf(requests[count].method, sizeof(requests[count].method), "%.*s", (int)r.method.len,
		    (const char *)r.method.ptr);
		show(&r, &requests[count]);
		requests[count++].id = r.id;
	}
	return count;
}

size_t liar_receive(int fd, struct liar_request requests[LIAR_REQUESTS])
{
	uint8_t head[HEAD];
	uint64_t len = 0;
	if (recv(fd, head, sizeof(head), MSG_WAITALL) != (ssize_t)sizeof(head))
		return 0;
	for (unsigned i = 0; i < 8; i++)
		len = len << 8 | head[1 + i];
	assert_in_range(len, 4, FRAME_MOST);
	uint8_t *body = malloc(len);
	assert_non_null(body);
	size_t count = 0;
	if (recv(fd, body, len - 4, MSG_WAITALL) == (ssize_t)(len - 4))
		count = slice(body, len - 4, requests);
	free(body);
	return count;
}

uint32_t liar_receive_one(int fd)
{
	struct liar_request requests[LIAR_REQUESTS];
	return liar_receive(fd, requests) > 0 ? requests[0].id : 0;
}

void liar_serve(int fd)
{
	struct liar_request requests[LIAR_REQUESTS];
	for (size_t count; (count = liar_receive(fd, requests)) > 0;)
		for (size_t i = 0; i < count; i++)
			liar_answer(fd, requests[i].id, "\xc3", 1);
}

void liar_await_end(int fd)
{
	char bytes[4096];
	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		;
}

static void serve_one(struct liar *l, int fd, unsigned connection)
{
	char greeting[8];
	if (l->greeting != NULL)
		liar_send(fd, l->greeting, 8);
	recv(fd, greeting, sizeof(greeting), MSG_WAITALL);
	if (l->script != NULL)
		l->script(l, fd, connection);
	close(fd);
}

static void *lie(void *arg)
{
	struct liar *l = arg;
	for (int fd; (fd = accept(l->listener, NULL, NULL)) >= 0;)
		serve_one(l, fd, atomic_fetch_add(&l->connections, 1));
	return NULL;
}

void liar_start(struct liar *l, const char *greeting, void (*script)(struct liar *, int, unsigned))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	void *arg = l->arg;
	*l = (struct liar){.greeting = greeting, .script = script, .arg = arg};
	place_make(&l->place);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", l->place.dir);
	l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(l->listener, 16), 0);
	assert_int_equal(pthread_create(&l->thread, NULL, lie, l), 0);
}

void liar_stop(struct liar *l)
{
	shutdown(l->listener, SHUT_RDWR);
	pthread_join(l->thread, NULL);
	close(l->listener);
	place_leave(&l->place);
}
