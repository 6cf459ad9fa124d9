// What a new connection is asked before anything else: the client's name, its namespace, and, if there are requests of
// which it is not known whether they may be sent again, what each command does.  The driver's, under the lock.

#include <stdio.h>

#include "inside.h"

static bool any_doubtful(const struct wherry_client *c)
{
	for (const struct request *r = c->pending.first; r != NULL; r = r->next)
		if (r->doubtful)
			return true;
	return false;
}

static void resolve_doubts(struct wherry_client *c)
{
	for (struct request *r = c->pending.first, *next; r != NULL; r = next) {
		next = r->next;
		if (!r->doubtful)
			continue;
		r->doubtful = false;
		if (verb_of(c, r) == VERB_READS)
			c->counts.repeated++;
		else
			request_fail(c, r, WHERRY_ESTALE, NULL);
	}
}

static void done(struct wherry_client *c)
{
	struct link *l = &c->link;
	resolve_doubts(c);
	bool awaited = c->changed != NULL || c->feeds.first != NULL || c->consumers != NULL;
	l->state = awaited && c->counts.connections > 0 ? LINK_READY : LINK_UP;
	l->heard_ms = monotonic_ms();
	c->counts.connections++;
}

static struct run text_run(const char *text)
{
	return (struct run){(const uint8_t *)text, strlen(text)};
}

// {"client": name} or [ns]: short texts only.
static struct run encode_text(uint8_t room[NS_ROOM + 16], const char *head, const char *text)
{
	struct bytes out = {.data = room};
	bytes_put(&out, head, strlen(head));
	bytes_byte(&out, 0xda);
	bytes_be(&out, strlen(text), 2);
	bytes_put(&out, text, strlen(text));
	return (struct run){room, out.len};
}

static void ask(struct wherry_client *c, int what)
{
	uint8_t room[NS_ROOM + 16];
	struct wire_request q = {.method = text_run("sys.commands")};
	if (what == SETUP_NAME)
		q = (struct wire_request){.method = text_run("session.hello"),
		    .options = encode_text(room,
			"\x81\xa6"
			"client",
			c->name)};
	if (what == SETUP_NS)
		q = (struct wire_request){
		    .method = text_run("session.use"), .params = encode_text(room, "\x91", c->ns)};
	c->seq++;
	c->link.setup_id[what] = (uint32_t)c->seq;
	c->link.setup_left |= 1u << what;
	send_request_now(c, &q, (uint32_t)c->seq);
}

void setup_begin(struct wherry_client *c)
{
	struct link *l = &c->link;
	const bool wanted[SETUPS] = {c->name != NULL, c->ns[0] != 0, any_doubtful(c)};
	size_t begin;
	l->setup_left = 0;
	if (!wanted[SETUP_NAME] && !wanted[SETUP_NS] && !wanted[SETUP_COMMANDS]) {
		done(c);
		return;
	}
	if (!send_frame_begin(l, &begin) || !bytes_reserve(&l->out, SETUPS * 2 * NS_ROOM)) {
		link_failed(c, WHERRY_ENOMEM, "out of memory");
		return;
	}
	for (int what = 0; what < SETUPS; what++)
		if (wanted[what])
			ask(c, what);
	send_frame_end(c, begin);
	l->state = LINK_SETUP;
}

static void refused(struct wherry_client *c, int what, struct run error)
{
	static const char *const names[SETUPS] = {
	    "its name (session.hello)", "its namespace (session.use)", "its commands"};
	struct run unused;
	error_remote(&c->link.refusal, error, &unused);
	c->link.refused = names[what];
}

void setup_answer(struct wherry_client *c, const struct wire_object *o)
{
	struct link *l = &c->link;
	for (int what = 0; what < SETUPS && l->refusal.code == WHERRY_OK; what++) {
		if ((l->setup_left & 1u << what) == 0 || (o->has_id && o->id != l->setup_id[what]))
			continue;
		l->setup_left &= ~(1u << what);
		if (wire_is_nil(o->error) && what == SETUP_COMMANDS)
			verbs_learn(c, o->result);
		else if (!wire_is_nil(o->error) && what != SETUP_COMMANDS)
			refused(c, what, o->error);
		if (l->setup_left == 0 && l->refusal.code == WHERRY_OK)
			done(c);
		return;
	}
}
