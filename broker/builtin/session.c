// The built-in module "session": what a client says and asks about its own session.

#include "broker.h"
#include "bus/bus.h"
#include "builtin/describe.h"
#include "builtin/quote.h"
#include "builtin/rows.h"
#include "run/call.h"

enum { PROTOCOL = 1 };

// Requests of the broker itself, as modules submit them, have no session.
static struct session *session_of(wherry_call *call)
{
	return call_of(call)->session;
}

static int32_t no_session(wherry_call *call)
{
	return call_fail(call, WHERRY_EARG, "the broker's own requests have no session");
}

static void add_limits(struct rows *map, const wherry_broker *b)
{
	struct rows limits;
	rows_begin(&limits);
	rows_int(&limits, "frame", atomic_load(&b->wire_limits.max_frame));
	rows_int(&limits, "answer", atomic_load(&b->router_limits.answer_bytes));
	rows_int(&limits, "key", atomic_load(&b->router_limits.key_bytes));
	rows_int(&limits, "depth", atomic_load(&b->router_limits.depth));
	rows_int(&limits, "elements", atomic_load(&b->router_limits.elements));
	rows_int(&limits, "parked", atomic_load(&b->router_limits.parked_per_session));
	rows_name(map, "limits");
	map->bytes.failed |= rows_end_map(&limits, &map->out) != WHERRY_OK;
}

static bool fits(wherry_span client)
{
	return client.len < sizeof(((struct session *)0)->client) && text_is_utf8(client) &&
	       memchr(client.ptr, 0, client.len) == NULL;
}

static int32_t run_hello(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct session *s = session_of(call);
	const wherry_value *client = &call->args[0], *version = &call->args[1];
	if (s == NULL)
		return no_session(call);
	if (version->kind != WHERRY_ABSENT && version->as.i != PROTOCOL)
		return call_failf(call, WHERRY_EUNSUPPORTED, "this broker speaks version %d of the protocol", PROTOCOL);
	if (client->kind != WHERRY_ABSENT && !fits(client->as.bytes))
		return call_failf(
		    call, WHERRY_EARG, "option \"client\" must be UTF-8 of at most %zu bytes", sizeof(s->client) - 1);
	if (client->kind != WHERRY_ABSENT)
		session_hello(b->router, s, client->as.bytes);
	struct rows map;
	rows_begin(&map);
	rows_number(&map, "session", s->id);
	rows_text(&map, "server", "wherry");
	rows_text(&map, "version", wherry_version());
	rows_int(&map, "protocol", PROTOCOL);
	add_limits(&map, b);
	return rows_end_map(&map, call->reply);
}

static int32_t run_info(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct session *s = session_of(call);
	if (s == NULL)
		return no_session(call);
	char client[sizeof(s->client)] = "";
	session_client(b->router, s->id, client);
	struct rows map;
	rows_begin(&map);
	rows_number(&map, "session", s->id);
	rows_text(&map, "remote", s->remote);
	rows_text(&map, "client", client);
	rows_text(&map, "ns", store_ns_name(b->store, atomic_load(&s->ns)));
	rows_bool(&map, "duplex", s->duplex);
	rows_int(&map, "since_ms", s->since_ms);
	rows_number(&map, "parked", atomic_load(&s->parked) - 1); // one is for being open
	return rows_end_map(&map, call->reply);
}

static int32_t run_use(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct session *s = session_of(call);
	wherry_span name = call->args[0].as.bytes;
	uint32_t ns;
	if (s == NULL)
		return no_session(call);
	if (store_ns_is_own(name) || store_ns_find(b->store, name, &ns) != WHERRY_OK)
		return call_failf(call, WHERRY_ENOKEY, "no namespace %s; see ns.list", QUOTED(name));
	atomic_store(&s->ns, ns);
	pack_bool(call->reply, true);
	return WHERRY_OK;
}

// --- what it subscribed to ----------------------------------------------------------------------------------------------

enum { FETCH_MAX, FETCH_MAX_BYTES, FETCH_WAIT_MS };
enum { FETCH_MESSAGES = 1024, FETCH_BYTES = 1 << 20 };

// At least one, or an answer that is too large would lose what was taken.
static int64_t chosen(const wherry_value *option, int64_t preset, int64_t most)
{
	int64_t wanted = option->kind == WHERRY_ABSENT ? preset : option->as.i;
	return wanted < 1 ? 1 : wanted < most ? wanted : most;
}

static bool take(const wherry_broker *b, wherry_call *call, struct outbox *o)
{
	struct buffer bytes = {0};
	int64_t room = atomic_load(&b->router_limits.answer_bytes) / 2;
	int64_t messages = chosen(&call->args[FETCH_MAX], FETCH_MESSAGES, INT32_MAX);
	int64_t most = chosen(&call->args[FETCH_MAX_BYTES], FETCH_BYTES, room);
	struct outbox_taken taken = outbox_take(o, OUTBOX_FETCHED, (uint32_t)messages, (size_t)most, &bytes);
	if (taken.deliveries > 0) {
		pack_array(call->reply, taken.deliveries);
		pack_raw(call->reply, buffer_span(&bytes));
	}
	buffer_free(&bytes);
	return taken.deliveries > 0;
}

// One fetch waits at a time: a later one ends the one before.  What comes between the look and the wait wakes it too.
static int32_t wait_for_some(const wherry_broker *b, wherry_call *call, struct outbox *o)
{
	struct session *s = session_of(call);
	uint64_t ticket;
	int32_t status = call_keys.park(call, call->args[FETCH_WAIT_MS].as.i, &ticket);
	if (status != WHERRY_OK)
		return status;
	uint64_t before = atomic_exchange(&s->fetch, ticket);
	if (before != 0)
		router_wake(b->router, before);
	return take(b, call, o) ? WHERRY_OK : WHERRY_PARKED;
}

static int32_t run_fetch(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct session *s = session_of(call);
	if (s == NULL)
		return no_session(call);
	struct outbox *o = session_outbox_opened(s);
	if (s->ops->ready != NULL)
		return call_fail(call, WHERRY_EUNSUPPORTED, "messages are pushed to this connection as they come");
	if (o == NULL || !outbox_subscribes(o))
		return call_fail(
		    call, WHERRY_ESTALE, "this session has no subscription: subscribe, also after each new connection");
	router_flush(b->router); // what was published before this was asked, and is not yet on its way
	if (take(b, call, o))
		return WHERRY_OK;
	const wherry_value *wait = &call->args[FETCH_WAIT_MS];
	if (call->why == WHERRY_WHY_FIRST && wait->kind != WHERRY_ABSENT && wait->as.i != 0)
		return wait_for_some(b, call, o);
	pack_array(call->reply, 0);
	return WHERRY_OK;
}

// --- its will -----------------------------------------------------------------------------------------------------------

enum { WILL_TOPIC, WILL_PAYLOAD, WILL_RETAIN };
enum { WILL_MOST = 64 << 10 };

static int32_t check_will(const wherry_broker *b, wherry_call *call)
{
	wherry_span topic = call->args[WILL_TOPIC].as.bytes;
	const char *why = topic_fault(topic);
	if (why != NULL)
		return call_failf(call, WHERRY_EARG, "argument \"topic\": %s", why);
	if (*(const char *)topic.ptr == '$')
		return call_fail(call, WHERRY_EDENIED, "topics that begin with $ are the broker's own");
	if (call->args[WILL_PAYLOAD].raw.len > WILL_MOST)
		return call_failf(call, WHERRY_ELIMIT, "a will has at most %d bytes", WILL_MOST);
	if (command_find(router_commands(b->router), span_text("pubsub.publish")) == NULL)
		return call_fail(call, WHERRY_EUNSUPPORTED, "nobody would publish it: load the module pubsub");
	return WHERRY_OK;
}

// [2, "pubsub.publish", [topic, payload], {"retain": true}]
static void pack_will(const wherry_call *call, struct buffer *request)
{
	const wherry_value *retain = &call->args[WILL_RETAIN];
	struct wherry_out pack = {request, NULL};
	pack_array(&pack, 4);
	pack_int(&pack, 2);
	pack_cstring(&pack, "pubsub.publish");
	pack_array(&pack, 2);
	pack_text(&pack, call->args[WILL_TOPIC].as.bytes);
	if (call->args[WILL_PAYLOAD].kind != WHERRY_ABSENT)
		pack_raw(&pack, call->args[WILL_PAYLOAD].raw);
	else
		pack_nil(&pack);
	pack_map(&pack, 1);
	pack_cstring(&pack, "retain");
	pack_bool(&pack, retain->kind == WHERRY_BOOL && retain->as.i != 0);
}

static int32_t run_will(void *self, wherry_call *call)
{
	const wherry_broker *b = self;
	struct session *s = session_of(call);
	struct buffer request = {0};
	if (s == NULL)
		return no_session(call);
	if (call->args[WILL_TOPIC].kind != WHERRY_NIL) {
		int32_t status = check_will(b, call);
		if (status != WHERRY_OK)
			return status;
		pack_will(call, &request);
	}
	if (request.failed) {
		buffer_free(&request);
		return WHERRY_ENOMEM;
	}
	session_set_will(s, &request);
	pack_bool(call->reply, true);
	return WHERRY_OK;
}

static int32_t run_close(void *self, wherry_call *call)
{
	(void)self;
	struct session *s = session_of(call);
	if (s == NULL)
		return no_session(call);
	session_set_will(s, NULL);
	s->ops->close(s, "session.close");
	pack_bool(call->reply, true);
	return WHERRY_OK;
}

static const wherry_arg hello_args[] = {
    ARG("client", WHERRY_TEXT, WHERRY_ARG_OPTION,
	"what the client calls itself, shown by session.info; at most 63 bytes of UTF-8"),
    ARG("version", WHERRY_INT, WHERRY_ARG_OPTION, "the version of the protocol that the client speaks: 1"),
};

static const wherry_arg use_args[] = {
    ARG("name", WHERRY_TEXT, 0, "a namespace of ns.list"),
};

static const wherry_arg will_args[] = {
    ARG("topic", WHERRY_TEXT | WHERRY_NIL, 0, "where it is published; nil: there is no will any more"),
    ARG("payload", WHERRY_ANY_KIND, WHERRY_ARG_OPTIONAL, "any value; nil without it"),
    ARG("retain", WHERRY_BOOL, WHERRY_ARG_OPTION, "keep it as the topic's last message"),
};

static const wherry_arg fetch_args[] = {
    ARG("max", WHERRY_INT, WHERRY_ARG_OPTION, "messages at most; 1024"),
    ARG("max_bytes", WHERRY_INT, WHERRY_ARG_OPTION, "bytes at most, but at least one message; 1 MiB"),
    ARG("wait_ms", WHERRY_INT, WHERRY_ARG_OPTION,
	"how long to wait for the first message; 0, the preset: not at all; negative: as long as may be"),
};

static const wherry_command commands[] = {
    COMMAND_ARGS("session.hello", "session", WHERRY_CMD_ALONE, run_hello, hello_args,
	"Introduces the client.  Answers a map: session (its id), server, version (of the broker), "
	"protocol, and "
	"limits: frame, answer and key in bytes, depth, elements, parked.  EUNSUPPORTED: another "
	"version of the "
	"protocol."),
    COMMAND("session.info", "session", WHERRY_CMD_ALONE, run_info,
	"This session: a map with session (its id), remote, client, ns, duplex (may be pushed to), "
	"since_ms, parked "
	"(how many of its requests wait)."),
    COMMAND_ARGS("session.use", "session", WHERRY_CMD_ALONE, run_use, use_args,
	"The session's requests go to this namespace from now on; answers true.  ENOKEY: no such namespace."),
    COMMAND_ARGS("session.fetch", "session", WHERRY_CMD_PARKS | WHERRY_CMD_ALONE, run_fetch, fetch_args,
	"What the session's subscriptions got, for a client that can't be pushed to (REQ): an array of [method, "
	"params] as "
	"they would be pushed, empty if nothing came.  A second one ends the one that waits.  ESTALE: no "
	"subscription."),
    COMMAND_ARGS("session.will", "publish", WHERRY_CMD_ALONE, run_will, will_args,
	"The message that the broker publishes should the session end without session.close: its connection lost, its "
	"program killed.  A later one takes its place.  Answers true."),
    COMMAND("session.close", "session", WHERRY_CMD_ALONE, run_close,
	"Answers true, then ends the session: its connection is closed once all answers have left."),
};

const wherry_module builtin_session = BUILTIN("session", commands);
