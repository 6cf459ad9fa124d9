// What comes back: answers to the publisher, messages to the subscribers; each is checked.

#include "fanout.h"

#include "../peer.h"
#include "msgpack.h"

#include <string.h>

// --- answers to the publisher ---

static bool is_answer(const struct fanout *f, const uint8_t *p)
{
	const struct piece *wanted = &f->phrases.answer;
	size_t id_at = f->phrases.answer_id_at;
	if (id_at == 0)
		return memcmp(p, wanted->bytes, wanted->len) == 0;
	return memcmp(p, wanted->bytes, id_at) == 0 && p[id_at] == (f->answered & 0x7f) &&
	       memcmp(p + id_at + 1, wanted->bytes + id_at + 1, wanted->len - id_at - 1) == 0;
}

// Answers the length of what may come in between.
size_t must_be_aside(const struct fanout *f, const uint8_t *p, size_t len)
{
	const struct piece *aside = &f->phrases.aside;
	if (aside->len == 0 || len < aside->len || memcmp(p, aside->bytes, aside->len) != 0)
		wrong("publish %llu: what came was not expected: %.*s", (unsigned long long)f->made,
		    (int)(len < 60 ? len : 60), (const char *)p);
	return aside->len;
}

static size_t take_answers(struct fanout *f, const uint8_t *p, size_t len)
{
	size_t used = 0, step = f->phrases.answer.len;
	while (step > 0 && len - used >= step) {
		if (f->answered == f->made || !is_answer(f, p + used)) {
			used += must_be_aside(f, p + used, len - used);
			continue;
		}
		histogram_add(&f->answer_times, f->loop.now - f->made_at[f->answered % f->opt.window]);
		f->answered++;
		used += step;
	}
	return step > 0 ? used : len;
}

// SP's header of a frame, the length of what follows it; 0: it is not whole yet.
static size_t take_frame_head(const uint8_t *p, size_t len, uint32_t *left)
{
	if (len < SP_LENGTH + SP_HEADER)
		return 0;
	if (load_be32(p) != 0 || load_be32(p + SP_LENGTH) != 1)
		wrong("not one of PAIR1's frames");
	*left = load_be32(p + 4) - SP_HEADER;
	return SP_LENGTH + SP_HEADER;
}

size_t take_answered(struct conn *c, const uint8_t *p, size_t len)
{
	struct fanout *f = (struct fanout *)c;
	if (!f->phrases.framed)
		return take_answers(f, p, len);
	size_t used = 0;
	for (;;) {
		if (f->answers_left == 0) {
			size_t head = take_frame_head(p + used, len - used, &f->answers_left);
			used += head;
			if (head == 0)
				return used;
		}
		size_t have = len - used < f->answers_left ? len - used : f->answers_left;
		size_t n = take_answers(f, p + used, have);
		used += n;
		f->answers_left -= (uint32_t)n;
		if (f->answers_left > 0)
			return used;
	}
}

// --- messages to the subscribers ---

static void have_all(struct fanout *f, uint64_t seq)
{
	histogram_add(&f->all_times, f->loop.now - f->made_at[seq % f->opt.window]);
	f->done = seq + 1;
}

static void got(struct subscriber *s, const uint8_t *payload)
{
	struct fanout *f = s->fanout;
	uint64_t seq;
	memcpy(&seq, payload, SEQ_LEN);
	if (seq != s->next || seq >= f->made)
		wrong("subscriber %u: message %llu where %llu should be", s->number, (unsigned long long)seq,
		    (unsigned long long)s->next);
	if (memcmp(payload + SEQ_LEN, f->contents[seq % CONTENTS] + SEQ_LEN, f->opt.spec.payload - SEQ_LEN) != 0)
		wrong("subscriber %u: message %llu has another's content", s->number, (unsigned long long)seq);
	s->next++;
	s->received++;
	if (s->stopped)
		return;
	histogram_add(&f->times, f->loop.now - f->made_at[seq % f->opt.window]);
	if (--f->missing[seq % f->opt.window] == 0)
		have_all(f, seq);
}

// Whole messages, at most so many.
static size_t take_messages(struct subscriber *s, const uint8_t *p, size_t len, uint64_t most)
{
	const struct phrases *h = &s->fanout->phrases;
	size_t head = h->message_head.len, step = head + s->fanout->opt.spec.payload + h->message_tail.len, used = 0;
	while (most > 0 && len - used >= head) {
		const uint8_t *at = p + used;
		if (memcmp(at, h->message_head.bytes, head) != 0) {
			used += must_be_aside(s->fanout, at, len - used);
			continue;
		}
		if (len - used < step)
			break;
		if (memcmp(at + step - h->message_tail.len, h->message_tail.bytes, h->message_tail.len) != 0)
			wrong("subscriber %u: the end of a message is missing", s->number);
		got(s, at + head);
		used += step;
		most--;
	}
	return used;
}

size_t take_plain(struct conn *c, const uint8_t *p, size_t len)
{
	return take_messages((struct subscriber *)c, p, len, UINT64_MAX);
}

// The head of a delivery: whose it is, its sequence number, what was lost before it, how many messages follow.
static size_t take_delivery_head(struct subscriber *s, const uint8_t *p, size_t len)
{
	struct unpack u = {p, p + len, false};
	if (!unpack_is(&u, "\x93\x02\xa8messages\x94", 12) && !u.more)
		wrong("subscriber %u: not a delivery", s->number);
	unpack_uint(&u);
	uint64_t seq = unpack_uint(&u), lost = unpack_uint(&u), count = unpack_array(&u);
	if (u.more)
		return 0;
	if (seq != s->next + lost + 1 || (lost > 0 && !s->stopped))
		wrong("subscriber %u: a delivery from %llu on, %llu lost, where %llu should be", s->number,
		    (unsigned long long)seq, (unsigned long long)lost, (unsigned long long)s->next + 1);
	s->next += lost;
	s->lost += lost;
	s->messages_left = count;
	return (size_t)(u.at - p);
}

static size_t take_deliveries(struct subscriber *s, const uint8_t *p, size_t len)
{
	size_t used = 0, n;
	do {
		uint64_t before = s->received;
		n = s->messages_left == 0 ? take_delivery_head(s, p + used, len - used)
					  : take_messages(s, p + used, len - used, s->messages_left);
		s->messages_left -= s->received - before;
		used += n;
	} while (n > 0 && used < len);
	return used;
}

size_t take_delivered(struct conn *c, const uint8_t *p, size_t len)
{
	struct subscriber *s = (struct subscriber *)c;
	size_t used = 0;
	for (;;) {
		if (s->frame_left == 0) {
			size_t head = take_frame_head(p + used, len - used, &s->frame_left);
			used += head;
			if (head == 0)
				return used;
		}
		size_t have = len - used < s->frame_left ? len - used : s->frame_left;
		size_t n = take_deliveries(s, p + used, have);
		used += n;
		s->frame_left -= (uint32_t)n;
		if (s->frame_left > 0)
			return used;
	}
}
