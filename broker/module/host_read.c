// Encoded values, as modules read them: wherry_read.  What comes as bare bytes is checked here; values that were sliced
// from checked bytes are not checked again.

#include <string.h>

#include "base/glob.h"
#include "codec/key.h"
#include "module/instance.h"

static bool is_one_value(wherry_span raw)
{
	const char *why;
	size_t at;
	return cursor_check(raw, &module_limits, &why, &at) == 1;
}

static int32_t read_value(wherry_span raw, wherry_value *out)
{
	struct cursor c = cursor_of(raw);
	return is_one_value(raw) && cursor_next(&c, out) ? WHERRY_OK : WHERRY_EARG;
}

// reader->opaque: where the next element begins, where the last one ends.
static int32_t read_open(const wherry_value *value, wherry_reader *reader)
{
	if (!(value->kind & (WHERRY_LIST | WHERRY_MAP | WHERRY_TUPLE)))
		return WHERRY_EARG;
	uintptr_t at = (uintptr_t)value->as.bytes.ptr;
	*reader = (wherry_reader){{at, at + value->as.bytes.len}};
	return WHERRY_OK;
}

static int32_t read_next(wherry_reader *reader, wherry_value *out)
{
	struct cursor c = {
	    (const uint8_t *)(uintptr_t)reader->opaque[0], (const uint8_t *)(uintptr_t)reader->opaque[1]};
	if (!cursor_next(&c, out))
		return WHERRY_ENOKEY;
	reader->opaque[0] = (uintptr_t)c.at;
	return WHERRY_OK;
}

static int32_t read_equal(wherry_span a, wherry_span b)
{
	if (!is_one_value(a))
		return WHERRY_EARG;
	if (span_equal(a, b))
		return 1;
	return is_one_value(b) ? values_equal(a, b) : WHERRY_EARG;
}

static int32_t read_canonical(const wherry_value *value, void *buffer, size_t room, size_t *len)
{
	struct buffer scratch = {0};
	wherry_span key = {0};
	const char *why;
	int status = key_canonical(value, SIZE_MAX, &scratch, &key, &why);
	if (status == 1) {
		key.ptr = scratch.data + scratch.len - key.len;
		status = WHERRY_OK;
	}
	if (status == WHERRY_OK) {
		*len = key.len;
		if (key.len > room)
			status = WHERRY_ELIMIT;
		else if (key.len > 0)
			memcpy(buffer, key.ptr, key.len);
	}
	buffer_free(&scratch);
	return status;
}

static int32_t read_glob(wherry_span pattern, wherry_span text)
{
	if (glob_fault(pattern) != NULL)
		return WHERRY_EARG;
	enum glob_answer answer = glob_match(pattern, text);
	return answer == GLOB_COSTLY ? WHERRY_ELIMIT : answer == GLOB_YES;
}

static int32_t read_is_glob(wherry_span text)
{
	return glob_is_pattern(text);
}

const wherry_read host_read = {
    .size = sizeof(wherry_read),
    .value = read_value,
    .open = read_open,
    .next = read_next,
    .equal = read_equal,
    .canonical = read_canonical,
    .glob_fault = glob_fault,
    .glob = read_glob,
    .is_glob = read_is_glob,
};
