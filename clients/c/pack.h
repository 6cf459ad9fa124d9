// Writing msgpack: the little that this library asks for by itself.  Threads: its owner's.

#ifndef CLIENT_PACK_H
#define CLIENT_PACK_H

#include "bytes.h"

struct pack {
	struct bytes out;
	bool failed; // no memory: what follows is not written either
};

static inline void pack_bytes(struct pack *p, const void *from, size_t len)
{
	p->failed |= !bytes_reserve(&p->out, len);
	if (!p->failed)
		bytes_put(&p->out, from, len);
}

static inline void pack_number(struct pack *p, unsigned head, uint64_t number, unsigned width)
{
	uint8_t bytes[9] = {(uint8_t)head};
	put_be(bytes + 1, number, width);
	pack_bytes(p, bytes, 1 + width);
}

static inline void pack_array(struct pack *p, size_t count)
{
	if (count < 16)
		pack_number(p, 0x90 | (unsigned)count, 0, 0);
	else
		pack_number(p, 0xdd, count, 4);
}

static inline void pack_text(struct pack *p, const char *text)
{
	size_t len = strlen(text);
	if (len < 32)
		pack_number(p, 0xa0 | (unsigned)len, 0, 0);
	else
		pack_number(p, 0xdb, len, 4);
	pack_bytes(p, text, len);
}

static inline void pack_texts(struct pack *p, const char *const *texts, size_t count)
{
	pack_array(p, count);
	for (size_t i = 0; i < count; i++)
		pack_text(p, texts[i]);
}

static inline void pack_uint(struct pack *p, uint64_t number)
{
	if (number < 128)
		pack_number(p, (unsigned)number, 0, 0);
	else
		pack_number(p, 0xcf, number, 8);
}

static inline void pack_bool(struct pack *p, bool flag)
{
	pack_number(p, flag ? 0xc3 : 0xc2, 0, 0);
}

// A map of up to 15 options, alone in its bytes: pack_option(), then its value, for each.
static inline void pack_options(struct pack *p)
{
	pack_number(p, 0x80, 0, 0);
}

static inline void pack_option(struct pack *p, const char *name)
{
	if (!p->failed)
		p->out.data[0]++;
	pack_text(p, name);
}

static inline void pack_text_option(struct pack *p, const char *name, const char *text)
{
	if (text == NULL)
		return;
	pack_option(p, name);
	pack_text(p, text);
}

static inline void pack_uint_option(struct pack *p, const char *name, uint64_t number)
{
	if (number == 0)
		return;
	pack_option(p, name);
	pack_uint(p, number);
}

static inline void pack_flag_option(struct pack *p, const char *name, bool flag)
{
	if (!flag)
		return;
	pack_option(p, name);
	pack_bool(p, true);
}

#endif
