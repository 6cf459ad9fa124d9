// Topics and filters: what is well formed, and what matches what.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bus/topic.h"

static void accepts_topics_and_filters(void **state)
{
	(void)state;
	static const char *const topics[] = {"a", "a.b.c", "$sys.x", "a*.b>", "**", "Z\xc3\xbcrich.x", "with space"};
	static const char *const filters[] = {"a", "*", ">", "a.*.c", "a.>", "*.*.>", "$key.>", "a*.b>"};
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
		assert_null(topic_fault(span_text(topics[i])));
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		assert_null(filter_fault(span_text(filters[i])));
}

static void says_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		wherry_span text;
		const char *topic, *filter;
	} cases[] = {
	    {{"", 0}, "it is empty", "it is empty"},
	    {{NULL, 0}, "it is empty", "it is empty"},
	    {{".", 1}, "it has an empty token", "it has an empty token"},
	    {{"a.", 2}, "it has an empty token", "it has an empty token"},
	    {{".a", 2}, "it has an empty token", "it has an empty token"},
	    {{"a..b", 4}, "it has an empty token", "it has an empty token"},
	    {{"a\0b", 3}, "it has a zero byte", "it has a zero byte"},
	    {{"a\xff", 2}, "it is not UTF-8", "it is not UTF-8"},
	    {{"a.*", 3}, "a topic can't have a wildcard; a filter can", NULL},
	    {{">", 1}, "a topic can't have a wildcard; a filter can", NULL},
	    {{"a.>.b", 5}, "a topic can't have a wildcard; a filter can", "'>' can only be the last token"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *topic = topic_fault(cases[i].text), *filter = filter_fault(cases[i].text);
		assert_string_equal(topic, cases[i].topic);
		if (cases[i].filter == NULL)
			assert_null(filter);
		else
			assert_string_equal(filter, cases[i].filter);
	}
}

static void bounds_the_length(void **state)
{
	(void)state;
	char text[TOPIC_MOST + 1];
	memset(text, 'x', sizeof(text));
	assert_null(topic_fault(span_of(text, TOPIC_MOST)));
	assert_string_equal(topic_fault(span_of(text, TOPIC_MOST + 1)), "it is longer than 512 bytes");
	assert_string_equal(filter_fault(span_of(text, TOPIC_MOST + 1)), "it is longer than 512 bytes");
}

static void matches_token_by_token(void **state)
{
	(void)state;
	static const struct {
		const char *filter, *topic;
		bool matches;
	} cases[] = {
	    {"a", "a", true},
	    {"a", "b", false},
	    {"a", "a.b", false},
	    {"a.b", "a", false},
	    {"a.b", "a.b", true},
	    {"a.b", "a.bc", false},
	    {"*", "a", true},
	    {"*", "a.b", false},
	    {"a.*", "a.b", true},
	    {"a.*", "a", false},
	    {"a.*.c", "a.b.c", true},
	    {"a.*.c", "a.b.d", false},
	    {"*.*", "a.b", true},
	    {">", "a", true},
	    {">", "a.b.c", true},
	    {"a.>", "a.b", true},
	    {"a.>", "a.b.c.d", true},
	    {"a.>", "a", false},
	    {"a.>", "b.c", false},
	    {"*.b.>", "a.b.c", true},
	    {"*.b.>", "a.b", false},
	    {"a*", "a*", true},
	    {"a*", "ab", false},
	    {">", "$sys.up", false},
	    {"*", "$sys", false},
	    {"*.up", "$sys.up", false},
	    {"$sys.>", "$sys.up", true},
	    {"$sys.*", "$sys.up", true},
	    {"$sys.up", "$sys.up", true},
	    {"a.>", "a.$b", true},
	    {"a.*", "a.$b", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (filter_matches(span_text(cases[i].filter), span_text(cases[i].topic)) != cases[i].matches)
			fail_msg("%s and %s", cases[i].filter, cases[i].topic);
}

// No filter makes matching try again: 256 wildcards against 256 tokens that differ at the end.
static void hostile_filters_cost_nothing_more(void **state)
{
	(void)state;
	char filter[511], topic[511];
	for (int i = 0; i < 511; i++) {
		filter[i] = i % 2 ? '.' : '*';
		topic[i] = i % 2 ? '.' : 'a';
	}
	filter[510] = 'b';
	for (int i = 0; i < 10000; i++)
		assert_false(filter_matches(span_of(filter, 511), span_of(topic, 511)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accepts_topics_and_filters),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(bounds_the_length),
	    cmocka_unit_test(matches_token_by_token),
	    cmocka_unit_test(hostile_filters_cost_nothing_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
