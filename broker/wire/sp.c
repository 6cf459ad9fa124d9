// The SP protocols as bytes: sp.h.

#include "wire/sp.h"

static const uint32_t LAST_WORD = 0x80000000u, HOPS_BITS = 0xff, OUR_HOPS = 1;

static uint64_t read_number(const uint8_t *at, size_t bytes)
{
	uint64_t number = 0;
	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

static void write_number(uint8_t *at, size_t bytes, uint64_t number)
{
	for (size_t i = bytes; i-- > 0; number >>= 8)
		at[i] = (uint8_t)number;
}

static size_t prefix_len(const struct sp_form *form)
{
	return form->marked ? 9 : 8;
}

void sp_hello_write(uint8_t hello[static SP_HELLO_BYTES], uint16_t protocol)
{
	memcpy(hello, "\0SP\0\0\0\0", SP_HELLO_BYTES);
	write_number(hello + 4, 2, protocol);
}

bool sp_hello_read(const uint8_t hello[static SP_HELLO_BYTES], uint16_t *protocol)
{
	*protocol = (uint16_t)read_number(hello + 4, 2);
	return memcmp(hello, "\0SP\0", 4) == 0 && hello[6] == 0 && hello[7] == 0;
}

uint16_t sp_counterpart(uint16_t protocol)
{
	switch (protocol) {
	case SP_REQ:
		return SP_REP;
	case SP_PAIR0:
	case SP_PAIR1:
		return protocol;
	case SP_PUB:
		return SP_SUB;
	case SP_SUB:
		return SP_PUB;
	case SP_PUSH:
		return SP_PULL;
	case SP_PULL:
		return SP_PUSH;
	default:
		return 0;
	}
}

// --- reading --------------------------------------------------------------------------------------------------------

// `whole`: no more of the payload will come than `payload` has.
static int read_req(wherry_span payload, bool whole, struct sp_frame *frame)
{
	const uint8_t *at = payload.ptr;
	for (size_t words = 1; words <= SP_WORDS_MOST; words++) {
		if (payload.len < words * 4)
			return whole ? WHERRY_EARG : WHERRY_EAGAIN;
		if (at[words * 4 - 4] & LAST_WORD >> 24) {
			frame->header = span_of(at, words * 4);
			frame->body = span_of(at + words * 4, payload.len - words * 4);
			return WHERRY_OK;
		}
	}
	frame->dropped = true;
	return WHERRY_OK;
}

static int read_pair1(wherry_span payload, bool whole, struct sp_frame *frame)
{
	const uint8_t *at = payload.ptr;
	if (payload.len < 4)
		return whole ? WHERRY_EARG : WHERRY_EAGAIN;
	uint64_t hops = read_number(at, 4);
	if (hops > HOPS_BITS)
		return WHERRY_EARG;
	frame->dropped = hops > SP_WORDS_MOST;
	frame->body = span_of(at + 4, payload.len - 4);
	return WHERRY_OK;
}

static int read_payload(uint16_t peer, wherry_span payload, bool whole, struct sp_frame *frame)
{
	switch (peer) {
	case SP_REQ:
		return read_req(payload, whole, frame);
	case SP_PAIR1:
		return read_pair1(payload, whole, frame);
	default:
		frame->body = payload;
		return WHERRY_OK;
	}
}

int sp_frame_read(const struct sp_form *form, wherry_span bytes, uint64_t most, struct sp_frame *frame)
{
	const uint8_t *at = bytes.ptr;
	size_t prefix = prefix_len(form);
	*frame = (struct sp_frame){.size = prefix};
	if (form->marked && bytes.len > 0 && at[0] != 1)
		return WHERRY_EARG;
	if (bytes.len < prefix)
		return WHERRY_EAGAIN;
	uint64_t length = read_number(at + prefix - 8, 8);
	size_t there = bytes.len - prefix;
	bool oversize = length > most, whole = length <= there;
	frame->size = prefix + (size_t)(oversize ? SP_HEADER_MOST : length);
	if (!oversize && !whole)
		return WHERRY_EAGAIN;
	int status = read_payload(form->peer, span_of(at + prefix, whole ? (size_t)length : there), whole, frame);
	return status == WHERRY_OK && oversize ? WHERRY_ELIMIT : status;
}

// --- writing --------------------------------------------------------------------------------------------------------

size_t sp_overhead(const struct sp_form *form, size_t header_len)
{
	return prefix_len(form) + (form->peer == SP_PAIR1 ? 4 : header_len);
}

size_t sp_frame_open(const struct sp_form *form, wherry_span header, struct buffer *out)
{
	static const uint8_t prefix[SP_PREFIX_MOST] = {1};
	size_t begin = out->len;
	buffer_append(out, form->marked ? prefix : prefix + 1, prefix_len(form));
	if (form->peer == SP_PAIR1) {
		uint8_t hops[4];
		write_number(hops, sizeof(hops), OUR_HOPS);
		buffer_append(out, hops, sizeof(hops));
	} else {
		buffer_append(out, header.ptr, header.len);
	}
	return begin;
}

void sp_frame_seal(const struct sp_form *form, size_t begin, struct buffer *out)
{
	sp_frame_seal_around(form, begin, 0, out);
}

void sp_frame_seal_around(const struct sp_form *form, size_t begin, size_t lent, struct buffer *out)
{
	if (out->failed)
		return;
	size_t prefix = prefix_len(form);
	write_number(out->data + begin + prefix - 8, 8, out->len - begin - prefix + lent);
}
