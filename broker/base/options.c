// Options as data: options.h.  One row a unit, one row a kind; the sentences are made of what the rows say.

#include "base/options.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

struct unit {
	const char *name;
	int64_t factor;
};

// Printing takes the first unit that divides the number, so the larger ones stand first.
static const struct unit sizes[] = {
    {"TiB", INT64_C(1) << 40},
    {"TB", INT64_C(1000000000000)},
    {"GiB", INT64_C(1) << 30},
    {"GB", 1000000000},
    {"MiB", INT64_C(1) << 20},
    {"MB", 1000000},
    {"KiB", INT64_C(1) << 10},
    {"kB", 1000},
    {"", 1},
    {"B", 1},
    {NULL, 0},
};

static const struct unit durations[] = {
    {"d", 86400000},
    {"h", 3600000},
    {"m", 60000},
    {"s", 1000},
    {"ms", 1},
    {"", 1},
    {NULL, 0},
};

static const struct unit plain[] = {{"", 1}, {NULL, 0}};

static const struct {
	const char *name;
	bool value;
} bools[] = {
    {"true", true},
    {"yes", true},
    {"on", true},
    {"1", true},
    {"false", false},
    {"no", false},
    {"off", false},
    {"0", false},
};

static const struct unit *units_of(uint32_t kind)
{
	return kind == WHERRY_OPTION_SIZE ? sizes : kind == WHERRY_OPTION_DURATION ? durations : plain;
}

static const char *form_of(uint32_t kind)
{
	switch (kind) {
	case WHERRY_OPTION_BOOL:
		return "true or false (yes, no, on, off, 1 and 0 will do)";
	case WHERRY_OPTION_INT:
		return "a whole number";
	case WHERRY_OPTION_SIZE:
		return "a size: bytes, or a whole number with kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in "
		       "64KiB";
	case WHERRY_OPTION_DURATION:
		return "a duration: milliseconds, or a whole number with ms, s, m, h or d, as in 30s";
	default:
		return "text";
	}
}

static bool parse_bool(const char *text, int64_t *number)
{
	for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
		if (strcasecmp(text, bools[i].name) == 0) {
			*number = bools[i].value;
			return true;
		}
	}
	return false;
}

// Digits of *text, negated if `minus` (INT64_MIN has no positive twin); steps behind them.
static bool parse_digits(const char **text, bool minus, int64_t *number)
{
	if (!isdigit((unsigned char)**text))
		return false;
	*number = 0;
	for (; isdigit((unsigned char)**text); ++*text) {
		int digit = **text - '0';
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, minus ? -digit : digit, number))
			return false;
	}
	return true;
}

static bool parse_number(uint32_t kind, const char *text, int64_t *number)
{
	bool minus = kind == WHERRY_OPTION_INT && *text == '-';
	text += minus;
	if (!parse_digits(&text, minus, number))
		return false;
	for (const struct unit *u = units_of(kind); u->name != NULL; u++)
		if (strcasecmp(text, u->name) == 0)
			return !__builtin_mul_overflow(*number, u->factor, number);
	return false;
}

static void print_number(uint32_t kind, int64_t number, char *text, size_t room)
{
	const struct unit *u = units_of(kind);
	while (u->factor > 1 && (number == 0 || number % u->factor != 0))
		u++;
	snprintf(text, room, "%" PRId64 "%s", number / u->factor, u->name);
}

static void add_number(struct line *l, uint32_t kind, int64_t number)
{
	char text[32];
	print_number(kind, number, text, sizeof(text));
	line_add(l, text);
}

static struct line begin_why(const struct option_spec *spec, const char *text, char *why, size_t room)
{
	char shown[128];
	struct line value = line_of(shown, sizeof(shown));
	line_quote(&value, span_text(text));
	struct line l = line_of(why, room);
	line_add(&l, spec->name);
	line_add(&l, ": ");
	line_add(&l, line_end(&value));
	return l;
}

static int refuse_form(const struct option_spec *spec, const char *text, char *why, size_t room)
{
	struct line l = begin_why(spec, text, why, room);
	line_add(&l, " is not ");
	line_add(&l, form_of(spec->kind));
	line_end(&l);
	return WHERRY_EARG;
}

static int refuse_bounds(const struct option_spec *spec, const char *text, char *why, size_t room)
{
	uint32_t kind = spec->kind == WHERRY_OPTION_TEXT ? WHERRY_OPTION_INT : spec->kind;
	struct line l = begin_why(spec, text, why, room);
	line_add(&l, spec->kind == WHERRY_OPTION_TEXT ? " is out of bounds: allowed is a length from "
						      : " is out of bounds: allowed is ");
	add_number(&l, kind, spec->min);
	line_add(&l, spec->max == INT64_MAX ? " or more" : " to ");
	if (spec->max != INT64_MAX)
		add_number(&l, kind, spec->max);
	line_end(&l);
	return WHERRY_EARG;
}

static bool within(const struct option_spec *spec, int64_t number)
{
	return (spec->min == 0 && spec->max == 0) || (number >= spec->min && number <= spec->max);
}

static int parse_text(
    const struct option_spec *spec, const char *text, struct option_value *value, char *why, size_t room)
{
	if (!within(spec, (int64_t)strlen(text)))
		return refuse_bounds(spec, text, why, room);
	char *copy = mem_strdup(text);
	if (copy == NULL) {
		struct line l = line_of(why, room);
		line_add(&l, spec->name);
		line_add(&l, ": out of memory");
		line_end(&l);
		return WHERRY_ENOMEM;
	}
	mem_free(value->text);
	value->text = copy;
	return WHERRY_OK;
}

int option_parse(
    const struct option_spec *spec, const char *text, struct option_value *value, char *why, size_t why_room)
{
	if (spec->kind == WHERRY_OPTION_TEXT)
		return parse_text(spec, text, value, why, why_room);
	int64_t number;
	bool is_bool = spec->kind == WHERRY_OPTION_BOOL;
	if (is_bool ? !parse_bool(text, &number) : !parse_number(spec->kind, text, &number))
		return refuse_form(spec, text, why, why_room);
	if (!is_bool && !within(spec, number))
		return refuse_bounds(spec, text, why, why_room);
	atomic_store(&value->number, number);
	return WHERRY_OK;
}

void option_print(const struct option_spec *spec, const struct option_value *value, struct buffer *out)
{
	char text[32];
	const char *shown = text;
	int64_t number = atomic_load(&value->number);
	if (spec->kind == WHERRY_OPTION_TEXT)
		shown = value->text != NULL ? value->text : "";
	else if (spec->kind == WHERRY_OPTION_BOOL)
		shown = number != 0 ? "true" : "false";
	else
		print_number(spec->kind, number, text, sizeof(text));
	buffer_append(out, shown, strlen(shown));
}
