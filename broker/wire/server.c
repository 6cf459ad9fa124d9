// Listeners and the list of connections: server.h.

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/status.h"
#include "wire/address.h"
#include "wire/inside.h"

static const char REFUSED[] = "connection-refused";

enum { COMPLAIN_MS = 1000, DRAIN_STEP_MS = 5, ANSWERS_KEPT = 1 << 20 };

// --- workspaces -----------------------------------------------------------------------------------------------------

struct workspace *workspace_take(struct server *server)
{
	pthread_mutex_lock(&server->spare_lock);
	struct workspace *ws = server->spares;
	if (ws != NULL) {
		server->spares = ws->next;
		server->spare_count--;
	}
	pthread_mutex_unlock(&server->spare_lock);
	return ws != NULL ? ws : mem_zalloc(sizeof(*ws));
}

static void workspace_free(struct workspace *ws)
{
	buffer_free(&ws->answers);
	buffer_free(&ws->request);
	mem_free(ws->room);
	mem_free(ws);
}

void workspace_give(struct server *server, struct workspace *ws)
{
	buffer_trim(&ws->answers, ANSWERS_KEPT);
	buffer_trim(&ws->request, ANSWERS_KEPT);
	pthread_mutex_lock(&server->spare_lock);
	bool keep = server->spare_count < SPARES_MOST;
	if (keep) {
		ws->next = server->spares;
		server->spares = ws;
		server->spare_count++;
	}
	pthread_mutex_unlock(&server->spare_lock);
	if (!keep)
		workspace_free(ws);
}

// --- the list -------------------------------------------------------------------------------------------------------

bool server_list(struct server *server, struct conn *c)
{
	pthread_mutex_lock(&server->lock);
	bool room = server->listed < (uint64_t)limit_of(&server->config.limits->max_connections);
	if (room) {
		c->prev = NULL;
		c->next = server->conns;
		if (c->next != NULL)
			c->next->prev = c;
		server->conns = c;
		server->listed++;
		server->alive++;
	}
	pthread_mutex_unlock(&server->lock);
	return room;
}

void server_unlist(struct server *server, struct conn *c)
{
	pthread_mutex_lock(&server->lock);
	*(c->prev != NULL ? &c->prev->next : &server->conns) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	server->listed--;
	pthread_mutex_unlock(&server->lock);
}

void server_conn_freed(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	server->alive--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

void server_complain(struct server *server, const char *event, const char *remote, const char *what)
{
	int64_t now = timers_now(server->config.timers), last = atomic_load(&server->complained_ms);
	if ((last != 0 && now - last < COMPLAIN_MS) ||
	    !atomic_compare_exchange_strong(&server->complained_ms, &last, now))
		return;
	log_event(server->config.log, WHERRY_LOG_INFO, event, "remote", remote, "why", what, NULL);
}

// --- listeners ------------------------------------------------------------------------------------------------------

static void accepted(void *arg, struct stream *stream, int status)
{
	struct endpoint *e = arg;
	if (stream == NULL) {
		SERVER_COUNT(e->server, accept_errors, 1);
		server_complain(e->server, REFUSED, "", status_text(status));
		return;
	}
	SERVER_COUNT(e->server, accepted, 1);
	status = conn_open(e, stream);
	if (status != WHERRY_OK) {
		SERVER_COUNT(e->server, refused, 1);
		server_complain(e->server, REFUSED, "",
		    status == WHERRY_ELIMIT ? "max_connections is reached" : status_text(status));
	}
}

static int check_security(const char *url, const struct address *address, bool insecure, char *why, size_t why_room)
{
	if (address->local || insecure)
		return WHERRY_OK;
	snprintf(why, why_room,
	    address->transport == TRANSPORT_TLS
		? "%s is reachable from other machines and lets everybody in: listen on 127.0.0.1, or "
		  "set insecure = true"
		: "%s is reachable from other machines and has no security: listen on 127.0.0.1, or set "
		  "insecure = true",
	    url);
	return WHERRY_EDENIED;
}

static struct endpoint *endpoint_new(
    struct server *server, const struct address *address, const struct listen_options *options)
{
	struct endpoint *e = mem_zalloc(sizeof(*e));
	if (e == NULL || !listen_options_copy(&e->options, options)) {
		mem_free(e);
		return NULL;
	}
	e->server = server;
	e->marked = address->transport == TRANSPORT_IPC;
	return e;
}

static void endpoint_free(struct endpoint *e)
{
	listen_options_free(&e->options);
	mem_free(e);
}

static int endpoint_open(struct endpoint *e, const char *url, char *why, size_t why_room)
{
	struct stream_listen options = {
	    .tls_cert_file = e->options.tls_cert_file,
	    .tls_key_file = e->options.tls_key_file,
	    .ipc_mode = e->options.ipc_mode,
	    .accepted = accepted,
	    .arg = e,
	};
	return stream_listen(&e->listener, url, &options, why, why_room);
}

int server_check(const char *url, const struct listen_options *options, char *why, size_t why_room)
{
	struct address address;
	int status = address_parse(url, &address, why, why_room);
	return status == WHERRY_OK ? check_security(url, &address, options->insecure, why, why_room) : status;
}

int server_listen(struct server *server, const char *url, const struct listen_options *options, char *bound,
    size_t bound_room, char *why, size_t why_room)
{
	struct address address;
	int status = address_parse(url, &address, why, why_room);
	if (status == WHERRY_OK)
		status = check_security(url, &address, options->insecure, why, why_room);
	if (status != WHERRY_OK)
		return status;
	struct endpoint *e = endpoint_new(server, &address, options);
	if (e == NULL) {
		snprintf(why, why_room, "%s: no memory", url);
		return WHERRY_ENOMEM;
	}
	status = endpoint_open(e, url, why, why_room);
	if (status != WHERRY_OK) {
		endpoint_free(e);
		return status;
	}
	e->next = server->endpoints;
	server->endpoints = e;
	return stream_listener_url(e->listener, bound, bound_room);
}

void server_stop_accepting(struct server *server)
{
	for (struct endpoint *e = server->endpoints; e != NULL; e = e->next) {
		if (e->listener != NULL)
			stream_listener_close(e->listener);
		e->listener = NULL;
	}
}

// --- draining -------------------------------------------------------------------------------------------------------

// All connections, held: what is done to them is done without the list's lock.  NULL: there are none, or no memory.
static struct conn **hold_all(struct server *server, uint64_t *count)
{
	pthread_mutex_lock(&server->lock);
	struct conn **all = server->listed > 0 ? mem_alloc(server->listed * sizeof(struct conn *)) : NULL;
	*count = 0;
	for (struct conn *c = server->conns; all != NULL && c != NULL; c = c->next) {
		conn_hold(c);
		all[(*count)++] = c;
	}
	pthread_mutex_unlock(&server->lock);
	return all;
}

static void say_goodbye(struct server *server)
{
	uint64_t count;
	struct conn **all = hold_all(server, &count);
	for (uint64_t i = 0; i < count; i++) {
		conn_goodbye(all[i]);
		conn_drop(all[i]);
	}
	mem_free(all);
}

static bool all_quiet(struct server *server)
{
	bool quiet = true;
	pthread_mutex_lock(&server->lock);
	for (struct conn *c = server->conns; quiet && c != NULL; c = c->next)
		quiet = conn_is_quiet(c);
	pthread_mutex_unlock(&server->lock);
	return quiet;
}

bool server_drain(struct server *server, int64_t timeout_ms)
{
	static const struct timespec step = {0, DRAIN_STEP_MS * 1000000};
	int64_t end = timers_now(server->config.timers) + timeout_ms;
	atomic_store(&server->draining, true);
	say_goodbye(server);
	while (!all_quiet(server)) {
		if (timers_now(server->config.timers) >= end)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

// --- open, close, numbers -------------------------------------------------------------------------------------------

int server_open(struct server **out, const struct server_config *config)
{
	struct server *server = mem_zalloc(sizeof(*server));
	if (server == NULL)
		return WHERRY_ENOMEM;
	server->config = *config;
	server->resend_budget.most = &config->limits->resend_bytes;
	pthread_mutex_init(&server->lock, NULL);
	pthread_mutex_init(&server->spare_lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	int status = hot_open(&server->hot, server);
	if (status != WHERRY_OK)
		server_close(server);
	else
		*out = server;
	return status;
}

static void end_all(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	for (struct conn *c = server->conns; c != NULL; c = c->next)
		conn_close(c);
	while (server->alive > 0)
		pthread_cond_wait(&server->changed, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

void server_close(struct server *server)
{
	if (server == NULL)
		return;
	server_stop_accepting(server);
	end_all(server);
	hot_close(&server->hot);
	for (struct endpoint *e = server->endpoints, *next; e != NULL; e = next) {
		next = e->next;
		endpoint_free(e);
	}
	for (struct workspace *ws = server->spares, *next; ws != NULL; ws = next) {
		next = ws->next;
		workspace_free(ws);
	}
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->spare_lock);
	pthread_mutex_destroy(&server->lock);
	mem_free(server);
}

void server_read_stats(const struct server *server, struct server_stats *out)
{
	struct server *s = (struct server *)(uintptr_t)server; // only its lock changes
	pthread_mutex_lock(&s->lock);
	out->connections = s->listed;
	pthread_mutex_unlock(&s->lock);
#define READ(what) out->what = atomic_load_explicit(&s->count.what, memory_order_relaxed)
	READ(accepted);
	READ(closed);
	READ(refused);
	READ(handshakes_failed);
	READ(frames_in);
	READ(frames_out);
	READ(bytes_in);
	READ(bytes_out);
	READ(resent);
	READ(oversize);
	READ(idle_closed);
	READ(stalled_closed);
	READ(accept_errors);
	READ(published);
	READ(publish_dropped);
	READ(pushed);
	READ(push_dropped);
	READ(pulled);
#undef READ
}
