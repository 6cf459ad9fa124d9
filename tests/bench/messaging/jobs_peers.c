// How beanstalkd, a bare echo and Wherry speak of jobs.

#include "jobs.h"

#include "../dial.h"
#include "../peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- beanstalkd: lines of text; a token is the id's digits and a space ---

static void beanstalkd_say(int fd, const char *text, const char *answer)
{
	dial_say(fd, text, strlen(text));
	dial_expect(fd, answer, strlen(answer));
}

static void beanstalkd_greet(int fd, const char *queue)
{
	char say[64], hear[64];
	(void)snprintf(say, sizeof say, "use %s\r\n", queue);
	(void)snprintf(hear, sizeof hear, "USING %s\r\n", queue);
	beanstalkd_say(fd, say, hear);
	(void)snprintf(say, sizeof say, "watch %s\r\n", queue);
	beanstalkd_say(fd, say, "WATCHING 2\r\n");
	beanstalkd_say(fd, "ignore default\r\n", "WATCHING 1\r\n");
}

static void beanstalkd_put_push(struct worker *w)
{
	uint32_t size = w->jobs->opt.size;
	char head[48];
	int len = snprintf(head, sizeof head, "put 0 0 120 %u\r\n", size);
	conn_put_bytes(&w->conn, head, (size_t)len);
	jobs_put_value(w, conn_put(&w->conn, size));
	conn_put_bytes(&w->conn, "\r\n", 2);
}

static void beanstalkd_put_acks(struct worker *w)
{
	const uint8_t *at = w->tokens;
	for (uint32_t i = 0; i < w->token_count; i++) {
		const uint8_t *end = memchr(at, ' ', JOB_DIGITS + 1);
		conn_put_bytes(&w->conn, "delete ", 7);
		conn_put_bytes(&w->conn, at, (size_t)(end - at));
		conn_put_bytes(&w->conn, "\r\n", 2);
		at = end + 1;
	}
}

static void beanstalkd_put(struct worker *w, enum step step, uint32_t count)
{
	if (step == STEP_ACK) {
		beanstalkd_put_acks(w);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (step == STEP_PUSH)
			beanstalkd_put_push(w);
		else if (step == STEP_POP)
			conn_put_bytes(&w->conn, "reserve-with-timeout 0\r\n", 24);
		else if (step == STEP_WAIT)
			conn_put_bytes(&w->conn, "reserve\r\n", 9);
		else
			conn_put_bytes(&w->conn, "list-tube-used\r\n", 16);
	}
}

static bool starts(const uint8_t *p, size_t len, const char *text)
{
	return len >= strlen(text) && memcmp(p, text, strlen(text)) == 0;
}

// RESERVED id bytes, and the value with its line end; 0: it is not whole yet.
static size_t beanstalkd_take_job(struct worker *w, const uint8_t *p, size_t line, size_t len)
{
	const uint8_t *id = p + strlen("RESERVED "), *space = memchr(id, ' ', line - strlen("RESERVED "));
	size_t size = space ? strtoul((const char *)space, NULL, 10) : 0, whole = line + size + 2;
	if (!space || len < whole)
		return 0;
	jobs_popped(w, (struct chunk){p + line, size}, (struct chunk){id, (size_t)(space - id) + 1});
	return whole;
}

static size_t beanstalkd_take_one(struct worker *w, const uint8_t *p, size_t len)
{
	const uint8_t *end = memchr(p, '\n', len);
	size_t line = end ? (size_t)(end - p) + 1 : 0;
	if (!end)
		return 0;
	if (starts(p, line, "RESERVED "))
		return beanstalkd_take_job(w, p, line, len);
	if (starts(p, line, "TIMED_OUT"))
		jobs_found_nothing(w);
	else if (starts(p, line, "INSERTED ") || starts(p, line, "DELETED") || starts(p, line, "USING "))
		jobs_answered(w, 1);
	else
		wrong("%.*s", (int)line, (const char *)p);
	return line;
}

static size_t beanstalkd_take(struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0, n = 1;
	while (n > 0 && used < len)
		used += n = beanstalkd_take_one((struct worker *)c, p + used, len - used);
	return used;
}

const struct job_dialect beanstalkd_jobs = {
    .name = "beanstalkd", .greet = beanstalkd_greet, .put = beanstalkd_put, .take = beanstalkd_take};

// --- echo: as many bytes as a push of ours has, back ---

static void echo_greet(int fd, const char *queue)
{
	(void)fd;
	(void)queue;
}

static void echo_put(struct worker *w, enum step step, uint32_t count)
{
	(void)step;
	w->left = count * (w->jobs->opt.size + 32);
	memset(conn_put(&w->conn, w->left), 'e', w->left);
}

static size_t echo_take(struct conn *c, const uint8_t *p, size_t len)
{
	(void)p;
	jobs_answered((struct worker *)c, (uint32_t)len);
	return len;
}

const struct job_dialect echo_jobs = {
    .name = "echo", .greet = echo_greet, .put = echo_put, .take = echo_take, .bare = true};

// --- Wherry: frames of requests, or one request for the whole batch ---

static void wherry_greet(int fd, const char *queue)
{
	(void)queue;
	dial_sp(fd, SP_PAIR1, SP_PAIR1);
}

static void put_str(struct conn *c, const char *text)
{
	uint8_t head[3];
	conn_put_bytes(c, head, pack_str_head(head, strlen(text)));
	conn_put_bytes(c, text, strlen(text));
}

static void put_request(struct worker *w, enum step step, const char *method, size_t params, bool options)
{
	uint8_t head[3] = {options ? 0x95 : 0x94, 0, (uint8_t)step}, array[3];
	conn_put_bytes(&w->conn, head, sizeof head);
	put_str(&w->conn, method);
	conn_put_bytes(&w->conn, array, pack_array_head(array, params));
}

static void put_queue_request(struct worker *w, enum step step, const char *method, size_t more, bool options)
{
	put_request(w, step, method, 1 + more, options);
	put_str(&w->conn, w->jobs->queue);
}

static void put_option(struct conn *c, const char *name, uint64_t value)
{
	uint8_t number[9];
	conn_put_bytes(c, "\x81", 1);
	put_str(c, name);
	conn_put_bytes(c, number, pack_uint(number, value));
}

static void put_push(struct worker *w, uint32_t values)
{
	uint8_t head[5];
	put_queue_request(w, STEP_PUSH, "queue.push", values, false);
	for (uint32_t i = 0; i < values; i++) {
		conn_put_bytes(&w->conn, head, pack_bin_head(head, w->jobs->opt.size));
		jobs_put_value(w, conn_put(&w->conn, w->jobs->opt.size));
	}
}

static void put_pop(struct worker *w, enum step step, uint32_t most)
{
	put_queue_request(w, step, "queue.pop", 0, step == STEP_WAIT || most > 1);
	if (step == STEP_WAIT)
		put_option(&w->conn, "wait_ms", 20000);
	else if (most > 1)
		put_option(&w->conn, "max", most);
}

static void put_ack(struct worker *w, struct unpack *tokens, uint32_t count)
{
	put_queue_request(w, STEP_ACK, "queue.ack", count, false);
	for (uint32_t i = 0; i < count; i++) {
		struct chunk token = unpack_raw(tokens);
		conn_put_bytes(&w->conn, token.ptr, token.len);
	}
}

static void put_requests(struct worker *w, enum step step, uint32_t count)
{
	uint32_t each = w->jobs->opt.whole ? count : 1;
	struct unpack tokens = {w->tokens, w->tokens + w->tokens_len, false};
	for (uint32_t i = 0; i < count; i += each) {
		if (step == STEP_PUSH)
			put_push(w, each);
		else if (step == STEP_ACK)
			put_ack(w, &tokens, each);
		else if (step == STEP_PING)
			put_request(w, step, "sys.ping", 0, false);
		else
			put_pop(w, step, each);
	}
}

static void wherry_put(struct worker *w, enum step step, uint32_t count)
{
	static const uint8_t head[SP_LENGTH + SP_HEADER] = {[SP_LENGTH + 3] = 1};
	size_t begin = w->conn.out_len;
	conn_put_bytes(&w->conn, head, sizeof head);
	put_requests(w, step, count);
	store_be32(w->conn.out + begin + 4, (uint32_t)(w->conn.out_len - begin - SP_LENGTH));
}

static void take_job(struct worker *w, struct unpack *u)
{
	struct chunk value = {NULL, 0}, token = {NULL, 0};
	for (size_t pairs = unpack_map(u); pairs > 0; pairs--) {
		struct chunk key = unpack_text(u);
		if (chunk_is(key, "value"))
			value = unpack_text(u);
		else if (chunk_is(key, "token"))
			token = unpack_raw(u);
		else
			unpack_raw(u);
	}
	jobs_popped(w, value, token);
}

static void take_jobs(struct worker *w, struct unpack *u)
{
	size_t count = unpack_array(u);
	if (count == 0)
		jobs_found_nothing(w);
	while (count-- > 0)
		take_job(w, u);
}

static void take_result(struct worker *w, struct unpack *u, enum step step)
{
	if (step == STEP_POP || step == STEP_WAIT) {
		take_jobs(w, u);
	} else if (step == STEP_PUSH) {
		struct unpack ids = *u;
		unpack_raw(u);
		jobs_answered(w, (uint32_t)unpack_array(&ids));
	} else if (step == STEP_ACK) {
		jobs_answered(w, (uint32_t)unpack_uint(u));
	} else {
		unpack_raw(u);
		jobs_answered(w, 1);
	}
}

static void take_frame(struct worker *w, const uint8_t *p, size_t len)
{
	struct unpack u = {p, p + len, false};
	while (u.at < u.end) {
		if (!unpack_is(&u, "\x94\x01", 2))
			wrong("not an answer");
		uint64_t id = unpack_uint(&u);
		if (!unpack_is(&u, "\xc0", 1))
			wrong("step %u refused: %.*s", (unsigned)id, (int)(u.end - u.at), (const char *)u.at);
		take_result(w, &u, (enum step)id);
	}
	if (u.more)
		wrong("an answer that its frame cuts off");
}

static size_t wherry_take(struct conn *c, const uint8_t *p, size_t len)
{
	size_t used = 0;
	while (len - used >= SP_LENGTH + SP_HEADER) {
		size_t whole = SP_LENGTH + load_be32(p + used + 4);
		if (len - used < whole)
			break;
		take_frame((struct worker *)c, p + used + SP_LENGTH + SP_HEADER, whole - SP_LENGTH - SP_HEADER);
		used += whole;
	}
	return used;
}

const struct job_dialect wherry_jobs = {
    .name = "wherry", .greet = wherry_greet, .put = wherry_put, .take = wherry_take, .waiter_settles = true};
