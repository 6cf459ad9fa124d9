// Envelopes: request.h.

#include "codec/request.h"

static const char not_array[] = "a request is an array: [0, id, method, params], maybe with options";
static const char bad_part[] = "a command is an array: [method, params], maybe with options";
static const char bad_kind[] = "an envelope begins with 0 (request), 1 (response) or 2 (notification)";
static const char bad_count[] = "an envelope has too few or too many elements";
static const char bad_id[] = "an id is an unsigned integer below 2^32";
static const char bad_method[] = "a method is a string in UTF-8";
static const char bad_params[] = "params are an array";
static const char bad_options[] = "options are a map";

static bool slice_id(struct cursor *c, enum request_kind kind, uint32_t *id)
{
	uint64_t number;
	if (kind == REQUEST_RESPONSE && c->at < c->end && *c->at == 0xc0) { // to what could not be read
		c->at++;
		*id = 0;
		return true;
	}
	if (!cursor_uint(c, &number) || number > UINT32_MAX)
		return false;
	*id = (uint32_t)number;
	return true;
}

static wherry_span slice_values(struct cursor *c, uint64_t count)
{
	const uint8_t *begin = c->at;
	cursor_skip_many(c, count);
	return (wherry_span){begin, (size_t)(c->at - begin)};
}

// Twice in the code, for one of them is on the way of each request.
static inline __attribute__((always_inline)) const char *slice_call(struct cursor *c, struct request *r, uint32_t left)
{
	if (!cursor_text(c, &r->method) || !text_is_utf8(r->method))
		return bad_method;
	if (!cursor_array(c, &r->param_count))
		return bad_params;
	r->params = slice_values(c, r->param_count);
	if (left == 2)
		return NULL;
	if (!cursor_map(c, &r->option_count))
		return bad_options;
	r->options = slice_values(c, 2 * (uint64_t)r->option_count);
	return NULL;
}

// The envelope's elements; NULL or what is wrong.  The cursor is then anywhere inside.
static const char *slice(struct cursor *c, struct request *r)
{
	uint32_t count;
	uint64_t kind;
	if (!cursor_array(c, &count))
		return not_array;
	if (count == 0 || !cursor_uint(c, &kind) || kind > REQUEST_NOTIFY)
		return bad_kind;
	r->kind = (enum request_kind)kind;
	uint32_t least = r->kind == REQUEST_NOTIFY ? 3 : 4;
	uint32_t most = r->kind == REQUEST_RESPONSE ? least : least + 1;
	if (count < least || count > most)
		return bad_count;
	if (r->kind != REQUEST_NOTIFY && !slice_id(c, r->kind, &r->id))
		return bad_id;
	if (r->kind != REQUEST_RESPONSE)
		return slice_call(c, r, count - least + 2);
	r->param_count = 2;
	r->params = slice_values(c, 2);
	return NULL;
}

// Steps behind the object at `begin`, whether or not it is what it should be.
static int end(struct cursor *c, struct cursor begin, struct request *r, const char *fault, const char **why)
{
	if (fault == NULL) {
		r->raw = (wherry_span){begin.at, (size_t)(c->at - begin.at)};
		return WHERRY_OK;
	}
	*why = fault;
	cursor_skip(&begin);
	*c = begin;
	return WHERRY_EARG;
}

int request_slice(struct cursor *c, struct request *r, const char **why)
{
	struct cursor begin = *c;
	*r = (struct request){0};
	return end(c, begin, r, slice(c, r), why);
}

int request_slice_part(struct cursor *c, struct request *r, const char **why)
{
	struct cursor begin = *c;
	uint32_t count;
	*r = (struct request){.kind = REQUEST_CALL};
	bool fits = cursor_array(c, &count) && (count == 2 || count == 3);
	return end(c, begin, r, fits ? slice_call(c, r, count) : bad_part, why);
}
