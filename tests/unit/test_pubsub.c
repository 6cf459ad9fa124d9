// The pubsub module as its clients see it.

#include "embed.h"
#include "embed_await.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_message_reaches_who_listens(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	expect(b, "pubsub.publish news.a hello", "0");
	expect(b, "pubsub.subscribe news.* other", "1");
	expect(b,
	    "pubsub.publish news.a hello ; pubsub.publish news.a.b no ; pubsub.publish other [1] --headers={\"x\": 2}",
	    "1 ; 0 ; 1");
	expect(b, "session.fetch",
	    "[[\"messages\", [1, 1, 0, [[\"news.a\", \"hello\", null], [\"other\", [1], {\"x\": 2}]]]]]");
	expect(b, "session.fetch", "[]");
	expect_like(b, "pubsub.subscriptions",
	    "[[]{\"id\": 1, \"filters\": [[]\"news.[*]\", \"other\"], \"group\": null, \"sticky\": null, \"overflow\": "
	    "\"drop_oldest\", \"max_messages\": 1000, \"max_bytes\": 1048576, \"pending\": 0, \"pending_bytes\": 0, "
	    "\"delivered\": 2, \"dropped\": 0}]");
	expect(b, "pubsub.topics --match=other", "[{\"filter\": \"other\", \"subscriptions\": 1, \"groups\": 0}]");
	expect(b, "pubsub.unsubscribe 1", "1");
	expect(b, "pubsub.publish news.a hello", "0");
	expect_like(b, "session.fetch", "ESTALE: *");
	expect(b, "pubsub.topics ; pubsub.subscriptions", "[] ; []");
	embed_close(b);
}

static void only_ones_own(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	struct embed_session *other = embed_session_open(b);
	expect(b, "pubsub.subscribe a ; pubsub.subscribe b", "1 ; 2");
	embed_expect_text(embed_session_call(other, "pubsub.unsubscribe 1"),
	    "ENOKEY: this session has no subscription 1", 0, __FILE__, __LINE__);
	expect(b, "pubsub.unsubscribe 1973", "ENOKEY: this session has no subscription 1973");
	expect(b, "pubsub.unsubscribe 1 1973", "ENOKEY: this session has no subscription 1973");
	expect(b, "pubsub.publish a 1", "1"); // none was ended
	expect(b, "pubsub.unsubscribe 1 2 1", "2");
	embed_session_close(other);
	embed_close(b);
}

static void a_session_s_end_ends_its_subscriptions(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	struct embed_session *other = embed_session_open(b);
	free(embed_session_call(other, "pubsub.subscribe a"));
	expect(b, "pubsub.publish a 1", "1");
	embed_session_close(other);
	expect(b, "pubsub.publish a 1", "0");
	embed_close(b);
}

static void topics_of_all_kinds(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	char line[700], topic[600];
	expect(b, "pubsub.publish \"\" 1", "EARG: argument \"topic\": it is empty");
	expect(b, "pubsub.publish a..b 1", "EARG: argument \"topic\": it has an empty token");
	expect(b, "pubsub.publish .a 1", "EARG: argument \"topic\": it has an empty token");
	expect(b, "pubsub.publish a. 1", "EARG: argument \"topic\": it has an empty token");
	expect(b, "pubsub.publish a.* 1", "EARG: the topic: a topic can't have a wildcard; a filter can");
	expect(b, "pubsub.publish > 1", "EARG: the topic: a topic can't have a wildcard; a filter can");
	expect(b, "pubsub.publish a*.b>c 1", "0"); // not alone in its token, it is a letter like others
	expect(b, "pubsub.publish \"a\\x00b\" 1", "EARG: argument \"topic\": it has a zero byte");
	expect(b, "pubsub.subscribe a.>.b", "EARG: argument \"filter\": '>' can only be the last token");
	expect_like(b, "pubsub.publish [1] 1", "EARG: argument \"topic\" must be str, not array");
	memset(topic, 'a', sizeof(topic));
	snprintf(line, sizeof(line), "pubsub.publish %.512s 1", topic);
	expect(b, line, "0");
	snprintf(line, sizeof(line), "pubsub.publish %.513s 1", topic);
	expect(b, line, "EARG: argument \"topic\": it is longer than 512 bytes");
	expect(b, "pubsub.publish $sys.x 1", "EDENIED: topics that begin with $ are the broker's own");
	expect(b, "pubsub.publish $ 1", "EDENIED: topics that begin with $ are the broker's own");
	expect(b, "pubsub.request $sys.x 1", "EDENIED: topics that begin with $ are the broker's own");
	expect(b, "pubsub.subscribe $sys.> a", "1");
	expect(b, "pubsub.subscribe a $reply.>", "EDENIED: replies go to those who asked, and nobody else");
	embed_close(b);
}

static void words_and_bounds(void **state)
{
	(void)state;
	const char *options[] = {"max_subscriptions=3", "max_subscription_messages=50", "max_wildcards=1",
	    "pubsub.max_payload=64", "pubsub.max_headers=64", NULL};
	struct embed *b = embed_open_with("pubsub", options);
	expect(b, "pubsub.subscribe a --overflow=no",
	    "EARG: option \"overflow\" must be drop_oldest, drop_newest, conflate or disconnect");
	expect(b, "pubsub.subscribe a --max-messages=0", "EARG: option \"max_messages\" must be above 0");
	expect(b, "pubsub.subscribe a --max-bytes=-1", "EARG: option \"max_bytes\" must be above 0");
	expect_like(b, "pubsub.subscribe", "EARG: pubsub.subscribe takes at least 1 argument, not 0; *");
	expect(b, "pubsub.subscribe a --sticky=x", "EARG: sticky chooses among the members of a group: name one");
	expect(b, "pubsub.subscribe a --group=g --retained",
	    "EARG: a group does not get what is retained: each of its members would");
	expect(b, "pubsub.subscribe a --max-messages=1000000 --overflow=conflate --group=g --sticky=user", "1");
	expect_like(b, "pubsub.subscriptions",
	    "*\"group\": \"g\", \"sticky\": \"user\", \"overflow\": \"conflate\", \"max_messages\": 50, *");
	expect(b, "pubsub.subscribe a.* ; pubsub.subscribe b.*",
	    "2 ; ELIMIT: there are max_wildcards different filters with a wildcard already");
	expect(b, "pubsub.subscribe b", "3");
	expect(b, "pubsub.subscribe c",
	    "ELIMIT: the session has max_subscriptions already: end one with pubsub.unsubscribe");
	char payload[200] = "pubsub.publish a ";
	memset(payload + strlen(payload), 'x', 64);
	expect(b, payload, "ELIMIT: the payload has 66 bytes, more than pubsub.max_payload, 64");
	expect_like(b,
	    "pubsub.publish a 1 --headers={a: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
	    "ELIMIT: the map of headers has * bytes, more than pubsub.max_headers, 64");
	expect(b, "pubsub.publish a 1 --headers={1: 2}", "EARG: option \"headers\": names are str");
	expect(b, "pubsub.publish a 1 --headers={retained: true}",
	    "EARG: option \"headers\": \"retained\" is the broker's own");
	embed_close(b);
}

static void fewer_than_required(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	expect(b, "pubsub.publish a 1 --require=1", "ENORESP: fewer than the required 1 listen: nothing was sent");
	expect(b, "pubsub.publish a 1 --require=0", "0");
	expect(b, "pubsub.publish a 1 --require=-1", "EARG: option \"require\" must not be negative");
	expect(b, "pubsub.subscribe a", "1");
	expect(b, "pubsub.publish a 2 --require=1", "1");
	expect(b, "pubsub.publish a 3 --require=2", "ENORESP: fewer than the required 2 listen: nothing was sent");
	expect(b, "pubsub.publish a 4 --require=2 --retain",
	    "ENORESP: fewer than the required 2 listen: nothing was sent");
	expect(b, "pubsub.retained a", "[]");
	expect(b, "session.fetch", "[[\"messages\", [1, 1, 0, [[\"a\", 2, null]]]]]");
	embed_close(b);
}

static void the_last_message_is_kept(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	expect(b, "pubsub.publish t.a 1 --retain", "0");
	expect(b, "pubsub.publish t.a 2 --retain --headers={x: 1}", "0");
	expect(b, "pubsub.publish t.b 3", "0");
	expect(b, "pubsub.subscribe t.* --retained ; pubsub.publish t.a 4 --retain ; session.fetch",
	    "1 ; 1 ; [[\"messages\", [1, 1, 0, [[\"t.a\", 2, {\"retained\": true, \"x\": 1}], [\"t.a\", 4, null]]]]]");
	expect(b, "pubsub.retained >", "[{\"topic\": \"t.a\", \"payload\": 4, \"headers\": null, \"ttl_ms\": null}]");
	expect(b, "pubsub.publish t.a null --retain", "1");
	expect(b, "pubsub.retained t.a", "[]");
	expect(
	    b, "pubsub.publish t.a 5 --retain ; pubsub.publish t.a b\"\" --retain ; pubsub.retained t.>", "1 ; 1 ; []");
	expect(b, "pubsub.publish t.a 1 --ttl-ms=5",
	    "EARG: option \"ttl_ms\" needs \"retain\": only what is kept expires");
	expect(b, "pubsub.publish t.a 1 --retain --ttl-ms=0", "EARG: option \"ttl_ms\" must be above 0");
	embed_close(b);
}

static void what_is_kept_ends(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	expect(b, "pubsub.publish a 1 --retain --ttl-ms=20 ; pubsub.publish b 2 --retain --ttl-ms=100000", "0 ; 0");
	embed_await_like(b, "pubsub.retained >", "[[]{\"topic\": \"b\", *\"ttl_ms\": [0-9]*}]");
	embed_await_like(b, "sys.stats", "*\"$pubsub\": {\"keys\": 1}*"); // freed, though nobody read it
	embed_await_like(b, "sys.stats", "*\"retained\": 1, *");
	expect(b, "pubsub.publish b 3 --retain", "0"); // and now it lives on
	expect(b, "pubsub.retained b", "[{\"topic\": \"b\", \"payload\": 3, \"headers\": null, \"ttl_ms\": null}]");
	embed_close(b);
}

static void what_is_kept_survives_a_reload(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	expect(b, "pubsub.publish a 1 --retain ; pubsub.publish b 2 --retain --ttl-ms=50", "0 ; 0");
	expect(b, "module.unload pubsub", "true");
	embed_await_like(b, "sys.stats", "*\"$pubsub\": {\"keys\": *");
	char load[300];
	snprintf(load, sizeof(load), "module.load %s", embed_module_path("pubsub"));
	expect(b, load, "true");
	embed_await_like(b, "pubsub.retained >", "[[]{\"topic\": \"a\", \"payload\": 1, *}]");
	expect(b, "module.reload pubsub", "true");
	expect_like(b, "pubsub.subscribe a --retained ; session.fetch", "1 ; *[[]\"a\", 1, {\"retained\": true}]*");
	embed_close(b);
}

static void what_may_be_kept_is_bounded(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("pubsub", (const char *[]){"max_retained=2", NULL});
	expect(b, "pubsub.publish a 1 --retain ; pubsub.publish b 1 --retain", "0 ; 0");
	expect_like(b, "pubsub.publish c 1 --retain", "ELIMIT: no room for another retained message: *");
	expect(b, "pubsub.publish a 2 --retain ; pubsub.publish b null --retain ; pubsub.publish c 1 --retain",
	    "0 ; 0 ; 0");
	expect(b, "sys.config max_retained_bytes 300", "300");
	expect_like(b,
	    "pubsub.publish d b\"0123456789012345678901234567890123456789012345678901234567890123456789\" --retain",
	    "ELIMIT: *");
	embed_close(b);
}

static void nobody_sees_a_module_s_own_namespace(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub,kv");
	expect(b, "pubsub.publish a 1 --retain", "0");
	expect(b, "kv.type a", "null");
	expect(b, "kv.get a --ns=$pubsub", "ENOKEY: there is no namespace \"$pubsub\"; see ns.list");
	expect(b, "session.use $pubsub", "ENOKEY: no namespace \"$pubsub\"; see ns.list");
	expect_like(b, "ns.create $pubsub", "EARG: namespace \"$pubsub\": a name is 1 to 64 of A-Z a-z 0-9 _ . -");
	expect_like(b, "ns.list", "[[]{\"name\": \"default\", \"keys\": 0}]");
	expect(b, "kv.scan 0", "[0, []]");
	expect(b, "pubsub.recover", "EDENIED: pubsub.recover is for the broker itself");
	expect(b, "kv.clear ; pubsub.retained a",
	    "0 ; [{\"topic\": \"a\", \"payload\": 1, \"headers\": null, \"ttl_ms\": null}]");
	embed_close(b);
}

// --- requests -----------------------------------------------------------------------------------------------------------

// The topic that the fetched message says.
static void reply_topic(const char *fetched, char *topic)
{
	const char *at = strstr(fetched, "$reply.");
	assert_non_null(at);
	size_t len = strcspn(at, "\"");
	memcpy(topic, at, len);
	topic[len] = 0;
}

static void the_first_answer_wins(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub");
	char topic[100], line[400];
	expect(b, "pubsub.request add [1, 2]", "ENORESP: nobody listens to that topic");
	expect(b, "pubsub.subscribe add", "1");
	struct embed_pending *asked = embed_begin(b, "pubsub.request add [1, 2] --headers={x: 1}");
	embed_wait_parked(b, 1);
	char *got = embed_call(b, "session.fetch");
	assert_non_null(strstr(got, "[\"add\", [1, 2], {\"x\": 1, \"reply_to\": \"$reply."));
	reply_topic(got, topic);
	free(got);
	snprintf(line, sizeof(line), "pubsub.publish %s 3 ; pubsub.publish %s 4", topic, topic);
	expect(b, line, "1 ; ENORESP: nobody waits for that reply: it was answered, or given up");
	expect_end(asked, "3");
	expect(b, line,
	    "ENORESP: nobody waits for that reply: it was answered, or given up ; ENORESP: nobody waits for that "
	    "reply: it was answered, or given up");
	expect_like(b, "pubsub.publish $reply.1.2 1 ; pubsub.publish $reply.x 1", "ENORESP: * ; ENORESP: *");
	expect_like(b, "pubsub.publish $reply.1.2 1 --retain", "EARG: a reply can't be retained");
	expect(b, "pubsub.request add 1 --timeout-ms=5", "ETIMEOUT: nobody answered in time");
	expect(b, "pubsub.request add 1 --timeout-ms=0", "EARG: option \"timeout_ms\" must be between 1 and 3600000");
	expect_like(b, "module.show pubsub", "*\"metrics\": {\"requests\": 2, \"answers\": 1, \"given_up\": 1}*");
	embed_close(b);
}

static void who_left_is_not_answered(void **state)
{
	(void)state;
	struct embed *b = embed_open_with("pubsub", (const char *[]){"pubsub.max_requests=1", NULL});
	expect(b, "pubsub.subscribe add", "1");
	struct embed_pending *asked = embed_begin(b, "pubsub.request add 1");
	embed_wait_parked(b, 1);
	expect_like(b, "module.reload pubsub", "true");
	expect_end(asked, "EAGAIN: the module or the broker ends: nobody waits for the answer any more");
	expect_like(b, "pubsub.publish $reply.1.0000000000000001 1", "ENORESP: *");
	embed_close(b);
}

// --- in a transaction ---------------------------------------------------------------------------------------------------

static void part_of_a_transaction(void **state)
{
	(void)state;
	struct embed *b = embed_open("pubsub,kv");
	expect(b, "pubsub.subscribe >", "1");
	expect(b, "tx.exec [[kv.set, [a, 1]], [pubsub.publish, [t, 1]], [pubsub.publish, [t, 2], {retain: true}]]",
	    "[1, 1, 1]");
	expect(b, "session.fetch", "[[\"messages\", [1, 1, 0, [[\"t\", 1, null], [\"t\", 2, null]]]]]");
	expect_like(
	    b, "tx.exec [[pubsub.publish, [t, 3]], [pubsub.publish, [t, 4], {retain: true}], [kv.incr, [t, x]]]", "E*");
	expect_like(
	    b, "session.fetch ; pubsub.retained t", "[[]] ; [[]{*\"payload\": 2,*}]"); // as if it had never been
	expect_like(b,
	    "tx.exec [[pubsub.publish, [t, 5]], [kv.append, [a, x]], [pubsub.publish, [t, 6]]] --on-error=continue",
	    "[[][[]null, 1], [[][[]-1, \"EARG\", *], null], [[]null, 1]]");
	expect(b, "session.fetch", "[[\"messages\", [1, 3, 0, [[\"t\", 5, null], [\"t\", 6, null]]]]]");
	expect_like(b, "tx.exec [[pubsub.subscribe, [t]]]", "EUNSUPPORTED: *");
	expect_like(b, "tx.exec [[pubsub.request, [t, 1]]]", "EUNSUPPORTED: *");
	embed_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_message_reaches_who_listens),
	    cmocka_unit_test(only_ones_own),
	    cmocka_unit_test(a_session_s_end_ends_its_subscriptions),
	    cmocka_unit_test(topics_of_all_kinds),
	    cmocka_unit_test(words_and_bounds),
	    cmocka_unit_test(fewer_than_required),
	    cmocka_unit_test(the_last_message_is_kept),
	    cmocka_unit_test(what_is_kept_ends),
	    cmocka_unit_test(what_is_kept_survives_a_reload),
	    cmocka_unit_test(what_may_be_kept_is_bounded),
	    cmocka_unit_test(nobody_sees_a_module_s_own_namespace),
	    cmocka_unit_test(the_first_answer_wins),
	    cmocka_unit_test(who_left_is_not_answered),
	    cmocka_unit_test(part_of_a_transaction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
