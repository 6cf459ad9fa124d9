// Lists and maps of a length not known before: see rows.h.

#include "builtin/rows.h"

void rows_begin(struct rows *r)
{
	*r = (struct rows){0};
	r->out.buffer = &r->bytes;
}

static int32_t end(struct rows *r, wherry_out *reply, void (*head)(wherry_out *, uint32_t))
{
	int32_t status = r->bytes.failed ? WHERRY_ENOMEM : WHERRY_OK;
	if (status == WHERRY_OK) {
		head(reply, r->count);
		pack_raw(reply, buffer_span(&r->bytes));
	}
	buffer_free(&r->bytes);
	return status;
}

int32_t rows_end_list(struct rows *r, wherry_out *reply)
{
	return end(r, reply, pack_array);
}

int32_t rows_end_map(struct rows *r, wherry_out *reply)
{
	return end(r, reply, pack_map);
}

void rows_name(struct rows *r, const char *name)
{
	r->out.buffer = &r->bytes;
	r->count++;
	pack_cstring(&r->out, name);
}

void rows_text(struct rows *r, const char *name, const char *text)
{
	rows_name(r, name);
	if (text != NULL)
		pack_cstring(&r->out, text);
	else
		pack_nil(&r->out);
}

void rows_number(struct rows *r, const char *name, uint64_t number)
{
	rows_name(r, name);
	pack_uint(&r->out, number);
}

void rows_int(struct rows *r, const char *name, int64_t number)
{
	rows_name(r, name);
	pack_int(&r->out, number);
}

void rows_bool(struct rows *r, const char *name, bool value)
{
	rows_name(r, name);
	pack_bool(&r->out, value);
}
