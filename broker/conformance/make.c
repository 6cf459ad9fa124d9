// What requests are made of: make.h.

#include "conformance/make.h"

#include <math.h>
#include <string.h>

#include "codec/cursor.h"
#include "codec/pack.h"

enum { TEXT_LONG = 4998, NESTED = 20, KINDS = 12, FAR = 60 };

struct making {
	struct maker *m;
	const struct command *command;
	enum make_how how;
	uint32_t wrong; // which argument is; of those given
	struct wherry_out out;
};

// splitmix64
static uint64_t draw(struct maker *m)
{
	uint64_t z = m->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t make_number(struct maker *m, uint64_t below)
{
	return draw(m) % below;
}

struct maker maker_of(uint64_t seed, const char *salt)
{
	struct maker m = {seed};
	for (; *salt != 0; salt++)
		m.state = draw(&m) ^ (uint8_t)*salt;
	return m;
}

#define PICK(m, list) (list)[make_number((m), sizeof(list) / sizeof((list)[0]))]

// --- values -------------------------------------------------------------------------------------------------------------

static void make_int(struct making *k)
{
	static const int64_t edges[] = {0, 1, -1, 2, 31, 32, 127, 128, 255, 256, 1000, 65535, 65536, INT32_MAX,
	    INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_C(1) << 53};
	if (k->how == MAKE_EDGE)
		pack_int(&k->out, PICK(k->m, edges));
	else
		pack_int(&k->out, (int64_t)make_number(k->m, make_number(k->m, 20) < 17 ? 12 : 100000));
}

static void make_uint(struct making *k)
{
	static const uint64_t edges[] = {UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 1};
	pack_uint(&k->out, PICK(k->m, edges));
}

static void make_real(struct making *k)
{
	static const double right[] = {0, 1, 1.5, -2.25, 1000.125};
	const double edges[] = {
	    0.0, -0.0, 5e-324, 1.7976931348623157e308, (double)NAN, (double)INFINITY, (double)-INFINITY, 1e16};
	pack_real(&k->out, k->how == MAKE_EDGE ? PICK(k->m, edges) : PICK(k->m, right));
}

static void make_long(struct making *k, bool text)
{
	char bytes[TEXT_LONG];
	memset(bytes, text ? '0' : 0, sizeof(bytes)); // such as request_print() can write short
	if (text)
		pack_text(&k->out, span_of(bytes, sizeof(bytes)));
	else
		pack_bytes(&k->out, span_of(bytes, sizeof(bytes)));
}

static void make_text(struct making *k)
{
	static const char *const right[] = {"a", "b", "word", "two words", "a.b", "x"};
	static const char *const edges[] = {"", "*", "a*b?[c-d]", "\xff\xfe", "\xc3\xa4\xe2\x82\xac", "[", "\\", "'\"",
	    "0", "null", "a..b", ">", "kv.value", "-1"};
	if (k->how != MAKE_EDGE)
		pack_cstring(&k->out, PICK(k->m, right));
	else if (make_number(k->m, 10) == 0)
		make_long(k, true);
	else
		pack_cstring(&k->out, PICK(k->m, edges));
}

static void make_bytes(struct making *k)
{
	static const wherry_span some[] = {{"", 0}, {"\0", 1}, {"bytes", 5}, {"\xff\0\x80", 3}};
	if (k->how == MAKE_EDGE && make_number(k->m, 10) == 0)
		make_long(k, false);
	else
		pack_bytes(&k->out, PICK(k->m, some));
}

static void make_list(struct making *k)
{
	uint32_t count = (uint32_t)make_number(k->m, 4);
	for (uint32_t i = 0; k->how == MAKE_EDGE && count == 3 && i < NESTED; i++)
		pack_array(&k->out, 1);
	pack_array(&k->out, count);
	for (uint32_t i = 0; i < count; i++)
		pack_int(&k->out, i);
}

static void make_map(struct making *k)
{
	uint32_t count = (uint32_t)make_number(k->m, 3);
	pack_map(&k->out, count);
	for (uint32_t i = 0; i < count; i++) {
		if (k->how == MAKE_EDGE)
			pack_array(&k->out, 0); // any value may be a key of a map
		else
			pack_cstring(&k->out, i == 0 ? "a" : "b");
		pack_nil(&k->out);
	}
}

static void make_time(struct making *k)
{
	static const wherry_span some[] = {
	    {"\x5e\x0b\xe1\x00", 4}, {"\0\0\0\0", 4}, {"\x3b\x9a\xc9\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12}};
	pack_ext(&k->out, EXT_TIME, k->how == MAKE_EDGE ? PICK(k->m, some) : some[0]);
}

static void make_tuple(struct making *k)
{
	static const wherry_span some[] = {{"\x01\xa1"
					    "a",
					       3},
	    {"\x01\xa1"
	     "b",
		3},
	    {"\xcb\x3f\xf8\0\0\0\0\0\0", 9}};
	pack_ext(
	    &k->out, EXT_TUPLE, k->how == MAKE_EDGE && make_number(k->m, 4) == 0 ? span_of("", 0) : PICK(k->m, some));
}

static void make_kind(struct making *k, uint32_t kind)
{
	static void (*const makers[KINDS])(struct making *) = {[2] = make_int,
	    [3] = make_uint,
	    [4] = make_real,
	    [5] = make_text,
	    [6] = make_bytes,
	    [7] = make_list,
	    [8] = make_map,
	    [9] = make_time,
	    [10] = make_tuple};
	unsigned bit = (unsigned)__builtin_ctz(kind);
	if (kind == WHERRY_BOOL)
		pack_bool(&k->out, (int32_t)make_number(k->m, 2));
	else if (kind == WHERRY_EXT)
		pack_ext(&k->out, 5, span_of("ext", 3));
	else if (bit < KINDS && makers[bit] != NULL)
		makers[bit](k);
	else
		pack_nil(&k->out);
}

// One of the kinds; none of them if there is none.
static uint32_t kind_of(struct making *k, uint32_t kinds)
{
	uint32_t left = kinds;
	for (uint64_t skip = make_number(k->m, (uint64_t)__builtin_popcount(kinds)); skip > 0; skip--)
		left &= left - 1;
	return left & -left;
}

// Few keys, so that requests meet what others did.
static bool make_key(struct making *k, const wherry_arg *arg)
{
	static const char *const keys[] = {"a", "b", "c"};
	if (!(arg->flags & (WHERRY_ARG_READ | WHERRY_ARG_WRITE)) || !(arg->kinds & WHERRY_TEXT) ||
	    make_number(k->m, 4) == 0)
		return false;
	pack_cstring(&k->out, PICK(k->m, keys));
	return true;
}

static bool make_topic(struct making *k, const wherry_arg *arg)
{
	static const char *const topics[] = {"a.b", "news.x", "a", "ping.a"};
	if (!(arg->flags & WHERRY_ARG_TOPIC) || k->how == MAKE_EDGE)
		return false;
	pack_cstring(&k->out, PICK(k->m, topics));
	return true;
}

static void make_value(struct making *k, const wherry_arg *arg, bool wrong)
{
	uint32_t kinds = wrong ? WHERRY_ANY_KIND & ~arg->kinds : arg->kinds;
	if (k->how != MAKE_EDGE && (kinds & ~WHERRY_UINT) != 0)
		kinds &= ~WHERRY_UINT; // above 2^63 nothing is ordinary
	if (kinds == 0)
		pack_nil(&k->out);
	else if (wrong || (!make_key(k, arg) && !make_topic(k, arg)))
		make_kind(k, kind_of(k, kinds));
}

// --- requests -----------------------------------------------------------------------------------------------------------

static uint32_t params_of(struct making *k)
{
	const struct command *c = k->command;
	struct maker *m = k->m;
	uint32_t fixed = c->required + (uint32_t)make_number(m, c->positional - c->required + 1);
	uint32_t groups = c->rest == 0 ? 0 : (uint32_t)make_number(m, 4) + (c->rest_required ? 1 : 0);
	if (groups > 0)
		fixed = c->positional;
	if (k->how == MAKE_FEW)
		return c->required + c->rest > 0 ? (c->required > 0 ? c->required - 1 : 0) : 0;
	if (k->how == MAKE_MANY)
		return c->positional + (c->rest == 0 ? 1 + (uint32_t)make_number(m, 3) : c->rest * FAR + (c->rest > 1));
	return fixed + groups * c->rest;
}

static const wherry_arg *param_at(const struct command *c, uint32_t i)
{
	static const wherry_arg any = {.kinds = WHERRY_ANY_KIND};
	if (i < c->positional)
		return c->args[i];
	return c->rest > 0 ? c->args[c->positional + c->options + (i - c->positional) % c->rest] : &any;
}

static void make_options(struct making *k)
{
	const struct command *c = k->command;
	bool given[64] = {false};
	uint32_t count = 0, all = c->options < 64 ? c->options : 64;
	for (uint32_t i = 0; i < all; i++)
		count += given[i] = make_number(k->m, 4) == 0;
	bool strange = k->how == MAKE_MANY && make_number(k->m, 2) == 0;
	pack_map(&k->out, count + (strange ? 1 : 0));
	for (uint32_t i = 0; i < all; i++) {
		if (!given[i])
			continue;
		pack_cstring(&k->out, c->args[c->positional + i]->name);
		make_value(k, c->args[c->positional + i], k->how == MAKE_WRONG && k->wrong == UINT32_MAX);
	}
	if (strange) {
		pack_cstring(&k->out, "no_such_option");
		pack_nil(&k->out);
	}
}

void make_request(struct maker *m, const struct command *c, enum make_how how, uint32_t id, struct buffer *out)
{
	struct making k = {.m = m, .command = c, .how = how, .out = {.buffer = out}};
	buffer_clear(out);
	uint32_t count = params_of(&k);
	k.wrong =
	    count > 0 && (c->options == 0 || make_number(m, 2) == 0) ? (uint32_t)make_number(m, count) : UINT32_MAX;
	pack_array(&k.out, 5);
	pack_int(&k.out, 0);
	pack_uint(&k.out, id);
	pack_cstring(&k.out, c->name);
	pack_array(&k.out, count);
	for (uint32_t i = 0; i < count; i++)
		make_value(&k, param_at(c, i), how == MAKE_WRONG && i == k.wrong);
	make_options(&k);
}
