// What a broker is opened with: option values, listeners, modules and their options, namespaces.  Filled by the public
// wherry_config_* calls (config.c), by files (config_read.c, each through libconfuse: config_file.c; listeners: config_listen.c), by the
// environment (config_environment.c) and by wherryd's flags; later sets win.  config_reload.c puts a new one into a
// running broker.  Threads: one at a time per object.

#ifndef CONFIG_H
#define CONFIG_H

#include "base/options.h"
#include "wherry/broker.h"
#include "wire/server.h"

enum {
	CONFIG_IPC_MODE = 0660,
	BROKER_OPTIONS_MOST = 64,
	CONFIG_LISTEN_OPTIONS = 10,
	CONFIG_FAULTS_MOST = 20,
	CONFIG_WHY_ROOM = 512
};

struct modules;

struct config_listener {
	char *url;
	struct listen_options options; // its strings are owned by the listener
	bool preset;                   // nobody asked for it: if it can't be had, a warning is enough
};

struct config_setting {
	char *module, *name, *text;
	const char *from; // static: NULL, or the kind of place from which an unknown one is only worth a warning
};

// Sentences for people, in the order in which they were found.
struct config_texts {
	char **text;
	size_t count;
};

struct wherry_config {
	struct option_value *options; // broker_options order
	struct config_listener *listeners;
	size_t listener_count;
	char **modules; // those named besides the `modules` option: config_each_module() knows both
	size_t module_count;
	struct config_setting *settings;
	size_t setting_count;
	char **namespaces; // made at start
	size_t namespace_count;
	struct config_texts faults;   // of the last file or environment; why has the first of them
	struct config_texts warnings; // of all; said once the broker has a log
	char why[CONFIG_WHY_ROOM];
};

wherry_config *config_copy(const wherry_config *); // NULL: no memory

// The value of an option of the broker itself, by a name that is in broker_options.
int64_t config_number(const wherry_config *, const char *name);
const char *config_text(const wherry_config *, const char *name); // never NULL

int config_listen(wherry_config *, const char *url, const struct listen_options *,
    bool preset); // copies; EARG, ENOMEM
void config_forget_listeners(wherry_config *);
const char *config_listen_name(size_t index); // of an option of a listener, 0 .. CONFIG_LISTEN_OPTIONS - 1
// What a text says of that option; a text may be lent to the options.  EARG: why[].
int config_listen_set(size_t index, const char *text, struct listen_options *, char *why, size_t why_room);
// The options of listener `index`, with the broker's own `insecure` worked in.  Lent.
struct listen_options config_listen_options(const wherry_config *, size_t index);

int config_namespace(wherry_config *, const char *name); // EARG, ENOMEM
// Every module to load, in order, none twice.  Stops at the first answer that is not WHERRY_OK, and answers
// it.
int config_each_module(const wherry_config *, int (*each)(void *arg, const char *path_or_name), void *arg);
// A module that is given by its path, DIR/NAME.so, goes by the name.
void config_module_name(const char *path_or_name, char *name, size_t room);
// Which options a module has is known only once it is loaded: they are checked then.
int config_set_module_option(wherry_config *, const char *path_or_name, const char *name, const char *text);
// The configured text of a module's option; NULL: none.
const char *config_module_option(const wherry_config *, const char *module, const char *name);
// Once all are loaded: EARG, and why[], if something is configured that nobody has.  What is merely in the environment
// is handed to warn() instead.
int config_check_settings(const wherry_config *, struct modules *, void (*warn)(void *arg, const char *what), void *arg,
    char *why, size_t why_room);
// Where modules are looked for by name: the option module_dir, else beside the program or library, else where
// an installation puts them.
void config_module_dir(const wherry_config *, char *dir, size_t room);

// What a file says, from memory; `name` stands for the file in messages.  EARG with "name:line: ..." in why;
// what stood before the fault is set.  Nothing is included.
int config_parse_text(wherry_config *, const char *text, size_t len, const char *name);
// A part of a file that begins in its line `first_line`, and in which all sections are closed.  Faults are added to
// c->faults, and reading goes on behind a wrong value; EARG if there was one.
int config_parse_part(wherry_config *, const char *text, size_t len, const char *name, int first_line);

// For wherryd: `names` as environ.  WHERRY_LISTEN is not looked at: *listen gets it, NULL if it is not there.
int config_environment(wherry_config *, char *const *names, const char **listen);

// One more sentence of why it can't be; EARG.  Above CONFIG_FAULTS_MOST they are counted only.
int config_fault(wherry_config *, const char *format, ...) __attribute__((format(printf, 2, 3)));
int config_warn(wherry_config *, const char *format, ...) __attribute__((format(printf, 2, 3))); // OK, ENOMEM
void config_no_faults(wherry_config *);
int config_faults_end(wherry_config *, int status); // why is the first of them; EARG if there is one, else `status`

// Says why and answers `status`.
int config_fail(wherry_config *, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Option values in broker_options order, each at its preset; and a copy of such.  NULL: no memory.
struct option_value *option_values_new(void);
struct option_value *option_values_copy(const struct option_value *);
void option_values_free(struct option_value *);
// Parses and puts in place; why[] as option_parse.
int option_value_set(struct option_value *, const struct option_spec *, const char *text, char *why, size_t why_room);
// Where in broker_options a name stands; broker_option_count: nowhere.
uint32_t broker_option_index(const char *name);
int broker_option_unknown(const char *name, char *why,
    size_t why_room); // says so, with the nearest name; EARG

// Puts a new configuration into a running broker: all of it that can change while it runs, or nothing, and why.  What
// can't change is logged.  The control thread, which owns modules; see wherry/broker.h.
int config_reload(wherry_broker *, const wherry_config *, char *why, size_t why_room);

// The one place that carries options into what reads them: b->options as they are -> limits, log level,
// memory limit. Called once the store is open, and by broker_set_option() afterwards.
void config_apply(wherry_broker *);

#endif
