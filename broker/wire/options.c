// What a listener was told: server.h.

#include <string.h>

#include "base/mem.h"
#include "wire/server.h"

static const size_t texts[] = {
    offsetof(struct listen_options, tls_cert_file),
    offsetof(struct listen_options, tls_key_file),
    offsetof(struct listen_options, tap),
    offsetof(struct listen_options, queue),
    offsetof(struct listen_options, ns),
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static char **text_of(struct listen_options *o, size_t i)
{
	return (char **)(void *)((char *)o + texts[i]);
}

static const char *text_in(const struct listen_options *o, size_t i)
{
	return *(const char *const *)(const void *)((const char *)o + texts[i]);
}

bool listen_options_copy(struct listen_options *to, const struct listen_options *from)
{
	bool whole = true;
	*to = *from;
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = text_in(from, i);
		*text_of(to, i) = text != NULL ? mem_strdup(text) : NULL;
		whole &= (text == NULL) == (text_in(to, i) == NULL);
	}
	if (!whole)
		listen_options_free(to);
	return whole;
}

void listen_options_free(struct listen_options *o)
{
	for (size_t i = 0; i < TEXTS; i++) {
		mem_free(*text_of(o, i));
		*text_of(o, i) = NULL;
	}
}

bool listen_options_equal(const struct listen_options *a, const struct listen_options *b)
{
	bool same = a->insecure == b->insecure && a->ipc_mode == b->ipc_mode && a->max_messages == b->max_messages &&
		    a->max_bytes == b->max_bytes && a->payload_msgpack == b->payload_msgpack;
	for (size_t i = 0; same && i < TEXTS; i++) {
		const char *x = text_in(a, i), *y = text_in(b, i);
		same = x == y || (x != NULL && y != NULL && strcmp(x, y) == 0);
	}
	return same;
}
