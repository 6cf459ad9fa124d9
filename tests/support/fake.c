// fake.h: liar.h with rules.

#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "codec/request.h"
#include "embed.h"

// --- bytes ------------------------------------------------------------------------------------------------------------

static void put(struct buffer *to, const void *from, size_t len)
{
	buffer_append(to, from, len);
}

// What stands behind the first word of a line, as an array.
static void put_words(struct buffer *to, const char *line, bool with_method)
{
	struct buffer frame = {0};
	struct request r;
	const char *why;
	embed_encode(line, &frame);
	struct cursor at = cursor_of(span_of(frame.data, frame.len));
	assert_int_equal(request_slice(&at, &r, &why), WHERRY_OK);
	if (with_method) {
		assert_true(r.method.len < 32 && r.param_count < 16);
		put(to, &(uint8_t){(uint8_t)(0xa0 | r.method.len)}, 1);
		put(to, r.method.ptr, r.method.len);
		put(to, &(uint8_t){(uint8_t)(0x90 | r.param_count)}, 1);
	}
	put(to, r.params.ptr, r.params.len);
	buffer_free(&frame);
}

static void put_note(struct buffer *to, const char *line)
{
	put(to, "\x93\x02", 2);
	put_words(to, line, true);
}

static bool is_code(const char *answer)
{
	return answer[0] == 'E' && strspn(answer, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(answer);
}

static int code_of(const char *name)
{
#define ROW(suffix, number, text)       \
	if (strcmp(name, #suffix) == 0) \
		return number;
	WHERRY_STATUS_LIST(ROW)
#undef ROW
	fail_msg("no code %s", name);
	return 0;
}

static void put_answer(struct buffer *to, uint32_t id, const char *answer)
{
	char line[512];
	const uint8_t head[] = {
	    0x94, 1, 0xce, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
	put(to, head, sizeof(head));
	if (is_code(answer)) {
		snprintf(
		    line, sizeof(line), "x [%d, \"%s\", \"as the test says\", null] null", code_of(answer), answer);
		put_words(to, line, false);
		return;
	}
	put(to, "\xc0", 1);
	snprintf(line, sizeof(line), "x %s", answer);
	put_words(to, line, false);
}

// --- the connection, under the lock -----------------------------------------------------------------------------------

static void answer(struct fake *f, uint32_t id, const char *answer)
{
	struct buffer out = {0};
	if (f->before[0] != 0)
		put_note(&out, f->before);
	f->before[0] = 0;
	put_answer(&out, id, answer);
	if (f->fd >= 0)
		liar_frame(f->fd, (const char *)out.data, out.len);
	buffer_free(&out);
}

static struct fake_rule *rule_of(struct fake *f, const char *method)
{
	for (struct fake_rule *r = f->rules; r < f->rules + FAKE_RULES; r++)
		if (strcmp(r->method, method) == 0)
			return r;
	return NULL;
}

static void take(struct fake *f, const struct liar_request *q)
{
	struct fake_rule *r = rule_of(f, q->method);
	assert_true(f->seen < FAKE_SEEN);
	assert_true(asprintf(&f->asked[f->seen], "%s %s", q->method, q->said) > 0);
	f->seen++;
	if (r == NULL)
		answer(f, q->id, "true");
	else if (strcmp(r->answer, FAKE_HOLD) == 0)
		r->held = q->id;
	else
		answer(f, q->id, r->answer);
}

static void serve(struct liar *l, int fd, unsigned connection)
{
	struct fake *f = l->arg;
	struct liar_request requests[LIAR_REQUESTS];
	(void)connection;
	pthread_mutex_lock(&f->lock);
	f->fd = f->refuses ? -1 : fd;
	bool goes = f->refuses;
	pthread_mutex_unlock(&f->lock);
	for (size_t count; !goes && (count = liar_receive(fd, requests)) > 0;) {
		pthread_mutex_lock(&f->lock);
		for (size_t i = 0; i < count; i++)
			take(f, &requests[i]);
		pthread_mutex_unlock(&f->lock);
	}
	pthread_mutex_lock(&f->lock);
	f->fd = -1;
	for (struct fake_rule *r = f->rules; r < f->rules + FAKE_RULES; r++)
		r->held = 0;
	pthread_mutex_unlock(&f->lock);
}

// --- the test's -------------------------------------------------------------------------------------------------------

void fake_open(struct fake *f)
{
	*f = (struct fake){.fd = -1};
	pthread_mutex_init(&f->lock, NULL);
	f->liar.arg = f;
	liar_start(&f->liar, liar_greeting, serve);
}

void fake_close(struct fake *f)
{
	liar_stop(&f->liar);
	for (unsigned i = 0; i < f->seen; i++)
		free(f->asked[i]);
	pthread_mutex_destroy(&f->lock);
}

const char *fake_url(const struct fake *f)
{
	return f->liar.place.url;
}

void fake_rule(struct fake *f, const char *method, const char *what)
{
	pthread_mutex_lock(&f->lock);
	struct fake_rule *r = rule_of(f, method);
	if (r == NULL)
		r = rule_of(f, "");
	assert_non_null(r);
	snprintf(r->method, sizeof(r->method), "%s", method);
	snprintf(r->answer, sizeof(r->answer), "%s", what);
	pthread_mutex_unlock(&f->lock);
}

static void pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void fake_release(struct fake *f, const char *method, const char *what)
{
	for (int i = 0; i < 20000; i++, pause()) {
		pthread_mutex_lock(&f->lock);
		struct fake_rule *r = rule_of(f, method);
		uint32_t id = r != NULL ? r->held : 0;
		if (id != 0) {
			r->held = 0;
			answer(f, id, what);
		}
		pthread_mutex_unlock(&f->lock);
		if (id != 0)
			return;
	}
	fail_msg("never asked: %s", method);
}

void fake_say_before(struct fake *f, const char *line)
{
	pthread_mutex_lock(&f->lock);
	snprintf(f->before, sizeof(f->before), "%s", line);
	pthread_mutex_unlock(&f->lock);
}

void fake_say_bytes(struct fake *f, const void *body, size_t len)
{
	pthread_mutex_lock(&f->lock);
	if (f->fd >= 0)
		liar_frame(f->fd, body, len);
	pthread_mutex_unlock(&f->lock);
}

void fake_say(struct fake *f, const char *line)
{
	struct buffer out = {0};
	put_note(&out, line);
	fake_say_bytes(f, out.data, out.len);
	buffer_free(&out);
}

void fake_cut(struct fake *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->fd >= 0)
		shutdown(f->fd, SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
}

void fake_refuse(struct fake *f, bool refuses)
{
	pthread_mutex_lock(&f->lock);
	f->refuses = refuses;
	pthread_mutex_unlock(&f->lock);
}

unsigned fake_count(struct fake *f, const char *begin)
{
	unsigned count = 0;
	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; i < f->seen; i++)
		count += strncmp(f->asked[i], begin, strlen(begin)) == 0;
	pthread_mutex_unlock(&f->lock);
	return count;
}

void fake_await(struct fake *f, const char *begin, unsigned count)
{
	for (int i = 0; i < 20000; i++, pause())
		if (fake_count(f, begin) >= count)
			return;
	fail_msg("not %u times, but %u: %s", count, fake_count(f, begin), begin);
}

int fake_find(struct fake *f, const char *begin, unsigned from)
{
	int found = -1;
	pthread_mutex_lock(&f->lock);
	for (unsigned i = from; i < f->seen && found < 0; i++)
		if (strncmp(f->asked[i], begin, strlen(begin)) == 0)
			found = (int)i;
	pthread_mutex_unlock(&f->lock);
	return found;
}

void fake_expect(struct fake *f, unsigned number, const char *want)
{
	pthread_mutex_lock(&f->lock);
	assert_true(number < f->seen);
	char *got = strdup(f->asked[number]);
	pthread_mutex_unlock(&f->lock);
	assert_string_equal(got, want);
	free(got);
}
