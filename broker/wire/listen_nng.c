// Listeners on nng_stream_listener: stream.h.  Several accepts are posted at once, so that a storm of connections is
// taken while earlier ones are being set up.  What an accept fails with (no descriptors, no memory) passes: it pauses on
// an aio of its own and goes on.  (After a sleep, an aio's later time-outs come out wrong: it is used for nothing else.)

#include "wire/stream_nng.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <nng/supplemental/tls/tls.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "wherry/status.h"

enum { ACCEPTS = 4, PAUSE_MS = 50, LONGEST_PEM = 1 << 20 };

struct acceptor {
	struct stream_listener *listener;
	nng_aio *accept, *pause;
};

struct stream_listener {
	nng_stream_listener *nng;
	nng_tls_config *tls;
	struct address address;
	struct stream_listen options;
	atomic_bool closing;
	struct acceptor acceptors[ACCEPTS];
};

static void accept_next(void *arg)
{
	struct acceptor *a = arg;
	if (!atomic_load(&a->listener->closing))
		nng_stream_listener_accept(a->listener->nng, a->accept);
}

static void accepted(void *arg)
{
	struct acceptor *a = arg;
	struct stream_listener *l = a->listener;
	if (nng_aio_result(a->accept) == 0) {
		struct stream *s = stream_wrap(nng_aio_get_output(a->accept, 0), l->address.transport);
		l->options.accepted(l->options.arg, s, s != NULL ? WHERRY_OK : WHERRY_EAGAIN);
		accept_next(a);
	} else if (!atomic_load(&l->closing)) {
		l->options.accepted(l->options.arg, NULL, WHERRY_EAGAIN);
		nng_sleep_aio(PAUSE_MS, a->pause);
	}
}

// --- tls ------------------------------------------------------------------------------------------------------------

static bool read_text(const char *path, struct buffer *text)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	size_t got = 1;
	while (got > 0 && text->len < LONGEST_PEM && buffer_reserve(text, 4096)) {
		got = fread(text->data + text->len, 1, 4096, file);
		text->len += got;
	}
	bool whole = !ferror(file) && got == 0;
	fclose(file);
	buffer_byte(text, 0);
	return whole && !text->failed;
}

// The key's text is overwritten before its memory is given back.
static int load_certificate(nng_tls_config *tls, const struct stream_listen *options, char *why, size_t why_room)
{
	struct buffer cert = {0}, key = {0};
	int status = WHERRY_EARG;
	if (!read_text(options->tls_cert_file, &cert))
		snprintf(
		    why, why_room, "the certificate %s can't be read: %s", options->tls_cert_file, strerror(errno));
	else if (!read_text(options->tls_key_file, &key))
		snprintf(why, why_room, "the key %s can't be read: %s", options->tls_key_file, strerror(errno));
	else if (nng_tls_config_own_cert(tls, (char *)cert.data, (char *)key.data, NULL) != 0)
		snprintf(why, why_room, "%s and %s are no PEM certificate and its key", options->tls_cert_file,
		    options->tls_key_file);
	else
		status = WHERRY_OK;
	if (key.data != NULL)
		explicit_bzero(key.data, key.room);
	buffer_free(&key);
	buffer_free(&cert);
	return status;
}

static int prepare_tls(struct stream_listener *l, const char *url, char *why, size_t why_room)
{
	if (l->options.tls_cert_file == NULL || l->options.tls_key_file == NULL) {
		snprintf(why, why_room, "%s needs a certificate and its key (PEM files)", url);
		return WHERRY_EARG;
	}
	if (nng_tls_config_alloc(&l->tls, NNG_TLS_MODE_SERVER) != 0) {
		snprintf(why, why_room, "%s: no memory", url);
		return WHERRY_ENOMEM;
	}
	int status = load_certificate(l->tls, &l->options, why, why_room);
	if (status == WHERRY_OK)
		nng_stream_listener_set_ptr(l->nng, NNG_OPT_TLS_CONFIG, l->tls);
	return status;
}

// --- listening ------------------------------------------------------------------------------------------------------

static int prepare(struct stream_listener *l, const char *url, char *why, size_t why_room)
{
	if (nng_stream_listener_alloc(&l->nng, url) != 0) {
		snprintf(why, why_room, "%s is no address to listen on", url);
		return WHERRY_EARG;
	}
	switch (l->address.transport) {
	case TRANSPORT_IPC:
		nng_stream_listener_set_int(l->nng, NNG_OPT_IPC_PERMISSIONS, l->options.ipc_mode);
		return address_clear_path(&l->address, why, why_room);
	case TRANSPORT_TLS:
		nng_stream_listener_set_bool(l->nng, NNG_OPT_TCP_NODELAY, true);
		return prepare_tls(l, url, why, why_room);
	case TRANSPORT_TCP:
		nng_stream_listener_set_bool(l->nng, NNG_OPT_TCP_NODELAY, true);
		return WHERRY_OK;
	}
	return WHERRY_EINTERNAL;
}

static int bind_it(struct stream_listener *l, const char *url, char *why, size_t why_room)
{
	int failed = nng_stream_listener_listen(l->nng);
	switch (failed) {
	case 0:
		return WHERRY_OK;
	case NNG_EADDRINUSE:
		snprintf(why, why_room, "%s is in use by another process: stop it, or choose another address", url);
		return WHERRY_EEXIST;
	case NNG_EADDRINVAL:
		snprintf(why, why_room, "%s: this machine has no such address", url);
		return WHERRY_EARG;
	case NNG_EPERM:
		snprintf(
		    why, why_room, "%s: permission denied (ports below 1024 and some paths need more rights)", url);
		return WHERRY_EDENIED;
	default:
		snprintf(why, why_room, "%s can't be listened on: %s", url, nng_strerror(failed));
		return WHERRY_EIO;
	}
}

static bool make_acceptors(struct stream_listener *l)
{
	for (int i = 0; i < ACCEPTS; i++) {
		struct acceptor *a = &l->acceptors[i];
		a->listener = l;
		if (nng_aio_alloc(&a->accept, accepted, a) != 0 || nng_aio_alloc(&a->pause, accept_next, a) != 0)
			return false;
	}
	return true;
}

int stream_listen(
    struct stream_listener **out, const char *url, const struct stream_listen *options, char *why, size_t why_room)
{
	struct stream_listener *l = mem_zalloc(sizeof(*l));
	int status = l != NULL ? WHERRY_OK : WHERRY_ENOMEM;
	if (l != NULL) {
		l->options = *options;
		status = address_parse(url, &l->address, why, why_room);
		if (status == WHERRY_OK)
			status = prepare(l, url, why, why_room);
		if (status == WHERRY_OK && !make_acceptors(l))
			status = WHERRY_ENOMEM;
		if (status == WHERRY_OK)
			status = bind_it(l, url, why, why_room);
	}
	if (status == WHERRY_ENOMEM)
		snprintf(why, why_room, "%s: no memory", url);
	if (status != WHERRY_OK) {
		stream_listener_close(l);
		return status;
	}
	for (int i = 0; i < ACCEPTS; i++)
		accept_next(&l->acceptors[i]);
	*out = l;
	return WHERRY_OK;
}

int stream_listener_url(struct stream_listener *l, char *url, size_t room)
{
	int port = l->address.port;
	bool v6 = strchr(l->address.host, ':') != NULL;
	if (l->address.transport == TRANSPORT_IPC) {
		snprintf(url, room, "ipc://%s", l->address.path);
		return WHERRY_OK;
	}
	if (port == 0 && nng_stream_listener_get_int(l->nng, NNG_OPT_TCP_BOUND_PORT, &port) != 0)
		return WHERRY_EIO;
	snprintf(url, room, v6 ? "%s://[%s]:%d" : "%s://%s:%d",
	    l->address.transport == TRANSPORT_TLS ? "tls+tcp" : "tcp", l->address.host, port);
	return WHERRY_OK;
}

// The order matters: a pause that ends starts an accept, a failed accept starts a pause.  Stopped, neither starts.
void stream_listener_close(struct stream_listener *l)
{
	if (l == NULL)
		return;
	atomic_store(&l->closing, true);
	if (l->nng != NULL)
		nng_stream_listener_close(l->nng);
	for (int i = 0; i < ACCEPTS; i++) {
		nng_aio_stop(l->acceptors[i].pause);
		nng_aio_stop(l->acceptors[i].accept);
	}
	for (int i = 0; i < ACCEPTS; i++) {
		nng_aio_free(l->acceptors[i].pause);
		nng_aio_free(l->acceptors[i].accept);
	}
	if (l->nng != NULL)
		nng_stream_listener_free(l->nng);
	if (l->tls != NULL)
		nng_tls_config_free(l->tls);
	mem_free(l);
}
