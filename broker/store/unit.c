// Writing and reading redo units.

#include "store/unit.h"

#include "base/buffer.h"

enum { LEB_MOST = 10, DEFINE_TYPE = 1 };

static void write_uint(struct buffer *b, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		buffer_byte(b, (uint8_t)(number | 0x80));
	buffer_byte(b, (uint8_t)number);
}

static void write_span(struct buffer *b, wherry_span span)
{
	write_uint(b, span.len);
	buffer_append(b, span.ptr, span.len);
}

static bool read_uint(wherry_span *rest, uint64_t *number)
{
	const uint8_t *at = rest->ptr;
	*number = 0;
	for (unsigned i = 0; i < rest->len && i < LEB_MOST; i++) {
		if (i == LEB_MOST - 1 && at[i] > 1)
			return false;
		*number |= (uint64_t)(at[i] & 0x7f) << (7 * i);
		if (at[i] < 0x80) {
			*rest = span_of(at + i + 1, rest->len - i - 1);
			return true;
		}
	}
	return false;
}

static bool read_u32(wherry_span *rest, uint32_t *number)
{
	uint64_t wide;
	if (!read_uint(rest, &wide) || wide > UINT32_MAX)
		return false;
	*number = (uint32_t)wide;
	return true;
}

static bool read_ms(wherry_span *rest, int64_t *ms)
{
	uint64_t bits;
	if (!read_uint(rest, &bits))
		return false;
	*ms = (int64_t)bits;
	return true;
}

static bool read_span(wherry_span *rest, wherry_span *span)
{
	uint64_t len;
	if (!read_uint(rest, &len) || len > rest->len)
		return false;
	*span = span_of(rest->ptr, (size_t)len);
	*rest = span_of((const uint8_t *)rest->ptr + len, rest->len - (size_t)len);
	return true;
}

static bool read_body(wherry_span *rest, struct unit_op *op)
{
	switch (op->kind) {
	case UNIT_DEFINE:
		return read_u32(rest, &op->type) && op->type <= DEFINE_TYPE && read_u32(rest, &op->ns) &&
		       read_span(rest, &op->key);
	case UNIT_HEAD:
		return read_u32(rest, &op->ns) && read_span(rest, &op->key) && read_u32(rest, &op->type) &&
		       read_span(rest, &op->value);
	case UNIT_REMOVE:
		return read_u32(rest, &op->ns) && read_span(rest, &op->key);
	case UNIT_DEADLINE:
	case UNIT_ALARM:
		return read_u32(rest, &op->ns) && read_span(rest, &op->key) && read_ms(rest, &op->ms);
	case UNIT_PUT:
		return read_u32(rest, &op->ns) && read_span(rest, &op->key) && read_span(rest, &op->subkey) &&
		       read_span(rest, &op->value);
	case UNIT_DEL:
		return read_u32(rest, &op->ns) && read_span(rest, &op->key) && read_span(rest, &op->subkey);
	case UNIT_PATCH:
		return read_u32(rest, &op->ns) && read_span(rest, &op->key) && read_span(rest, &op->subkey) &&
		       read_uint(rest, &op->at) && read_span(rest, &op->value);
	}
	return false;
}

size_t unit_bound(const struct unit_op *op)
{
	return 1 + 6 * LEB_MOST + op->key.len + op->subkey.len + op->value.len;
}

void unit_write(struct buffer *b, const struct unit_op *op)
{
	buffer_byte(b, (uint8_t)op->kind);
	if (op->kind == UNIT_DEFINE)
		write_uint(b, op->type);
	write_uint(b, op->ns);
	write_span(b, op->key);
	switch (op->kind) {
	case UNIT_HEAD:
		write_uint(b, op->type);
		write_span(b, op->value);
		break;
	case UNIT_DEADLINE:
	case UNIT_ALARM:
		write_uint(b, (uint64_t)op->ms);
		break;
	case UNIT_PUT:
		write_span(b, op->subkey);
		write_span(b, op->value);
		break;
	case UNIT_DEL:
		write_span(b, op->subkey);
		break;
	case UNIT_PATCH:
		write_span(b, op->subkey);
		write_uint(b, op->at);
		write_span(b, op->value);
		break;
	case UNIT_DEFINE:
	case UNIT_REMOVE:
		break;
	}
}

int unit_read(wherry_span *rest, struct unit_op *op)
{
	if (rest->len == 0)
		return WHERRY_ENOKEY;
	uint8_t kind = *(const uint8_t *)rest->ptr;
	if (kind > UNIT_PATCH)
		return WHERRY_ECORRUPT;
	wherry_span after = span_of((const uint8_t *)rest->ptr + 1, rest->len - 1);
	*op = (struct unit_op){.kind = (enum unit_op_kind)kind};
	if (!read_body(&after, op))
		return WHERRY_ECORRUPT;
	*rest = after;
	return WHERRY_OK;
}
