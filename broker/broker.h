// The broker put together: what the layers are, who owns whom.  Used by main.c, the embedding calls and the built-ins.
//
//   control thread  one; runs module loading, option changes, shutdown: jobs posted to it (control_post)
//   runner          one, the router's: submitted requests, time-outs, expiry, alarms
//   NNG's threads   connections and requests

#ifndef BROKER_H
#define BROKER_H

#include "base/options.h"
#include "control.h"
#include "base/timer.h"
#include "module/modules.h"
#include "run/router.h"
#include "store/store.h"
#include "wherry/broker.h"
#include "wire/server.h"

struct wherry_broker {
	struct clock clock;
	struct logger log;
	struct timers *timers;
	struct store *store;
	struct bus *bus;
	struct router *router;
	struct modules *modules;
	struct server *server;
	struct control *control;
	struct timer announcing; // $sys.broker
	struct router_limits router_limits;
	struct wire_limits wire_limits;
	struct bus_limits bus_limits;
	struct option_value *options; // broker_options order
	wherry_config *config;        // own copy
	char **urls;
	atomic_uint url_count;
	int lock_fd; // of the data directory
	int log_fd;  // of the option log_file; -1: the log is standard error
	int64_t started_ms;
	pthread_mutex_t stopping_lock;
	pthread_cond_t stopping;
	bool stop;
};

// The options of the broker itself (config.c).
extern const struct option_spec broker_options[];
extern const uint32_t broker_option_count;
// Sets a hot option in a running broker; why[] as option_parse.
int broker_set_option(wherry_broker *, const char *name, const char *text, char *why, size_t why_room);
// The same with a value that was parsed already: can't fail, because no hot option has a text of its own.
void broker_take_option(wherry_broker *, uint32_t index, const struct option_value *);

// Opens the keyspace and the modules of a configuration, but no data directory, no log file and no listener: to see
// whether it is fine, and what is in it.  fault() gets each reason why it is not; *out is NULL then only if nothing
// could be opened at all.  Closed by wherry_broker_close().
void broker_rehearse(const wherry_config *, wherry_broker **out, void (*fault)(void *arg, const char *why), void *arg);

// Built-in modules (broker/builtin): their commands' self is the wherry_broker.
extern const wherry_module builtin_sys, builtin_session, builtin_module, builtin_ns, builtin_tx;

#endif
