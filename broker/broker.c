// A broker from its parts: opened in the order of the layers, closed in reverse.  wherry_broker_* of the public header.

#include "broker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/status.h"
#include "builtin/announce.h"
#include "config.h"
#include "data_dir.h"

enum { WHY_ROOM = 512, URL_ROOM = 256 };

struct opening {
	wherry_broker *b;
	void (*fault)(void *arg, const char *why); // a rehearsal: what is wrong goes there, and it goes on
	void *arg;
	char why[WHY_ROOM];
};

static int __attribute__((format(printf, 3, 4))) fail(struct opening *o, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(o->why, sizeof(o->why), format, args);
	va_end(args);
	return status;
}

static int go_on(struct opening *o, int status)
{
	if (status == WHERRY_OK || o->fault == NULL)
		return status;
	o->fault(o->arg, o->why[0] != 0 ? o->why : status_text(status));
	o->why[0] = 0;
	return WHERRY_OK;
}

// --- the log ----------------------------------------------------------------------------------------------------------

static void warn_of(void *arg, const char *what)
{
	const wherry_broker *b = arg;
	log_event(&b->log, WHERRY_LOG_WARN, "configuration", "warning", what, NULL);
}

static int open_log(struct opening *o)
{
	wherry_broker *b = o->b;
	const char *path = config_text(b->config, "log_file");
	if (path[0] != 0 && (b->log_fd = log_open(path)) < 0)
		return fail(o, WHERRY_EIO, "log_file: can't open %s: %s", path, strerror(errno));
	if (path[0] != 0)
		b->log.fd = b->log_fd;
	atomic_store(&b->log.format, (int)config_number(b->config, "log_format"));
	for (size_t i = 0; i < b->config->warnings.count; i++)
		warn_of(b, b->config->warnings.text[i]);
	return WHERRY_OK;
}

static int open_data_dir(struct opening *o)
{
	const char *dir = config_text(o->b->config, "data_dir");
	return dir[0] == 0 ? WHERRY_OK : data_dir_lock(dir, &o->b->lock_fd, o->why, sizeof(o->why));
}

// --- what the layers tell each other ------------------------------------------------------------------------------------

static void on_durable(void *arg, uint64_t lsn, bool failed)
{
	wherry_broker *b = arg;
	if (b->router != NULL)
		router_durable(b->router, lsn, failed);
}

static void on_changed(void *arg, const struct store_change *change)
{
	wherry_broker *b = arg;
	if (b->router != NULL)
		router_changed(b->router, change);
}

static void on_next_due(void *arg, int64_t unix_ms)
{
	wherry_broker *b = arg;
	if (b->router != NULL)
		router_next_due(b->router, unix_ms);
}

static void on_session_ended(void *arg, uint64_t session)
{
	wherry_broker *b = arg;
	if (b->modules != NULL)
		modules_session_ended(b->modules, session);
	announce_session_down(b, session);
}

static void on_session_began(void *arg, const struct session *s)
{
	announce_session_up(arg, s);
}

static uint64_t on_publish(void *arg, wherry_span topic, wherry_span payload, wherry_span headers)
{
	wherry_broker *b = arg;
	return b->modules != NULL ? modules_heard(b->modules, topic, payload, headers) : 0;
}

static uint64_t on_hears(void *arg, wherry_span topic)
{
	wherry_broker *b = arg;
	return b->modules != NULL ? modules_hear(b->modules, topic) : 0;
}

static void on_module(void *arg, const char *name, const char *version, const char *event)
{
	announce_module(arg, name, version, event);
}

static const char *on_module_option(void *arg, const char *module, const char *name)
{
	wherry_broker *b = arg;
	return config_module_option(b->config, module, name);
}

// --- opening, layer by layer --------------------------------------------------------------------------------------------

static int open_store(struct opening *o)
{
	wherry_broker *b = o->b;
	int status = bus_open(&b->bus, &b->bus_limits);
	if (status != WHERRY_OK)
		return fail(o, status, "the bus can't be opened: %s", status_text(status));
	struct store_config config = {.clock = &b->clock,
	    .durable = on_durable,
	    .next_due = on_next_due,
	    .changed = on_changed,
	    .watched = bus_watched(b->bus),
	    .arg = b};
	status = timers_open(&b->timers, &b->clock);
	if (status == WHERRY_OK)
		status = store_open(&b->store, &config);
	if (status != WHERRY_OK)
		return fail(o, status, "the keyspace can't be opened: %s", status_text(status));
	config_apply(b);
	for (size_t i = 0; i < b->config->namespace_count && status == WHERRY_OK; i++) {
		uint32_t ns;
		const char *name = b->config->namespaces[i];
		status = store_ns_create(b->store, span_text(name), &ns);
		status = status == WHERRY_EEXIST ? WHERRY_OK : status;
		if (status != WHERRY_OK)
			return fail(o, status, "namespace \"%s\": %s", name, status_text(status));
	}
	return WHERRY_OK;
}

// A session's id outlives the broker in what modules keep, so none may be given again by a broker that is started anew:
// there are fewer than 4096 new sessions a millisecond.
static uint64_t sessions_after(const struct clock *clock)
{
	return (uint64_t)clock_unix_ms(clock) << 12;
}

static int open_router(struct opening *o)
{
	wherry_broker *b = o->b;
	struct router_config config = {.store = b->store,
	    .timers = b->timers,
	    .log = &b->log,
	    .clock = &b->clock,
	    .limits = &b->router_limits,
	    .hooks = {on_session_began, on_session_ended, on_publish, on_hears, b},
	    .bus = b->bus,
	    .sessions_after = sessions_after(&b->clock)};
	int status = router_open(&b->router, &config);
	if (status == WHERRY_OK)
		status = control_open(&b->control);
	return status == WHERRY_OK ? status : fail(o, status, "the router can't be opened: %s", status_text(status));
}

static int load_module(void *arg, const char *path_or_name)
{
	struct opening *o = arg;
	char why[WHY_ROOM];
	int status = modules_load(o->b->modules, path_or_name, why, sizeof(why));
	return status == WHERRY_OK ? status : go_on(o, fail(o, status, "%s", why));
}

static int add_builtins(struct opening *o)
{
	static const wherry_module *const builtins[] = {
	    &builtin_sys, &builtin_session, &builtin_module, &builtin_ns, &builtin_tx};
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		int status = modules_add_builtin(o->b->modules, builtins[i], o->b, o->why, sizeof(o->why));
		if (status != WHERRY_OK)
			return status;
	}
	return WHERRY_OK;
}

struct module_opening {
	struct opening *o;
	int status;
};

// On the control thread, where modules live.
static void open_modules(void *arg)
{
	struct module_opening *m = arg;
	wherry_broker *b = m->o->b;
	char dir[4096];
	config_module_dir(b->config, dir, sizeof(dir));
	struct modules_config config = {.router = b->router,
	    .timers = b->timers,
	    .log = &b->log,
	    .clock = &b->clock,
	    .dir = dir,
	    .version = WHERRY_VERSION,
	    .option = on_module_option,
	    .changed = on_module,
	    .arg = b,
	    .check = {.on = config_number(b->config, "check_modules") != 0,
		.run_ms = config_number(b->config, "check_run_time")}};
	m->status = modules_open(&b->modules, &config);
	if (m->status == WHERRY_OK)
		m->status = add_builtins(m->o);
	if (m->status == WHERRY_OK)
		m->status = config_each_module(b->config, load_module, m->o);
	if (m->status == WHERRY_OK)
		m->status =
		    go_on(m->o, config_check_settings(b->config, b->modules, warn_of, b, m->o->why, sizeof(m->o->why)));
	if (m->status == WHERRY_OK)
		m->status = modules_publish(b->modules);
}

static int start_modules(struct opening *o)
{
	struct module_opening m = {o, WHERRY_OK};
	control_call(o->b->control, "start modules", open_modules, &m);
	if (m.status != WHERRY_OK && o->why[0] == 0)
		return fail(o, m.status, "the modules can't be started: %s", status_text(m.status));
	return m.status;
}

static int check_listen_ns(struct opening *o, const char *url, const char *ns)
{
	uint32_t found;
	if (ns == NULL || store_ns_find(o->b->store, span_text(ns), &found) == WHERRY_OK)
		return WHERRY_OK;
	return fail(o, WHERRY_ENOKEY,
	    "%s: there is no namespace \"%s\"; in the configuration file: namespace \"%s\" { }", url, ns, ns);
}

static int listen_one(struct opening *o, size_t i)
{
	wherry_broker *b = o->b;
	const struct config_listener *l = &b->config->listeners[i];
	struct listen_options options = config_listen_options(b->config, i);
	char why[WHY_ROOM], bound[URL_ROOM];
	int status = check_listen_ns(o, l->url, options.ns);
	if (status != WHERRY_OK)
		return status;
	status = server_listen(b->server, l->url, &options, bound, sizeof(bound), why, sizeof(why));
	if (status != WHERRY_OK && l->preset) {
		log_event(&b->log, WHERRY_LOG_WARN, "not listening", "url", l->url, "reason", why, NULL);
		return WHERRY_OK;
	}
	if (status != WHERRY_OK)
		return fail(o, status, "%s", why);
	unsigned at = b->url_count; // counted when it can be read: clients may be asking already
	b->urls[at] = mem_strdup(bound);
	if (b->urls[at] == NULL)
		return fail(o, WHERRY_ENOMEM, "out of memory");
	atomic_store(&b->url_count, at + 1);
	log_event(&b->log, WHERRY_LOG_INFO, "listening", "url", bound, NULL);
	return WHERRY_OK;
}

static int open_server(struct opening *o)
{
	wherry_broker *b = o->b;
	size_t count = b->config->listener_count;
	struct server_config config = {b->router, b->timers, &b->log, &b->wire_limits};
	b->urls = mem_zalloc(sizeof(b->urls[0]) * (count + 1));
	if (b->urls == NULL || server_open(&b->server, &config) != WHERRY_OK)
		return fail(o, WHERRY_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		int status = listen_one(o, i);
		if (status != WHERRY_OK)
			return status;
	}
	if (count > 0 && b->url_count == 0)
		return fail(o, WHERRY_EIO, "no listener could be opened: name one that can, with -l URL");
	return WHERRY_OK;
}

static int begin_announcing(struct opening *o)
{
	announce_begin(o->b);
	return WHERRY_OK;
}

static int open_parts(struct opening *o)
{
	static int (*const parts[])(struct opening *) = {
	    open_log, open_data_dir, open_store, open_router, start_modules, open_server, begin_announcing};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		int status = parts[i](o);
		if (status != WHERRY_OK)
			return status;
	}
	return WHERRY_OK;
}

// --- rehearsing ---------------------------------------------------------------------------------------------------------

static int check_file(struct opening *o, const char *url, const char *path)
{
	if (path == NULL || access(path, R_OK) == 0)
		return WHERRY_OK;
	return fail(o, WHERRY_EIO, "%s: %s can't be read: %s", url, path, strerror(errno));
}

static int check_listeners(struct opening *o)
{
	const wherry_config *c = o->b->config;
	for (size_t i = 0; i < c->listener_count; i++) {
		struct listen_options options = config_listen_options(c, i);
		const char *url = c->listeners[i].url;
		go_on(o, server_check(url, &options, o->why, sizeof(o->why)));
		go_on(o, check_file(o, url, options.tls_cert_file));
		go_on(o, check_file(o, url, options.tls_key_file));
		go_on(o, check_listen_ns(o, url, options.ns));
	}
	return WHERRY_OK;
}

// That modules are loaded and unloaded is of no interest; what is wrong is for people.
static int quieten(struct opening *o)
{
	atomic_store(&o->b->log.format, LOG_TEXT);
	atomic_store(&o->b->log.level, WHERRY_LOG_WARN);
	return WHERRY_OK;
}

static wherry_broker *broker_new(const wherry_config *config)
{
	wherry_broker *b = mem_zalloc(sizeof(*b));
	if (b == NULL)
		return NULL;
	b->config = config_copy(config);
	b->options = b->config != NULL ? option_values_copy(b->config->options) : NULL;
	if (b->options == NULL) {
		wherry_config_free(b->config);
		mem_free(b);
		return NULL;
	}
	b->clock = clock_system;
	b->log = (struct logger){.fd = STDERR_FILENO, .level = WHERRY_LOG_INFO, .clock = &b->clock};
	b->lock_fd = b->log_fd = -1;
	b->started_ms = clock_unix_ms(&b->clock);
	pthread_mutex_init(&b->stopping_lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&b->stopping, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return b;
}

// --- closing ------------------------------------------------------------------------------------------------------------

static int64_t drain_timeout(const wherry_broker *b)
{
	return atomic_load(&b->options[broker_option_index("drain_timeout")].number);
}

static void close_modules(void *arg)
{
	wherry_broker *b = arg;
	modules_close(b->modules, drain_timeout(b));
	b->modules = NULL;
}

static void close_parts(wherry_broker *b)
{
	if (b->server != NULL)
		server_stop_accepting(b->server);
	announce_end(b);
	if (b->router != NULL)
		router_drain(b->router);
	if (b->server != NULL) {
		if (!server_drain(b->server, drain_timeout(b)))
			log_event(&b->log, WHERRY_LOG_WARN, "drained only in part", "reason", "drain_timeout", NULL);
		server_close(b->server);
	}
	if (b->modules != NULL)
		control_call(b->control, "stop modules", close_modules, b);
	if (b->control != NULL)
		control_close(b->control);
	if (b->router != NULL)
		router_close(b->router);
	if (b->store != NULL)
		store_close(b->store);
	if (b->bus != NULL)
		bus_close(b->bus);
	if (b->timers != NULL)
		timers_close(b->timers);
}

static void broker_free(wherry_broker *b)
{
	close_parts(b);
	for (unsigned i = 0; i < b->url_count; i++)
		mem_free(b->urls[i]);
	mem_free(b->urls);
	if (b->lock_fd >= 0)
		close(b->lock_fd);
	if (b->log_fd >= 0)
		close(b->log_fd);
	option_values_free(b->options);
	wherry_config_free(b->config);
	pthread_mutex_destroy(&b->stopping_lock);
	pthread_cond_destroy(&b->stopping);
	mem_free(b);
}

// --- the public face ----------------------------------------------------------------------------------------------------

int wherry_broker_open(const wherry_config *config, wherry_broker **out, char **why)
{
	struct opening o = {.b = broker_new(config)};
	*out = NULL;
	int status = o.b != NULL ? open_parts(&o) : fail(&o, WHERRY_ENOMEM, "out of memory");
	if (why != NULL)
		*why = status != WHERRY_OK ? strdup(o.why) : NULL;
	if (status == WHERRY_OK)
		*out = o.b;
	else if (o.b != NULL)
		broker_free(o.b);
	return status;
}

void broker_rehearse(
    const wherry_config *config, wherry_broker **out, void (*fault)(void *arg, const char *why), void *arg)
{
	static int (*const parts[])(struct opening *) = {
	    open_store, quieten, check_listeners, open_router, start_modules};
	struct opening o = {.b = broker_new(config), .fault = fault, .arg = arg};
	int status = o.b != NULL ? WHERRY_OK : WHERRY_ENOMEM;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && status == WHERRY_OK; i++)
		status = parts[i](&o);
	*out = status == WHERRY_OK ? o.b : NULL;
	if (status == WHERRY_OK)
		return;
	go_on(&o, status);
	wherry_broker_close(o.b);
}

void wherry_broker_close(wherry_broker *b)
{
	if (b != NULL)
		broker_free(b);
}

const char *wherry_broker_url(const wherry_broker *b, unsigned index)
{
	return index < b->url_count ? b->urls[index] : NULL;
}

int wherry_broker_wait(wherry_broker *b, int64_t timeout_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + (timeout_ms > 0 ? timeout_ms % 1000 * 1000000 : 0);
	until.tv_sec += (timeout_ms > 0 ? timeout_ms / 1000 : 0) + ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	int waited = 0;
	pthread_mutex_lock(&b->stopping_lock);
	while (!b->stop && waited == 0)
		waited = timeout_ms < 0 ? pthread_cond_wait(&b->stopping, &b->stopping_lock)
					: pthread_cond_timedwait(&b->stopping, &b->stopping_lock, &until);
	bool stopped = b->stop;
	pthread_mutex_unlock(&b->stopping_lock);
	return stopped ? WHERRY_OK : WHERRY_ETIMEOUT;
}

void wherry_broker_stop(wherry_broker *b)
{
	pthread_mutex_lock(&b->stopping_lock);
	b->stop = true;
	pthread_cond_broadcast(&b->stopping);
	pthread_mutex_unlock(&b->stopping_lock);
}

const char *wherry_version(void)
{
	return WHERRY_VERSION;
}
