// Topics and filters: topic.h.  '*' stands for one whole token and '>' only at the end, so matching never has
// to try again: one walk over both, a token at a time.

#include "bus/topic.h"

#include "base/text.h"

struct topic_tokens topic_tokens(wherry_span text)
{
	const char *at = text.ptr;
	return (struct topic_tokens){at, text.len > 0 ? at + text.len : at, false};
}

bool topic_token(struct topic_tokens *t, wherry_span *token)
{
	if (t->over)
		return false;
	size_t left = (size_t)(t->end - t->at);
	const char *dot = left > 0 ? memchr(t->at, '.', left) : NULL;
	*token = span_of(t->at, dot != NULL ? (size_t)(dot - t->at) : left);
	t->over = dot == NULL;
	t->at = dot != NULL ? dot + 1 : t->end;
	return true;
}

static bool is_token(wherry_span token, char only)
{
	return token.len == 1 && *(const char *)token.ptr == only;
}

static const char *text_fault(wherry_span text)
{
	if (text.len == 0)
		return "it is empty";
	if (text.len > TOPIC_MOST)
		return "it is longer than 512 bytes";
	if (!text_is_utf8(text))
		return "it is not UTF-8";
	if (memchr(text.ptr, 0, text.len) != NULL)
		return "it has a zero byte";
	return NULL;
}

// One walk says of nearly every topic that nothing is wrong with it; what is wrong with another is found out below.
static bool is_plain(wherry_span text)
{
	const uint8_t *bytes = text.ptr;
	uint8_t before = '.';
	for (size_t i = 0; i < text.len; before = bytes[i++])
		if (bytes[i] <= ' ' || bytes[i] > '~' || bytes[i] == '*' || bytes[i] == '>' ||
		    (bytes[i] == '.' && before == '.'))
			return false;
	return before != '.' && text.len <= TOPIC_MOST;
}

const char *topic_fault(wherry_span topic)
{
	if (is_plain(topic))
		return NULL;
	const char *fault = text_fault(topic);
	struct topic_tokens t = topic_tokens(topic);
	for (wherry_span token; fault == NULL && topic_token(&t, &token);) {
		if (token.len == 0)
			fault = "it has an empty token";
		else if (is_token(token, '*') || is_token(token, '>'))
			fault = "a topic can't have a wildcard; a filter can";
	}
	return fault;
}

const char *filter_fault(wherry_span filter)
{
	if (is_plain(filter))
		return NULL;
	const char *fault = text_fault(filter);
	struct topic_tokens t = topic_tokens(filter);
	for (wherry_span token; fault == NULL && topic_token(&t, &token);) {
		if (token.len == 0)
			fault = "it has an empty token";
		else if (is_token(token, '>') && !t.over)
			fault = "'>' can only be the last token";
	}
	return fault;
}

// The broker's own topics are met only by who names them.
static bool hidden(wherry_span filter, wherry_span topic)
{
	struct topic_tokens f = topic_tokens(filter);
	wherry_span first;
	bool own = topic.len > 0 && *(const char *)topic.ptr == '$';
	return own && topic_token(&f, &first) && (is_token(first, '*') || is_token(first, '>'));
}

bool filter_matches(wherry_span filter, wherry_span topic)
{
	if (hidden(filter, topic))
		return false;
	struct topic_tokens f = topic_tokens(filter), t = topic_tokens(topic);
	wherry_span wanted, token;
	while (topic_token(&f, &wanted)) {
		if (!topic_token(&t, &token))
			return false;
		if (is_token(wanted, '>'))
			return true;
		if (!is_token(wanted, '*') && !span_equal(wanted, token))
			return false;
	}
	return t.over;
}

bool filter_is_wild(wherry_span filter)
{
	struct topic_tokens t = topic_tokens(filter);
	for (wherry_span token; topic_token(&t, &token);)
		if (is_token(token, '*') || is_token(token, '>'))
			return true;
	return false;
}
