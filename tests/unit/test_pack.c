// Answers as bytes: what clients and modules get to see of the packer.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/status.h"
#include "codec/cursor.h"
#include "codec/pack.h"

#define BYTES(literal) ((wherry_span){literal, sizeof(literal) - 1})

static struct buffer buffer;
static struct revision_spots spots;
static struct wherry_out out = {.buffer = &buffer, .spots = &spots};

static int clean(void **state)
{
	(void)state;
	buffer_free(&buffer);
	revision_spots_free(&spots);
	mem_may_alloc = NULL;
	return 0;
}

static void expect(wherry_span bytes)
{
	assert_false(buffer.failed);
	assert_int_equal(buffer.len, bytes.len);
	assert_memory_equal(buffer.data, bytes.ptr, bytes.len);
	buffer_clear(&buffer);
}

static void packs_each_kind_in_its_shortest_form(void **state)
{
	(void)state;
	const struct wherry_write *w = &pack_table;
	w->nil(&out);
	w->boolean(&out, 0);
	w->boolean(&out, 7);
	expect(BYTES("\xc0\xc2\xc3"));
	w->integer(&out, -1);
	w->integer(&out, 128);
	w->integer(&out, INT64_MIN);
	w->uinteger(&out, UINT64_MAX);
	expect(BYTES("\xff\xcc\x80\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
	w->real(&out, 1.0);
	expect(BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"));
	w->text(&out, BYTES("hi"));
	w->cstring(&out, "ho");
	w->cstring(&out, NULL);
	w->bytes(&out, BYTES("\x00"));
	w->text(&out, (wherry_span){NULL, 0});
	w->bytes(&out, (wherry_span){NULL, 0});
	expect(BYTES("\xa2hi\xa2ho\xc0\xc4\x01\x00\xa0\xc4\x00"));
	w->array(&out, 2);
	w->map(&out, 16);
	expect(BYTES("\x92\xde\x00\x10"));
	w->ext(&out, 1, BYTES("\x01\x02\x03"));
	w->ext(&out, -1, BYTES("\x00\x00\x00\x00"));
	w->ext(&out, 255, BYTES("\x00\x00"));
	expect(BYTES("\xc7\x03\x01\x01\x02\x03\xd6\xff\x00\x00\x00\x00\xd5\xff\x00\x00"));
	w->raw(&out, BYTES("\x92\x01\x02"));
	w->raw(&out, (wherry_span){NULL, 0});
	expect(BYTES("\x92\x01\x02"));
}

static void refuses_what_msgpack_can_not_say(void **state)
{
	(void)state;
	pack_ext(&out, 256, BYTES("x"));
	assert_true(buffer.failed);
	buffer_clear(&buffer);
	pack_text(&out, (wherry_span){"", (size_t)UINT32_MAX + 1});
	assert_true(buffer.failed);
	buffer_clear(&buffer);
	pack_bytes(&out, (wherry_span){"", (size_t)UINT32_MAX + 1});
	assert_true(buffer.failed);
}

static void fills_in_the_revision_when_it_is_known(void **state)
{
	(void)state;
	pack_array(&out, 3);
	pack_revision(&out);
	pack_int(&out, 5);
	pack_revision(&out);
	pack_patch_revisions(&out, 0x0102030405060708);
	expect(BYTES("\x93\xcf\x01\x02\x03\x04\x05\x06\x07\x08\x05\xcf\x01\x02\x03\x04\x05\x06\x07\x08"));
	pack_revision(&out);
	pack_patch_revisions(&out, 1);
	expect(BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x01"));
}

static void many_revisions_are_all_filled_in(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		pack_revision(&out);
	pack_patch_revisions(&out, 77);
	struct cursor c = cursor_of(buffer_span(&buffer));
	wherry_value v;
	int seen = 0;
	for (; cursor_next(&c, &v); seen++)
		assert_int_equal(v.as.i, 77);
	assert_int_equal(seen, 1000);
}

static void without_spots_a_revision_is_zero(void **state)
{
	(void)state;
	struct wherry_out bare = {.buffer = &buffer};
	pack_revision(&bare);
	pack_patch_revisions(&bare, 9);
	expect(BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x00"));
}

static bool never(size_t size)
{
	(void)size;
	return false;
}

static void a_failed_allocation_shows_at_the_end(void **state)
{
	(void)state;
	buffer_append(&buffer, "", 1);
	mem_may_alloc = never;
	pack_revision(&out);
	assert_true(buffer.failed);
	pack_int(&out, 1);
	assert_true(buffer.failed);
	mem_may_alloc = NULL;
	buffer_clear(&buffer);
	pack_int(&out, 1);
	expect(BYTES("\x01"));
}

static void heads_a_response(void **state)
{
	(void)state;
	pack_response_head(&buffer, 0);
	pack_response_head(&buffer, 127);
	pack_response_head(&buffer, 128);
	expect(BYTES("\x94\x01\x00\xc0\x94\x01\x7f\xc0\x94\x01\xcc\x80\xc0"));
	pack_response_head(&buffer, 256);
	pack_response_head(&buffer, UINT32_MAX);
	expect(BYTES("\x94\x01\xcd\x01\x00\xc0\x94\x01\xce\xff\xff\xff\xff\xc0"));
}

static void answers_an_error_with_code_name_and_text(void **state)
{
	(void)state;
	struct pack_error e = {.status = WHERRY_ETYPE, .text = "no", .retry_ms = -1, .index = -1};
	pack_error_response(&buffer, true, 7, &e);
	expect(BYTES("\x94\x01\x07\x94\xfe\xa5"
		     "ETYPE\xa2no\xc0\xc0"));
	e.text = NULL;
	pack_error_response(&buffer, false, 7, &e);
	struct wherry_out other = {.buffer = &(struct buffer){0}};
	pack_raw(&other, BYTES("\x94\x01\xc0\x94\xfe\xa5"
			       "ETYPE"));
	pack_cstring(&other, status_text(WHERRY_ETYPE));
	pack_raw(&other, BYTES("\xc0\xc0"));
	expect(buffer_span(other.buffer));
	buffer_free(other.buffer);
}

static void puts_what_helps_into_the_details(void **state)
{
	(void)state;
	struct pack_error e = {
	    .status = WHERRY_EAGAIN, .text = "no", .retry_ms = 50, .index = 0, .did_you_mean = "kv.set"};
	pack_error_response(&buffer, true, 1, &e);
	expect(BYTES("\x94\x01\x01\x94\xf9\xa6"
		     "EAGAIN\xa2no\x83\xa8retry_ms\x32\xa5index\x00\xac"
		     "did_you_mean\xa6kv.set\xc0"));
	e = (struct pack_error){.status = WHERRY_EAGAIN, .text = "no", .retry_ms = -1, .index = 3};
	pack_error_response(&buffer, true, 1, &e);
	expect(BYTES("\x94\x01\x01\x94\xf9\xa6"
		     "EAGAIN\xa2no\x81\xa5index\x03\xc0"));
}

static void an_error_text_is_always_utf8(void **state)
{
	(void)state;
	struct pack_error e = {.status = WHERRY_EARG, .text = "key \xff", .retry_ms = -1, .index = -1};
	pack_error_response(&buffer, true, 1, &e);
	struct cursor c = cursor_of(buffer_span(&buffer));
	uint32_t count;
	uint64_t number;
	wherry_span name, text;
	assert_true(cursor_array(&c, &count) && cursor_uint(&c, &number) && cursor_uint(&c, &number));
	assert_true(cursor_array(&c, &count));
	cursor_skip(&c);
	assert_true(cursor_text(&c, &name));
	assert_true(cursor_text(&c, &text));
	assert_true(span_equal(text, span_text(status_text(WHERRY_EARG))));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, clean)
	const struct CMUnitTest tests[] = {
	    TEST(packs_each_kind_in_its_shortest_form),
	    TEST(refuses_what_msgpack_can_not_say),
	    TEST(fills_in_the_revision_when_it_is_known),
	    TEST(many_revisions_are_all_filled_in),
	    TEST(without_spots_a_revision_is_zero),
	    TEST(a_failed_allocation_shows_at_the_end),
	    TEST(heads_a_response),
	    TEST(answers_an_error_with_code_name_and_text),
	    TEST(puts_what_helps_into_the_details),
	    TEST(an_error_text_is_always_utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
