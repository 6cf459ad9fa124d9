// Values as text, about as a command line would write them; what would be too long ends in "...".

#include "run/slow_args.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

enum { ARGS_MOST = 32, ARG_ROOM = 4096 + 8, ALL_BYTES_MOST = 8192, DEPTH_MOST = 4 };

static void add_value(struct line *l, const wherry_value *v, unsigned depth);

static void add_elements(struct line *l, wherry_span elements, bool pairs, unsigned depth)
{
	struct cursor at = cursor_of(elements);
	wherry_value v;
	for (unsigned i = 0; !l->cut && cursor_next(&at, &v); i++) {
		if (i > 0)
			line_add(l, pairs && i % 2 == 1 ? ": " : ", ");
		add_value(l, &v, depth + 1);
	}
}

static void add_nested(struct line *l, const wherry_value *v, unsigned depth)
{
	const char *open = v->kind == WHERRY_MAP ? "{" : v->kind == WHERRY_LIST ? "[" : "(";
	const char *close = v->kind == WHERRY_MAP ? "}" : v->kind == WHERRY_LIST ? "]" : ")";
	line_add(l, open);
	if (depth < DEPTH_MOST)
		add_elements(l, v->as.bytes, v->kind == WHERRY_MAP, depth);
	else
		line_add(l, "...");
	line_add(l, close);
}

static void add_real(struct line *l, double real)
{
	char text[40];
	snprintf(text, sizeof(text), "%.17g", real);
	line_add(l, text);
}

static void add_unsigned(struct line *l, uint64_t number)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, number);
	line_add(l, text);
}

static void add_value(struct line *l, const wherry_value *v, unsigned depth)
{
	switch (v->kind) {
	case WHERRY_NIL:
		line_add(l, "null");
		break;
	case WHERRY_BOOL:
		line_add(l, v->as.i != 0 ? "true" : "false");
		break;
	case WHERRY_INT:
	case WHERRY_TIME:
		line_number(l, v->as.i);
		break;
	case WHERRY_UINT:
		add_unsigned(l, v->as.u);
		break;
	case WHERRY_REAL:
		add_real(l, v->as.real);
		break;
	case WHERRY_BYTES:
	case WHERRY_EXT:
		line_add(l, v->kind == WHERRY_EXT ? "ext" : "b");
		line_quote(l, v->as.bytes);
		break;
	case WHERRY_TEXT:
		line_quote(l, v->as.bytes);
		break;
	default:
		add_nested(l, v, depth);
	}
}

static const wherry_arg *arg_of(const struct command *c, uint32_t i)
{
	uint32_t fixed = c->positional + c->options;
	return c->args[i < fixed ? i : fixed + (i - fixed) % c->rest];
}

static void pack_arg(wherry_out *out, const wherry_arg *arg, const wherry_value *v, size_t most)
{
	char text[ARG_ROOM];
	struct line l = line_of(text, most + 1 < sizeof(text) ? most + 1 : sizeof(text));
	if (arg->flags & WHERRY_ARG_OPTION) {
		line_add(&l, arg->name);
		line_add(&l, "=");
	}
	if (arg->flags & WHERRY_ARG_SECRET)
		line_add(&l, "(secret)");
	else
		add_value(&l, v, 0);
	pack_cstring(out, line_end(&l));
}

void slow_pack_args(struct buffer *out, const struct command *c, const wherry_value *args, uint32_t argc, size_t most)
{
	struct buffer packed = {0};
	struct wherry_out to = {&packed, NULL}, all = {out, NULL};
	uint32_t given = 0, kept = 0;
	for (uint32_t i = 0; i < argc; i++) {
		if (args[i].kind == WHERRY_ABSENT)
			continue;
		given++;
		if (kept >= ARGS_MOST || packed.len + most > ALL_BYTES_MOST)
			continue;
		pack_arg(&to, arg_of(c, i), &args[i], most);
		kept++;
	}
	if (given > kept) {
		char more[40];
		snprintf(more, sizeof(more), "... and %" PRIu32 " more", given - kept);
		pack_cstring(&to, more);
	}
	pack_array(&all, kept + (given > kept));
	pack_raw(&all, buffer_span(&packed));
	out->failed |= packed.failed;
	buffer_free(&packed);
}
