// The SP protocols as bytes, the inbox that they arrive in, and requests that come again.

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "wherry/status.h"
#include "wire/inbox.h"
#include "wire/resend.h"
#include "wire/sp.h"

enum { SURVEYOR = 0x62 };

static const struct sp_form REQ = {SP_REQ, false}, PAIR1 = {SP_PAIR1, false}, PAIR0 = {SP_PAIR0, false},
			    IPC_REQ = {SP_REQ, true};

#define BYTES(text) span_of(text, sizeof(text) - 1)

static void assert_span(wherry_span got, wherry_span wanted)
{
	assert_int_equal(got.len, wanted.len);
	if (wanted.len > 0)
		assert_memory_equal(got.ptr, wanted.ptr, wanted.len);
}

static void hello_names_a_protocol(void **state)
{
	(void)state;
	uint8_t hello[SP_HELLO_BYTES];
	uint16_t protocol;
	sp_hello_write(hello, SP_REP);
	assert_memory_equal(hello, "\0SP\0\0\x31\0\0", 8);
	assert_true(sp_hello_read(hello, &protocol));
	assert_int_equal(protocol, SP_REP);
	assert_false(sp_hello_read((const uint8_t *)"GET / HT", &protocol));
	assert_false(sp_hello_read((const uint8_t *)"\0SP\0\0\x31\0\1", &protocol));
	assert_int_equal(sp_counterpart(SP_REQ), SP_REP);
	assert_int_equal(sp_counterpart(SP_PAIR0), SP_PAIR0);
	assert_int_equal(sp_counterpart(SP_PAIR1), SP_PAIR1);
	assert_int_equal(sp_counterpart(SP_PUB), SP_SUB);
	assert_int_equal(sp_counterpart(SP_SUB), SP_PUB);
	assert_int_equal(sp_counterpart(SP_PUSH), SP_PULL);
	assert_int_equal(sp_counterpart(SP_PULL), SP_PUSH);
	assert_int_equal(sp_counterpart(SURVEYOR), 0);
}

static void a_frame_is_read_in_place(void **state)
{
	(void)state;
	struct sp_frame f;
	assert_int_equal(sp_frame_read(&REQ, BYTES("\0\0\0\0\0\0\0\6\x80\0\0\7hi+"), 100, &f), WHERRY_OK);
	assert_span(f.header, BYTES("\x80\0\0\7"));
	assert_span(f.body, BYTES("hi"));
	assert_int_equal(f.size, 14);
	assert_int_equal(sp_frame_read(&IPC_REQ, BYTES("\1\0\0\0\0\0\0\0\6\x80\0\0\7hi"), 100, &f), WHERRY_OK);
	assert_span(f.body, BYTES("hi"));
	assert_int_equal(f.size, 15);
	assert_int_equal(sp_frame_read(&PAIR1, BYTES("\0\0\0\0\0\0\0\6\0\0\0\1hi"), 100, &f), WHERRY_OK);
	assert_span(f.header, BYTES(""));
	assert_span(f.body, BYTES("hi"));
	assert_int_equal(sp_frame_read(&PAIR0, BYTES("\0\0\0\0\0\0\0\2hi"), 100, &f), WHERRY_OK);
	assert_span(f.body, BYTES("hi"));
	assert_int_equal(sp_frame_read(&PAIR0, BYTES("\0\0\0\0\0\0\0\0"), 100, &f), WHERRY_OK);
	assert_span(f.body, BYTES(""));
}

static void hops_belong_to_the_header(void **state)
{
	(void)state;
	struct sp_frame f;
	assert_int_equal(sp_frame_read(&REQ, BYTES("\0\0\0\0\0\0\0\x0a\0\0\0\1\x80\0\0\7hi"), 100, &f), WHERRY_OK);
	assert_span(f.header, BYTES("\0\0\0\1\x80\0\0\7"));
	assert_span(f.body, BYTES("hi"));
	uint8_t frame[8 + 17 * 4] = {[7] = 16 * 4};
	frame[8 + 14 * 4] = 0x80;
	assert_int_equal(sp_frame_read(&REQ, span_of(frame, 8 + 16 * 4), 100, &f), WHERRY_OK);
	assert_int_equal(f.header.len, 15 * 4);
	assert_false(f.dropped);
	frame[8 + 14 * 4] = 0;
	frame[8 + 15 * 4] = 0x80;
	assert_int_equal(sp_frame_read(&REQ, span_of(frame, 8 + 16 * 4), 100, &f), WHERRY_OK);
	assert_true(f.dropped);
	assert_int_equal(sp_frame_read(&PAIR1, BYTES("\0\0\0\0\0\0\0\5\0\0\0\x10x"), 100, &f), WHERRY_OK);
	assert_true(f.dropped);
}

static void what_is_no_frame_ends_it(void **state)
{
	(void)state;
	struct sp_frame f;
	assert_int_equal(sp_frame_read(&REQ, BYTES("\0\0\0\0\0\0\0\4\0\0\0\7"), 100, &f), WHERRY_EARG);
	assert_int_equal(sp_frame_read(&REQ, BYTES("\0\0\0\0\0\0\0\0"), 100, &f), WHERRY_EARG);
	assert_int_equal(sp_frame_read(&PAIR1, BYTES("\0\0\0\0\0\0\0\3\0\0\0"), 100, &f), WHERRY_EARG);
	assert_int_equal(sp_frame_read(&PAIR1, BYTES("\0\0\0\0\0\0\0\4\0\0\1\0"), 100, &f), WHERRY_EARG);
	assert_int_equal(sp_frame_read(&IPC_REQ, BYTES("\2"), 100, &f), WHERRY_EARG);
}

static void every_prefix_asks_for_more(void **state)
{
	(void)state;
	static const char whole[] = "\1\0\0\0\0\0\0\0\6\x80\0\0\7hi";
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct sp_frame f;
		assert_int_equal(sp_frame_read(&IPC_REQ, span_of(whole, len), 100, &f), WHERRY_EAGAIN);
		assert_int_equal(f.size, len < 9 ? 9 : 15);
	}
}

static void an_oversize_frame_can_be_answered(void **state)
{
	(void)state;
	struct sp_frame f;
	static const char claim[] = "\xff\xff\xff\xff\xff\xff\xff\xd8\0\0\0\1\x80\0\0\7hi";
	for (size_t len = 0; len < 16; len++)
		assert_int_equal(sp_frame_read(&REQ, span_of(claim, len), 100, &f), WHERRY_EAGAIN);
	assert_int_equal(sp_frame_read(&REQ, BYTES(claim), 100, &f), WHERRY_ELIMIT);
	assert_span(f.header, BYTES("\0\0\0\1\x80\0\0\7"));
	assert_int_equal(sp_frame_read(&PAIR0, BYTES("\0\0\0\0\0\0\0\x65"), 100, &f), WHERRY_ELIMIT);
	assert_int_equal(sp_frame_read(&PAIR0, BYTES("\0\0\0\0\0\0\0\x64"), 100, &f), WHERRY_EAGAIN);
	assert_int_equal(f.size, 108);
}

static void frames_are_written_as_they_are_read(void **state)
{
	(void)state;
	static const struct sp_form *const forms[] = {&REQ, &PAIR1, &PAIR0, &IPC_REQ};
	for (size_t i = 0; i < 4; i++) {
		struct buffer out = {0};
		wherry_span header = forms[i]->peer == SP_REQ ? BYTES("\0\0\0\1\x80\0\0\7") : BYTES("");
		buffer_append(&out, "before", 6);
		size_t begin = sp_frame_open(forms[i], header, &out);
		assert_int_equal(out.len - begin, sp_overhead(forms[i], header.len));
		buffer_append(&out, "body", 4);
		sp_frame_seal(forms[i], begin, &out);
		struct sp_frame f;
		assert_int_equal(sp_frame_read(forms[i], span_of(out.data + 6, out.len - 6), 100, &f), WHERRY_OK);
		assert_span(f.header, header);
		assert_span(f.body, BYTES("body"));
		buffer_free(&out);
	}
}

// --- the inbox ------------------------------------------------------------------------------------------------------

static void put(struct inbox *in, size_t count, uint8_t byte)
{
	assert_true(count <= inbox_free(in));
	memset(in->at + in->end, byte, count);
	in->end += count;
}

static void the_inbox_is_small_when_idle_and_large_when_needed(void **state)
{
	(void)state;
	uint8_t idle[INBOX_IDLE], *spare = NULL;
	struct inbox in;
	inbox_open(&in, idle);
	put(&in, INBOX_IDLE, 'a');
	in.from = 10;
	assert_true(inbox_widen(&in, &spare));
	assert_int_equal(in.room, INBOX_BUSY);
	assert_int_equal(inbox_unread(&in).len, INBOX_IDLE - 10);
	in.from = in.end;
	inbox_shrink(&in, &spare);
	assert_ptr_equal(in.at, idle);
	assert_non_null(spare); // given for the next to use
	put(&in, 9, 'b');
	in.need = 1000000;
	assert_true(inbox_settle(&in, &spare)); // waits for a large frame: not in the small room, nor in all of it yet
	assert_null(spare);
	assert_int_equal(in.room, INBOX_BUSY);
	while (in.end < 1000000) {
		put(&in, inbox_free(&in), 'c');
		assert_true(inbox_settle(&in, &spare));
		assert_true(in.room <= 2 * in.end);
	}
	assert_int_equal(in.at[8], 'b');
	assert_int_equal(in.at[9], 'c');
	in.from = in.end;
	inbox_shrink(&in, &spare);
	assert_ptr_equal(in.at, idle);
	inbox_close(&in);
	free(spare);
}

// --- requests that come again ---------------------------------------------------------------------------------------

static const _Atomic int64_t MUCH = 1 << 20, NOTHING = 0;

static wherry_span id_header(uint32_t id, uint8_t bytes[static 4])
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)((id | 0x80000000u) >> (24 - 8 * i));
	return span_of(bytes, 4);
}

static enum resend_seen look(struct resend *r, uint32_t id, const char *body, wherry_span *answer)
{
	uint8_t header[4];
	return resend_look(r, id_header(id, header), span_text(body), answer);
}

static void an_answer_is_given_again(void **state)
{
	(void)state;
	struct resend_budget budget = {.most = &MUCH};
	struct resend *r = resend_new(&budget);
	wherry_span answer;
	assert_int_equal(look(r, 1, "body", &answer), RESEND_NEW);
	resend_answered(r, BYTES("answer"));
	assert_int_equal(look(r, 1, "body", &answer), RESEND_ANSWERED);
	assert_span(answer, BYTES("answer"));
	assert_int_equal(look(r, 2, "body", &answer), RESEND_NEW);
	resend_answered(r, BYTES(""));
	assert_int_equal(look(r, 1, "another", &answer), RESEND_NEW); // the same id, not the same request
	resend_answered(r, BYTES("other"));
	assert_int_equal(look(r, 2, "body", &answer), RESEND_ANSWERED);
	assert_int_equal(answer.len, 0);
	assert_int_equal(resend_look(r, BYTES("\0\0\0\5\x80\0\0\1"), BYTES("body"), &answer),
	    RESEND_NEW); // through a device
	resend_free(r);
	assert_int_equal(budget.used, 0);
}

static void the_last_64_are_kept(void **state)
{
	(void)state;
	struct resend_budget budget = {.most = &MUCH};
	struct resend *r = resend_new(&budget);
	wherry_span answer;
	for (uint32_t id = 0; id < 100; id++) {
		assert_int_equal(look(r, id, "body", &answer), RESEND_NEW);
		resend_answered(r, span_of(&id, sizeof(id)));
	}
	for (uint32_t id = 36; id < 100; id++) {
		assert_int_equal(look(r, id, "body", &answer), RESEND_ANSWERED);
		assert_span(answer, span_of(&id, sizeof(id)));
	}
	assert_int_equal(look(r, 35, "body", &answer), RESEND_NEW);
	resend_free(r);
	assert_int_equal(budget.used, 0);
}

static void what_is_too_large_is_told_so(void **state)
{
	(void)state;
	struct resend_budget budget = {.most = &MUCH};
	struct resend *r = resend_new(&budget);
	char *large = calloc(1, RESEND_ANSWER_MOST + 1);
	wherry_span answer;
	look(r, 1, "a", &answer);
	resend_answered(r, span_of(large, RESEND_ANSWER_MOST));
	look(r, 2, "b", &answer);
	resend_answered(r, span_of(large, RESEND_ANSWER_MOST + 1));
	assert_int_equal(look(r, 1, "a", &answer), RESEND_ANSWERED);
	assert_int_equal(answer.len, RESEND_ANSWER_MOST);
	assert_int_equal(look(r, 2, "b", &answer), RESEND_LOST);
	free(large);
	resend_free(r);
}

static void without_a_budget_nothing_is_kept(void **state)
{
	(void)state;
	struct resend_budget budget = {.most = &NOTHING};
	struct resend *r = resend_new(&budget);
	wherry_span answer;
	look(r, 1, "a", &answer);
	resend_answered(r, BYTES("answer"));
	assert_int_equal(look(r, 1, "a", &answer), RESEND_LOST);
	assert_int_equal(budget.used, 0);
	resend_free(r);
}

static void a_late_one_is_dropped_until_it_is_answered(void **state)
{
	(void)state;
	struct resend_budget budget = {.most = &MUCH};
	struct resend *r = resend_new(&budget);
	uint8_t header[4];
	wherry_span answer;
	assert_int_equal(look(r, 1, "a", &answer), RESEND_NEW);
	assert_true(resend_late(r));
	assert_int_equal(look(r, 1, "a", &answer), RESEND_WAITING);
	assert_int_equal(resend_waiting(r), 1);
	resend_late_answered(r, id_header(1, header), BYTES("at last"), true);
	assert_int_equal(look(r, 1, "a", &answer), RESEND_ANSWERED);
	assert_span(answer, BYTES("at last"));
	assert_int_equal(resend_waiting(r), 0);
	resend_free(r);
}

// Two that wait under one id: an answer names only the id, so neither answer is kept.
static void late_ones_with_one_id_are_not_mixed_up(void **state)
{
	(void)state;
	struct resend_budget budget = {.most = &MUCH};
	struct resend *r = resend_new(&budget);
	uint8_t header[4];
	wherry_span answer;
	assert_int_equal(look(r, 1, "a", &answer), RESEND_NEW);
	assert_true(resend_late(r));
	assert_int_equal(look(r, 1, "b", &answer), RESEND_NEW);
	assert_true(resend_late(r));
	assert_int_equal(look(r, 1, "a", &answer), RESEND_WAITING);
	assert_int_equal(look(r, 1, "b", &answer), RESEND_WAITING);
	resend_late_answered(r, id_header(1, header), BYTES("which"), true);
	resend_late_answered(r, id_header(1, header), BYTES("whose"), true);
	assert_int_equal(look(r, 1, "a", &answer), RESEND_LOST);
	assert_int_equal(look(r, 1, "b", &answer), RESEND_LOST);
	resend_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hello_names_a_protocol),
	    cmocka_unit_test(a_frame_is_read_in_place),
	    cmocka_unit_test(hops_belong_to_the_header),
	    cmocka_unit_test(what_is_no_frame_ends_it),
	    cmocka_unit_test(every_prefix_asks_for_more),
	    cmocka_unit_test(an_oversize_frame_can_be_answered),
	    cmocka_unit_test(frames_are_written_as_they_are_read),
	    cmocka_unit_test(the_inbox_is_small_when_idle_and_large_when_needed),
	    cmocka_unit_test(an_answer_is_given_again),
	    cmocka_unit_test(the_last_64_are_kept),
	    cmocka_unit_test(what_is_too_large_is_told_so),
	    cmocka_unit_test(without_a_budget_nothing_is_kept),
	    cmocka_unit_test(a_late_one_is_dropped_until_it_is_answered),
	    cmocka_unit_test(late_ones_with_one_id_are_not_mixed_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
