// The wire without sockets: connections whose streams and router are this program's own.  Bytes of any kind arrive once in
// one piece with a peer that reads at once, and once cut into pieces by a peer that reads as it likes; what leaves must
// be the same.  The first three bytes say how; the rest is what the peer sends.
//
// The router's stand-in echoes a frame; 'L' as its first byte: later, 'N': nothing, 'B': a large answer, 'C': and closes
// the session, 'X': is not looked at ahead.  It watches that a turn ends before the connection waits or receives, and that
// frames stay where they were when they were looked at ahead.

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "wherry/status.h"
#include "wire/inside.h"

#define REQUIRE(condition) ((condition) ? (void)0 : abort())

enum { LATE_ONES = 16, LARGE = 3000, PUBLISHED_MOST = 20, AHEAD_MOST = 16, AHEAD_KEPT = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct router_turn *open_turn; // at most one: one thread does it all

// --- a stream: what its peer sends and reads ------------------------------------------------------------------------

struct stream {
	stream_done received, sent;
	void *arg;
	const uint8_t *input;
	size_t input_left;
	uint32_t cuts; // 0: all in one piece; else a random state
	bool receiving, sending, woken, woken_sent, closed, freed;
	bool heard_out; // its peer left first
	uint8_t *into;
	size_t room;
	struct stream_part part;
	struct buffer output;
};

static size_t cut(struct stream *s, size_t most)
{
	if (s->cuts == 0 || most == 0)
		return most;
	s->cuts = s->cuts * 1664525u + 1013904223u;
	return 1 + (s->cuts >> 8) % (s->cuts >> 31 ? most : (most < 16 ? most : 16));
}

static bool toss(struct stream *s)
{
	return s->cuts != 0 && cut(s, 2) == 1;
}

static size_t take_input(struct stream *s, uint8_t *into, size_t room)
{
	size_t count = cut(s, s->input_left < room ? s->input_left : room);
	memcpy(into, s->input, count);
	s->input += count;
	s->input_left -= count;
	return count;
}

int stream_prepare(struct stream *s, stream_done received, stream_done sent, void *arg)
{
	s->received = received;
	s->sent = sent;
	s->arg = arg;
	return WHERRY_OK;
}

void stream_remote(struct stream *s, char *text, size_t room)
{
	(void)s;
	REQUIRE(room > 0);
	text[0] = 0;
}

void stream_recv(struct stream *s, void *into, size_t room)
{
	REQUIRE(room > 0 && !s->receiving && !s->woken && !s->freed && open_turn == NULL);
	s->receiving = true;
	s->into = into;
	s->room = room;
}

void stream_wake(struct stream *s)
{
	REQUIRE(!s->receiving && !s->woken && !s->freed);
	s->woken = true;
}

int stream_try_recv(struct stream *s, void *into, size_t room, size_t *count)
{
	REQUIRE(room > 0 && !s->receiving && !s->freed && open_turn == NULL);
	*count = 0;
	if (s->closed)
		return WHERRY_ESTALE;
	if (s->input_left == 0 || toss(s))
		return WHERRY_EAGAIN;
	*count = take_input(s, into, room);
	return WHERRY_OK;
}

int stream_send(struct stream *s, const struct stream_part *parts, unsigned count)
{
	REQUIRE(count == 1 && parts[0].len > 0 && !s->sending && !s->freed);
	s->sending = true;
	s->part = parts[0];
	return WHERRY_OK;
}

int stream_try_send(struct stream *s, const struct stream_part *parts, unsigned count, size_t *sent)
{
	REQUIRE(count == 1 && parts[0].len > 0 && !s->sending && !s->freed);
	*sent = 0;
	if (s->closed)
		return WHERRY_ESTALE;
	if (toss(s))
		return WHERRY_EAGAIN;
	*sent = cut(s, parts[0].len);
	buffer_append(&s->output, parts[0].ptr, *sent);
	return WHERRY_OK;
}

int stream_wake_sent(struct stream *s)
{
	REQUIRE(!s->sending && !s->woken_sent && !s->freed);
	s->woken_sent = true;
	return WHERRY_OK;
}

bool stream_can_try(const struct stream *s)
{
	(void)s;
	return false; // nothing is polled: one thread does it all
}

void stream_close(struct stream *s)
{
	s->closed = true;
}

void stream_free(struct stream *s)
{
	REQUIRE(!s->receiving && !s->sending && !s->woken && !s->woken_sent && !s->freed);
	s->freed = true;
}

int stream_listen(struct stream_listener **l, const char *url, const struct stream_listen *o, char *why, size_t room)
{
	(void)l, (void)url, (void)o, (void)why, (void)room;
	return WHERRY_EUNSUPPORTED;
}

int stream_listener_url(struct stream_listener *l, char *url, size_t room)
{
	(void)l, (void)url, (void)room;
	return WHERRY_EUNSUPPORTED;
}

void stream_listener_close(struct stream_listener *l)
{
	(void)l;
}

// --- the router's stand-in ------------------------------------------------------------------------------------------

struct late_one {
	struct session *session;
	struct buffer header, body;
};

struct ahead {
	wherry_span body;
	uint8_t bytes[AHEAD_KEPT];
};

struct router {
	struct late_one late[LATE_ONES];
	unsigned late_count, sessions;
	struct bus *bus;
	unsigned published, popped; // to a SUB peer, by a PULL peer: of this connection
	struct ahead ahead[AHEAD_MOST];
};

void session_open(struct router *r, struct session *s, const struct session_ops *ops, void *peer, bool duplex)
{
	s->ops = ops;
	s->peer = peer;
	s->duplex = duplex;
	s->router = r;
	atomic_init(&s->refs, 1);
	atomic_init(&s->parked, 1);
	atomic_init(&s->outbox, NULL);
	r->sessions++;
	r->published = r->popped = 0;
}

void session_drop(struct session *s)
{
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		s->ops->gone(s);
}

bool session_enter(struct session *s)
{
	return atomic_load(&s->parked) > 0 && atomic_fetch_add(&s->parked, 1) > 0;
}

void session_leave(struct session *s)
{
	REQUIRE(atomic_load(&s->parked) > 0);
	if (atomic_fetch_sub(&s->parked, 1) != 1)
		return;
	if (session_outbox_opened(s) != NULL)
		outbox_close(session_outbox_opened(s));
	session_drop(s);
}

void session_end(struct router *r, struct session *s)
{
	r->sessions--;
	session_leave(s);
}

static void outbox_ready(void *peer)
{
	((struct session *)peer)->ops->ready(peer);
}

static void outbox_gone(void *peer)
{
	session_drop(peer);
}

struct outbox *session_outbox(struct session *s)
{
	static const struct outbox_ops ops = {outbox_ready, NULL, outbox_gone};
	struct outbox *o;
	if (outbox_open(s->router->bus, &ops, s, &o) != WHERRY_OK)
		return NULL;
	session_hold(s);
	atomic_store(&s->outbox, o);
	return o;
}

// --- what is published ------------------------------------------------------------------------------------------------

static const struct codec_limits any_depth = {CODEC_DEPTH_MOST, UINT32_MAX};

void router_message(struct router *r, wherry_span topic, wherry_span payload, wherry_span body)
{
	(void)r;
	REQUIRE(topic_fault(topic) == NULL && *(const char *)topic.ptr != '$');
	REQUIRE(cursor_check(payload, &any_depth, NULL, NULL) == 1);
	REQUIRE(body.len >= topic.len && body.len > 0);
}

static bool publish_some(struct router *r)
{
	if (r->published == PUBLISHED_MOST)
		return false;
	r->published++;
	bus_publish(r->bus, span_text("t"), span_text("\x07"), (wherry_span){0});
	bus_flush(r->bus);
	return true;
}

// --- a queue ----------------------------------------------------------------------------------------------------------

static bool make_late(struct router *r, struct session *s, wherry_span header, wherry_span body)
{
	if (r->late_count == LATE_ONES)
		return false;
	struct late_one *l = &r->late[r->late_count++];
	*l = (struct late_one){.session = s};
	session_hold(s);
	buffer_append(&l->header, header.ptr, header.len);
	buffer_append(&l->body, body.ptr, body.len);
	return true;
}

// Done, refused, or done later, as its size will have it.
static enum frame_result run_push(struct router *r, struct session *s, wherry_span request, struct buffer *out)
{
	static const char done[] = "\x94\x01\x00\xc0\xc0", refused[] = "\x94\x01\x00\x94\xff\xa4"
								       "EARG\xa1x\xc0\xc0";
	wherry_span answer =
	    request.len % 3 == 1 ? span_of(refused, sizeof(refused) - 1) : span_of(done, sizeof(done) - 1);
	REQUIRE(cursor_check(request, &any_depth, NULL, NULL) == 1);
	if (request.len % 3 == 2 && make_late(r, s, (wherry_span){0}, answer))
		return FRAME_LATE;
	buffer_append(out, answer.ptr, answer.len);
	return FRAME_ANSWERED;
}

// What was popped last is acknowledged before the next is, or nothing was.
enum frame_result router_frame(
    struct router *r, struct session *s, wherry_span header, wherry_span body, struct buffer *out)
{
	char answer[] = "\x94\x01\x00\xc0\x91\x82\xa5token\x00\xa5value\xa4pull";
	bool acks = memmem(body.ptr, body.len, "queue.ack", 9) != NULL,
	     pops = memmem(body.ptr, body.len, "queue.pop", 9) != NULL;
	REQUIRE(open_turn == NULL && s->ops == &pull_ops && atomic_load(&s->parked) > 0 && (acks || pops));
	REQUIRE(!acks || r->popped > 0);
	REQUIRE(cursor_check(body, &any_depth, NULL, NULL) == acks + pops);
	if (!pops || r->popped == PUBLISHED_MOST)
		return FRAME_LATE; // nobody asks for the first; the other never comes
	r->popped++;
	if (r->popped % 3 == 0 && make_late(r, s, header, span_of(answer, sizeof(answer) - 1)))
		return FRAME_LATE;
	buffer_append(out, answer, sizeof(answer) - 1);
	return FRAME_ANSWERED;
}

struct store *router_store(struct router *r)
{
	(void)r;
	return NULL; // asked for nothing here
}

static enum frame_result run(
    struct router *r, struct session *s, wherry_span header, wherry_span body, struct buffer *out)
{
	char first = body.len > 0 ? *(const char *)body.ptr : 0;
	if (s->ops == &push_ops)
		return run_push(r, s, body, out);
	if (first == 'L' && make_late(r, s, header, body))
		return FRAME_LATE;
	if (first == 'C')
		s->ops->close(s, "it asked for it");
	if (first == 'B' && buffer_reserve(out, LARGE)) {
		memset(out->data + out->len, 'b', LARGE);
		out->len += LARGE;
	} else if (first != 'N') {
		buffer_append(out, body.ptr, body.len);
	}
	return FRAME_ANSWERED;
}

void router_turn_begin(struct router_turn *t, struct router *r, struct session *s)
{
	REQUIRE(open_turn == NULL);
	*t = (struct router_turn){.router = r, .session = s};
	open_turn = t;
}

bool router_turn_ahead(struct router_turn *t, wherry_span body)
{
	REQUIRE(open_turn == t && t->next == 0 && body.len <= AHEAD_KEPT);
	if (t->ahead == AHEAD_MOST || body.len == 0 || *(const char *)body.ptr == 'X')
		return false;
	struct ahead *a = &t->router->ahead[t->ahead++];
	a->body = body;
	memcpy(a->bytes, body.ptr, body.len);
	return true;
}

// Whatever of those that were looked at ahead is still to come has not moved.
enum frame_result router_turn_frame(struct router_turn *t, wherry_span header, wherry_span body, struct buffer *out)
{
	REQUIRE(open_turn == t);
	for (unsigned i = t->next; i < t->ahead; i++)
		REQUIRE(span_equal(
		    t->router->ahead[i].body, span_of(t->router->ahead[i].bytes, t->router->ahead[i].body.len)));
	bool looked_at = t->next < t->ahead && t->router->ahead[t->next].body.ptr == body.ptr;
	REQUIRE(!looked_at || t->router->ahead[t->next].body.len == body.len);
	t->next = looked_at && t->next + 1 < t->ahead ? t->next + 1 : 0;
	t->ahead = t->next > 0 ? t->ahead : 0;
	return run(t->router, t->session, header, body, out);
}

void router_turn_pause(struct router_turn *t)
{
	REQUIRE(open_turn == t);
}

void router_turn_end(struct router_turn *t)
{
	REQUIRE(open_turn == t);
	open_turn = NULL;
}

void router_flush(struct router *r)
{
	REQUIRE(open_turn == NULL);
	(void)r;
}

static bool deliver_late(struct router *r)
{
	bool any = r->late_count > 0;
	for (unsigned i = 0; i < r->late_count; i++) {
		struct late_one *l = &r->late[i];
		l->session->ops->deliver(l->session, buffer_span(&l->header), &l->body);
		session_drop(l->session);
		buffer_free(&l->header);
		buffer_free(&l->body);
	}
	r->late_count = 0;
	return any;
}

// --- one connection -------------------------------------------------------------------------------------------------

static void finish_receive(struct stream *s, int status, size_t count)
{
	s->receiving = false;
	s->received(s->arg, status, count);
}

static void finish_send(struct stream *s, int status, size_t count)
{
	s->sending = false;
	s->sent(s->arg, status, count);
}

// The next thing that happens to the connection; false: nothing more does.
static bool happen(struct stream *s, struct router *r)
{
	if (s->woken_sent) {
		s->woken_sent = false;
		s->sent(s->arg, WHERRY_OK, 0);
	} else if (s->woken) {
		s->woken = false;
		s->received(s->arg, WHERRY_OK, 0);
	} else if (s->sending) {
		size_t count = s->closed ? 0 : cut(s, s->part.len);
		buffer_append(&s->output, s->part.ptr, count);
		finish_send(s, s->closed ? WHERRY_ESTALE : WHERRY_OK, count);
	} else if (s->receiving && (s->closed || s->input_left == 0)) {
		if (!s->closed && (deliver_late(r) || publish_some(r)))
			return true;
		s->heard_out = !s->closed;
		finish_receive(s, WHERRY_ESTALE, 0);
	} else if (s->receiving) {
		finish_receive(s, WHERRY_OK, take_input(s, s->into, s->room));
	} else {
		return deliver_late(r);
	}
	return true;
}

static struct wire_limits limits = {.max_frame = 5000,
    .max_connections = 10,
    .handshake_ms = 1000000,
    .outbox_bytes = 8000,
    .send_bytes = 4000,
    .resend_bytes = 1 << 20};

static struct bus_limits bus_limits = {.subscriptions = 10,
    .wildcards = 10,
    .messages = 1000,
    .bytes = 1 << 20,
    .messages_most = 1000,
    .bytes_most = 1 << 20};

static struct stream converse(struct server *server, bool marked, uint32_t cuts, wherry_span input)
{
	struct endpoint at = {.server = server, .marked = marked, .options = {.queue = "jobs"}};
	struct stream s = {.input = input.ptr, .input_left = input.len, .cuts = cuts};
	int status = conn_open(&at, &s);
	REQUIRE(status == WHERRY_OK || (status == WHERRY_ENOMEM && s.freed));
	while (!s.freed && happen(&s, server->config.router))
		REQUIRE(open_turn == NULL);
	REQUIRE(s.freed); // it ended: nothing was forgotten half-way
	REQUIRE(server->config.router->sessions == 0 && server->listed == 0 && server->alive == 0);
	return s;
}

static uint32_t hunger; // how many allocations succeed, then one fails; repeats

static bool may_alloc(size_t size)
{
	static uint32_t count;
	(void)size;
	return count++ % 32 != hunger;
}

// Without memory, connections end; they neither hang nor leak.
static void starve(struct server *server, bool marked, uint32_t cuts, wherry_span input)
{
	hunger = cuts >> 16 & 31;
	mem_may_alloc = may_alloc;
	struct stream s = converse(server, marked, cuts, input);
	mem_may_alloc = NULL;
	buffer_free(&s.output);
}

// Nothing is closed for being late, however slow the machine.
static uint64_t no_time(void *self)
{
	(void)self;
	return 1000000;
}

static struct server *make_server(void)
{
	static struct clock standing;
	static struct router router;
	static struct logger log = {.fd = -1};
	struct server_config config = {.router = &router, .log = &log, .limits = &limits};
	struct server *server;
	standing = clock_system;
	standing.ticks_ns = no_time;
	REQUIRE(timers_open(&config.timers, &standing) == WHERRY_OK);
	REQUIRE(bus_open(&router.bus, &bus_limits) == WHERRY_OK);
	REQUIRE(server_open(&server, &config) == WHERRY_OK);
	return server;
}

static uint16_t protocol_of(const struct buffer *input)
{
	uint16_t protocol = 0;
	return input->len >= SP_HELLO_BYTES && sp_hello_read(input->data, &protocol) ? protocol : 0;
}

// How much of what nobody asked for leaves before a peer has gone is a matter of time.
static bool is_told_more(const struct buffer *input)
{
	uint16_t protocol = protocol_of(input);
	return protocol == SP_SUB || protocol == SP_PULL;
}

// Without memory it would wait for a time that never comes: time stands still here.
static bool may_rest(const struct buffer *input)
{
	uint16_t protocol = protocol_of(input);
	return protocol == SP_PUSH || protocol == SP_PULL;
}

// One that is closed for a fault may lose what had not left.
static void compare(struct stream *whole, const struct stream *pieces)
{
	REQUIRE(whole->heard_out == pieces->heard_out);
	REQUIRE(whole->heard_out ? whole->output.len == pieces->output.len : whole->output.len >= pieces->output.len);
	whole->output.len = pieces->output.len;
	REQUIRE(span_equal(buffer_span(&whole->output), buffer_span(&pieces->output)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct server *server;
	static const uint16_t protocols[] = {SP_REQ, SP_PAIR1, SP_PAIR0, SP_PUB, SP_SUB, SP_PUSH, SP_PULL};
	enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };
	if (server == NULL)
		server = make_server();
	if (size < 3)
		return -1;
	struct buffer input = {0};
	uint8_t hello[SP_HELLO_BYTES];
	sp_hello_write(hello, protocols[data[0] % PROTOCOLS]);
	if (data[0] < 0xf0) // else the hello is the input's own
		buffer_append(&input, hello, sizeof(hello));
	buffer_append(&input, data + 3, size - 3);
	bool marked = data[0] / PROTOCOLS % 2;
	struct stream whole = converse(server, marked, 0, buffer_span(&input));
	uint32_t cuts = 1u | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
	struct stream pieces = converse(server, marked, cuts, buffer_span(&input));
	if (!is_told_more(&input))
		compare(&whole, &pieces);
	if (data[1] % 4 == 0 && !may_rest(&input))
		starve(server, marked, cuts, buffer_span(&input));
	REQUIRE(atomic_load(&server->resend_budget.used) == 0);
	buffer_free(&whole.output);
	buffer_free(&pieces.output);
	buffer_free(&input);
	return 0;
}
