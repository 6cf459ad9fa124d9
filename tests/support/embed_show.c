// Answers to text, for embed.h.

#include "embed.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"
#include "codec/cursor.h"
#include "codec/request.h"

// --- answers to text
// ----------------------------------------------------------------------------------------------

static void show_string(FILE *out, wherry_span text)
{
	const uint8_t *bytes = text.ptr;
	fputc('"', out);
	for (size_t i = 0; i < text.len; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\')
			fprintf(out, "\\%c", bytes[i]);
		else if (bytes[i] == '\n')
			fputs("\\n", out);
		else if (bytes[i] < ' ' || bytes[i] == 127)
			fprintf(out, "\\x%02x", bytes[i]);
		else
			fputc(bytes[i], out);
	}
	fputc('"', out);
}

// Bytes have no reading as UTF-8, so what is not ASCII is shown in hexadecimal.
static void show_bytes(FILE *out, wherry_span bytes)
{
	const uint8_t *byte = bytes.ptr;
	fputs("b\"", out);
	for (size_t i = 0; i < bytes.len; i++) {
		if (byte[i] == '"' || byte[i] == '\\')
			fprintf(out, "\\%c", byte[i]);
		else if (byte[i] < ' ' || byte[i] >= 127)
			fprintf(out, "\\x%02x", byte[i]);
		else
			fputc(byte[i], out);
	}
	fputc('"', out);
}

static void show_real(FILE *out, double real)
{
	if (isnan(real)) {
		fputs("+nan", out);
		return;
	}
	if (isinf(real)) {
		fputs(real < 0 ? "-inf" : "+inf", out);
		return;
	}
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, real);
		if (!(strtod(text, NULL) < real) && !(strtod(text, NULL) > real))
			break;
	}
	fprintf(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static void show_value(FILE *out, const wherry_value *v);

static void show_elements(FILE *out, wherry_span content, bool pairs)
{
	struct cursor c = cursor_of(content);
	wherry_value v;
	for (size_t i = 0; cursor_next(&c, &v); i++) {
		if (i > 0)
			fputs(pairs && i % 2 == 1 ? ": " : ", ", out);
		show_value(out, &v);
	}
}

static void show_value(FILE *out, const wherry_value *v)
{
	switch (v->kind) {
	case WHERRY_NIL:
		fputs("null", out);
		break;
	case WHERRY_BOOL:
		fputs(v->as.i ? "true" : "false", out);
		break;
	case WHERRY_INT:
		fprintf(out, "%" PRId64, v->as.i);
		break;
	case WHERRY_UINT:
		fprintf(out, "%" PRIu64, v->as.u);
		break;
	case WHERRY_REAL:
		show_real(out, v->as.real);
		break;
	case WHERRY_TEXT:
		show_string(out, v->as.bytes);
		break;
	case WHERRY_BYTES:
		show_bytes(out, v->as.bytes);
		break;
	case WHERRY_LIST:
		fputc('[', out);
		show_elements(out, v->as.bytes, false);
		fputc(']', out);
		break;
	case WHERRY_MAP:
		fputc('{', out);
		show_elements(out, v->as.bytes, true);
		fputc('}', out);
		break;
	case WHERRY_TUPLE:
		fputs("t(", out);
		show_elements(out, v->as.bytes, false);
		fputc(')', out);
		break;
	case WHERRY_TIME:
		fprintf(out, "time(%" PRId64 ", %" PRIu32 ")", v->as.i, v->reserved0);
		break;
	case WHERRY_EXT:
		fprintf(out, "x(%d, ", (int)(int8_t)v->reserved0);
		show_bytes(out, v->as.bytes);
		fputc(')', out);
		break;
	default:
		fprintf(out, "?kind %" PRIu32, v->kind);
	}
}

static void check_answer(wherry_span bytes)
{
	const char *why = "";
	size_t at = 0;
	struct codec_limits limits = {.depth = 64, .elements = UINT32_MAX};
	if (cursor_check(bytes, &limits, &why, &at) < 0)
		fail_msg("the answer is malformed at %zu: %s", at, why);
}

char *embed_show(wherry_span bytes)
{
	check_answer(bytes);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	show_elements(out, bytes, false);
	fclose(out);
	return text;
}

// [code, name, text, details]
static void show_error(FILE *out, const wherry_value *error)
{
	struct cursor c = cursor_of(error->as.bytes);
	wherry_value code, name, text;
	assert_int_equal(error->kind, WHERRY_LIST);
	assert_true(cursor_next(&c, &code) && cursor_next(&c, &name) && cursor_next(&c, &text));
	assert_int_equal(name.kind, WHERRY_TEXT);
	assert_int_equal(text.kind, WHERRY_TEXT);
	if (!span_equal(name.as.bytes, span_text(status_name((int)code.as.i))))
		fail_msg("code %" PRId64 " is not named %.*s", code.as.i, (int)name.as.bytes.len,
		    (const char *)name.as.bytes.ptr);
	fprintf(out, "%.*s: %.*s", (int)name.as.bytes.len, (const char *)name.as.bytes.ptr, (int)text.as.bytes.len,
	    (const char *)text.as.bytes.ptr);
}

static void show_response(FILE *out, const wherry_value *response)
{
	struct cursor c = cursor_of(response->as.bytes);
	wherry_value kind, id, error, result;
	assert_int_equal(response->kind, WHERRY_LIST);
	assert_int_equal(response->reserved0, 4);
	assert_true(
	    cursor_next(&c, &kind) && cursor_next(&c, &id) && cursor_next(&c, &error) && cursor_next(&c, &result));
	assert_int_equal(kind.as.i, REQUEST_RESPONSE);
	if (error.kind != WHERRY_NIL)
		show_error(out, &error);
	else
		show_value(out, &result);
}

char *embed_decode(wherry_span answers)
{
	check_answer(answers);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	struct cursor c = cursor_of(answers);
	wherry_value response;
	for (unsigned i = 0; cursor_next(&c, &response); i++) {
		if (i > 0)
			fputs(" ; ", out);
		show_response(out, &response);
	}
	fclose(out);
	return text;
}
