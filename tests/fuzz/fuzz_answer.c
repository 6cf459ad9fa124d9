// Any bytes as a frame that a client gets: what is taken for whole must lie inside the frame, and be whole.

#include <stdint.h>
#include <stdlib.h>

// The client's own reader, which no library exports.
#include "../../clients/c/wire.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_inside(struct run whole, struct run part)
{
	if (part.len > 0 && (part.at < whole.at || part.at + part.len > whole.at + whole.len))
		abort();
}

static void expect_whole(struct run whole, struct run value)
{
	expect_inside(whole, value);
	if (wire_value(value) != value.len || value.len == 0)
		abort();
}

static bool look_at_command(void *arg, struct run name, struct run verb)
{
	const struct run *whole = arg;
	expect_inside(*whole, name);
	expect_inside(*whole, verb);
	return true;
}

static void look_at(struct run whole, const struct wire_object *o)
{
	struct wire_error e;
	if (o->kind == WIRE_NOTE) {
		expect_inside(whole, o->method);
		expect_whole(whole, o->params);
	}
	if (o->kind != WIRE_RESPONSE)
		return;
	expect_whole(whole, o->error);
	expect_whole(whole, o->result);
	wire_commands(o->result, look_at_command, &whole);
	if (!wire_error(o->error, &e))
		return;
	expect_inside(o->error, e.name);
	expect_inside(o->error, e.text);
	expect_inside(o->error, e.details);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole = {data, size}, rest = whole;
	struct wire_object o;
	while (rest.len > 0 && wire_next(&rest, &o)) {
		expect_inside(whole, rest);
		look_at(whole, &o);
	}
	return 0;
}
