// Binding: a request's method to its command, its params and options to the command's arguments, its keys to their
// canonical encoding and hash.  What is wrong becomes the request's error, with a text that names the argument.

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "bus/topic.h"
#include "codec/key.h"
#include "run/inside.h"

struct binding {
	struct router *router;
	struct session *session;
	struct worker *worker;
	const struct request *request;
	struct bound *out;
	uint32_t ns; // of what names none
};

// Always false, so that callers end with it.
static bool __attribute__((format(printf, 3, 4))) fault(struct binding *b, int status, const char *format, ...)
{
	char text[400];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	b->out->error = (struct pack_error){.status = status, .retry_ms = -1, .index = -1};
	b->out->text_at = b->worker->texts.len;
	buffer_append(&b->worker->texts, text, strlen(text) + 1);
	return false;
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {"nil", "bool", "int", "int above 2^63-1", "float", "str", "bin", "array",
	    "map", "timestamp", "tuple", "ext"};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (kind == 1u << i)
			return names[i];
	return "nothing";
}

static void kind_names(uint32_t kinds, char *text, size_t room)
{
	size_t at = 0;
	text[0] = 0;
	for (uint32_t bit = 1; bit <= WHERRY_EXT && at < room; bit <<= 1) {
		if (!(kinds & bit) || bit == WHERRY_UINT)
			continue;
		int n = snprintf(text + at, room - at, "%s%s", at > 0 ? " or " : "", kind_name(bit));
		at += n > 0 ? (size_t)n : 0;
	}
}

static bool bind_key(struct binding *b, const wherry_arg *arg, wherry_value *value, uint32_t index)
{
	struct worker *w = b->worker;
	if (!vector_room((void **)&w->keys, &w->key_room, w->key_count, sizeof(w->keys[0])))
		return fault(b, WHERRY_ENOMEM, "out of memory");
	struct key_ref *ref = &w->keys[w->key_count];
	const char *why = NULL;
	size_t limit = (size_t)b->router->config.limits->key_bytes;
	int status = key_canonical(value, limit, &w->scratch, &ref->key, &why);
	if (status == WHERRY_EARG)
		return fault(b, WHERRY_EARG, "argument \"%s\": %s", arg->name, why);
	if (status == WHERRY_ELIMIT)
		return fault(
		    b, WHERRY_ELIMIT, "argument \"%s\": the key is longer than %zu bytes (max_key)", arg->name, limit);
	if (status < 0)
		return fault(b, status, "out of memory");
	ref->in_scratch = status != WHERRY_OK;
	ref->scratch = ref->in_scratch ? w->scratch.len - ref->key.len : 0;
	if (ref->in_scratch)
		ref->key.ptr = w->scratch.data + ref->scratch;
	ref->hash = store_hash(b->router->config.store, ref->key);
	ref->arg = index;
	ref->mode = arg->flags & WHERRY_ARG_WRITE ? TXN_WRITE : TXN_READ;
	value->raw = ref->key;
	w->key_count++;
	store_prefetch_slot(b->router->config.store, b->out->ns, ref->hash);
	return true;
}

static bool bind_topic(struct binding *b, const wherry_arg *arg, const wherry_value *value)
{
	const char *why = filter_fault(value->as.bytes);
	return why == NULL || fault(b, WHERRY_EARG, "argument \"%s\": %s", arg->name, why);
}

// Checks one value against its argument, and puts it in its place.
static bool bind_value(struct binding *b, const wherry_arg *arg, const wherry_value *value, uint32_t index)
{
	wherry_value *place = &b->worker->args[b->out->args + index];
	*place = *value;
	if (!(value->kind & arg->kinds)) {
		char wanted[160];
		kind_names(arg->kinds, wanted, sizeof(wanted));
		return fault(
		    b, WHERRY_EARG, "argument \"%s\" must be %s, not %s", arg->name, wanted, kind_name(value->kind));
	}
	if (arg->flags & (WHERRY_ARG_READ | WHERRY_ARG_WRITE))
		return bind_key(b, arg, place, index);
	if (arg->flags & WHERRY_ARG_TOPIC)
		return bind_topic(b, arg, value);
	return true;
}

// Room for one argument more: grown as they come, so that a hostile request pays for what it has sent.
static bool args_room(struct binding *b)
{
	struct worker *w = b->worker;
	if (!vector_room((void **)&w->args, &w->arg_room, w->arg_count, sizeof(w->args[0])))
		return fault(b, WHERRY_ENOMEM, "out of memory");
	w->args[w->arg_count++] = (wherry_value){0};
	b->out->argc++;
	return true;
}

static bool arity_fault(struct binding *b)
{
	const struct command *c = b->out->command;
	uint32_t least = c->required + (c->rest_required ? c->rest : 0), got = b->request->param_count;
	if (got < least)
		return fault(b, WHERRY_EARG, "%s takes at least %u argument%s, not %u; see sys.commands %s", c->name,
		    least, least == 1 ? "" : "s", got, c->name);
	if (c->rest > 0)
		return fault(b, WHERRY_EARG, "%s takes its last arguments in groups of %u; see sys.commands %s",
		    c->name, c->rest, c->name);
	if (c->positional == 0)
		return fault(
		    b, WHERRY_EARG, "%s takes no arguments, not %u; see sys.commands %s", c->name, got, c->name);
	return fault(b, WHERRY_EARG, "%s takes at most %u argument%s, not %u; see sys.commands %s", c->name,
	    c->positional, c->positional == 1 ? "" : "s", got, c->name);
}

static bool arity_holds(const struct command *c, uint32_t got)
{
	if (got < c->required || (got < c->positional && c->rest_required))
		return false;
	if (c->rest == 0)
		return got <= c->positional;
	uint32_t rest = got > c->positional ? got - c->positional : 0;
	return rest % c->rest == 0 && (rest > 0 || !c->rest_required);
}

static bool bind_fixed(struct binding *b, struct cursor *at)
{
	const struct command *c = b->out->command;
	for (uint32_t i = 0; i < c->positional + c->options; i++) {
		wherry_value value;
		if (!args_room(b))
			return false;
		if (i < c->positional && cursor_next(at, &value) && !bind_value(b, c->args[i], &value, i))
			return false;
	}
	return true;
}

static bool bind_params(struct binding *b)
{
	const struct command *c = b->out->command;
	uint32_t fixed = c->positional + c->options;
	if (!arity_holds(c, b->request->param_count))
		return arity_fault(b);
	int64_t most = b->router->config.limits->args;
	if (b->request->param_count > most)
		return fault(b, WHERRY_ELIMIT, "%s: more than %" PRId64 " arguments (max_args)", c->name, most);
	struct cursor at = cursor_of(b->request->params);
	if (!bind_fixed(b, &at))
		return false;
	wherry_value value;
	for (uint32_t i = 0; cursor_next(&at, &value); i++)
		if (!args_room(b) || !bind_value(b, c->args[fixed + i % c->rest], &value, fixed + i))
			return false;
	return true;
}

static bool bind_option(struct binding *b, wherry_span name, const wherry_value *value)
{
	const struct command *c = b->out->command;
	for (uint32_t i = c->positional; i < c->positional + c->options; i++) {
		if (!span_equal(name, span_text(c->args[i]->name)))
			continue;
		if (b->worker->args[b->out->args + i].kind != WHERRY_ABSENT)
			return fault(b, WHERRY_EARG, "option \"%s\" comes twice", c->args[i]->name);
		return bind_value(b, c->args[i], value, i);
	}
	return fault(b, WHERRY_EARG, "%s has no option \"%.*s\"; see sys.commands %s", c->name,
	    (int)(name.len > 64 ? 64 : name.len), (const char *)name.ptr, c->name);
}

// `ns` is every command's, and must be known before the keys are looked up.
static bool bind_namespace(struct binding *b)
{
	b->out->ns = b->ns;
	struct cursor at = cursor_of(b->request->options);
	wherry_value name, value;
	for (uint32_t i = 0; i < b->request->option_count; i++) {
		cursor_next(&at, &name);
		cursor_next(&at, &value);
		if (name.kind != WHERRY_TEXT)
			return fault(b, WHERRY_EARG, "an option's name must be str, not %s", kind_name(name.kind));
		if (!span_equal(name.as.bytes, span_of("ns", 2)))
			continue;
		b->out->named_ns = true;
		if (value.kind != WHERRY_TEXT)
			return fault(b, WHERRY_EARG, "option \"ns\" must be str, not %s", kind_name(value.kind));
		if (store_ns_is_own(value.as.bytes) ||
		    store_ns_find(b->router->config.store, value.as.bytes, &b->out->ns) != WHERRY_OK)
			return fault(b, WHERRY_ENOKEY, "there is no namespace \"%.*s\"; see ns.list",
			    (int)(value.as.bytes.len > 64 ? 64 : value.as.bytes.len), (const char *)value.as.bytes.ptr);
	}
	return true;
}

static bool bind_options(struct binding *b)
{
	struct cursor at = cursor_of(b->request->options);
	wherry_value name, value;
	for (uint32_t i = 0; i < b->request->option_count; i++) {
		cursor_next(&at, &name);
		cursor_next(&at, &value);
		if (!span_equal(name.as.bytes, span_of("ns", 2)) && !bind_option(b, name.as.bytes, &value))
			return false;
	}
	return true;
}

static bool unknown(struct binding *b, const struct command_table *table)
{
	wherry_span name = b->request->method;
	const char *near = command_nearest(table, name);
	if (near != NULL)
		fault(b, WHERRY_ENOCMD, "unknown command \"%.*s\"; did you mean %s?",
		    (int)(name.len > 64 ? 64 : name.len), (const char *)name.ptr, near);
	else
		fault(b, WHERRY_ENOCMD, "unknown command \"%.*s\"; sys.commands lists them all",
		    (int)(name.len > 64 ? 64 : name.len), (const char *)name.ptr);
	b->out->error.did_you_mean = near;
	return false;
}

static bool bind_command(struct binding *b, const struct command_table *table)
{
	b->out->command = command_find(table, b->request->method);
	if (b->out->command == NULL)
		return unknown(b, table);
	if ((b->out->command->flags & WHERRY_CMD_INTERNAL) && b->session != NULL)
		return fault(b, WHERRY_EDENIED, "%s is for the broker itself", b->out->command->name);
	return true;
}

static void begin(struct binding *b)
{
	struct worker *w = b->worker;
	*b->out = (struct bound){.request = b->request, .args = w->arg_count, .keys = w->key_count};
}

static void end(struct binding *b, bool bound)
{
	if (bound)
		b->out->key_count = (uint32_t)(b->worker->key_count - b->out->keys);
	else
		timing_pause(b->worker);
}

void bind_request(struct router *r, const struct command_table *table, struct session *session, uint32_t ns,
    struct worker *w, const struct request *request, struct bound *out)
{
	struct binding b = {r, session, w, request, out, ns};
	begin(&b);
	end(&b, bind_command(&b, table) && bind_namespace(&b) && bind_params(&b) && bind_options(&b));
}

void bind_parked(
    struct router *r, const struct parked *p, struct worker *w, const struct request *request, struct bound *out)
{
	struct binding b = {r, p->session, w, request, out, p->ns};
	begin(&b);
	out->command = p->command;
	out->ns = p->ns;
	end(&b, bind_params(&b) && bind_options(&b));
}

void bind_keys_begin(struct worker *w, const struct request *request, uint32_t ns, struct bound *out)
{
	*out = (struct bound){.request = request, .ns = ns, .args = w->arg_count, .keys = w->key_count};
}

bool bind_key_alone(
    struct router *r, struct worker *w, const char *argument, const wherry_value *key, struct bound *out)
{
	const wherry_arg arg = {.name = argument, .kinds = WHERRY_KEY_KINDS, .flags = WHERRY_ARG_READ};
	struct binding b = {r, NULL, w, out->request, out, out->ns};
	if (!args_room(&b) || !bind_value(&b, &arg, key, out->argc - 1))
		return false;
	out->key_count++;
	return true;
}

// The vectors have stopped growing: now offsets can become pointers.
void bind_settle(struct worker *w, struct bound *bound, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct bound *b = &bound[i];
		if (b->error.status != WHERRY_OK)
			b->error.text = w->texts.failed ? NULL : (const char *)w->texts.data + b->text_at;
		for (uint32_t k = 0; k < b->key_count; k++) {
			struct key_ref *ref = &w->keys[b->keys + k];
			if (!ref->in_scratch)
				continue;
			ref->key.ptr = w->scratch.data + ref->scratch;
			w->args[b->args + ref->arg].raw = ref->key;
		}
	}
}
