// The configuration object of the public interface.

#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "broker.h"
#include "bus/topic.h"

enum { URL_MOST = 1024, PATH_MOST = 4096, NAME_MOST = 64 };

int config_fail(wherry_config *c, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(c->why, sizeof(c->why), format, args);
	va_end(args);
	return status;
}

static int no_memory(wherry_config *c)
{
	return config_fail(c, WHERRY_ENOMEM, "out of memory");
}

// --- lists -----------------------------------------------------------------------------------------------------------

// Makes room for one more element at the end of *list; false: no memory, and nothing changed.
static bool one_more(void **list, size_t count, size_t size)
{
	void *grown = mem_resize(*list, (count + 1) * size);
	if (grown != NULL)
		*list = grown;
	return grown != NULL;
}

static int add_text(wherry_config *c, char ***list, size_t *count, const char *text)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp((*list)[i], text) == 0)
			return WHERRY_OK;
	char *copy = mem_strdup(text);
	void *grown = *list;
	if (copy == NULL || !one_more(&grown, *count, sizeof(char *))) {
		mem_free(copy);
		return no_memory(c);
	}
	*list = grown;
	(*list)[(*count)++] = copy;
	return WHERRY_OK;
}

static void free_texts(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free(list[i]);
	mem_free(list);
}

static void free_listener(struct config_listener *l)
{
	mem_free(l->url);
	listen_options_free(&l->options);
}

void config_forget_listeners(wherry_config *c)
{
	for (size_t i = 0; i < c->listener_count; i++)
		free_listener(&c->listeners[i]);
	mem_free(c->listeners);
	c->listeners = NULL;
	c->listener_count = 0;
}

// A port that is any free one may be asked for again and again.
static bool is_given(const wherry_config *c, const char *url)
{
	size_t len = strlen(url);
	for (size_t i = 0; i < c->listener_count; i++)
		if (strcmp(c->listeners[i].url, url) == 0)
			return len < 2 || strcmp(url + len - 2, ":0") != 0;
	return false;
}

static int check_plain(wherry_config *c, const struct listen_options *o)
{
	const char *fault = o->tap != NULL ? filter_fault(span_text(o->tap)) : NULL;
	if (fault != NULL)
		return config_fail(c, WHERRY_EARG, "tap: \"%.100s\" is no filter of topics: %s", o->tap, fault);
	if (o->queue != NULL && o->queue[0] == 0)
		return config_fail(c, WHERRY_EARG, "queue: a queue's name is not empty");
	if (o->ns != NULL && o->queue == NULL)
		return config_fail(
		    c, WHERRY_EARG, "ns: it is the namespace of a listener's queue, and this one has none");
	return WHERRY_OK;
}

static int check_listener(wherry_config *c, const char *url, const struct listen_options *options)
{
	if (url[0] == 0 || strlen(url) > URL_MOST || strstr(url, "://") == NULL)
		return config_fail(c, WHERRY_EARG,
		    "\"%.100s\" is no URL to listen on; tcp://HOST:PORT, ipc:///PATH and "
		    "tls+tcp://HOST:PORT are",
		    url);
	if (is_given(c, url))
		return config_fail(c, WHERRY_EARG, "%s is given twice", url);
	if (strncmp(url, "tls+tcp://", 10) == 0 && (options->tls_cert_file == NULL || options->tls_key_file == NULL))
		return config_fail(c, WHERRY_EARG,
		    "%s needs a certificate and its key; in the configuration file: "
		    "listen \"%s\" { tls_cert = \"cert.pem\" tls_key = \"key.pem\" }",
		    url, url);
	return check_plain(c, options);
}

int config_listen(wherry_config *c, const char *url, const struct listen_options *options, bool preset)
{
	int status = check_listener(c, url, options);
	if (status != WHERRY_OK)
		return status;
	struct config_listener l = {.url = mem_strdup(url), .preset = preset};
	void *grown = c->listeners;
	if (l.url == NULL || !listen_options_copy(&l.options, options) ||
	    !one_more(&grown, c->listener_count, sizeof(l))) {
		free_listener(&l);
		return no_memory(c);
	}
	c->listeners = grown;
	c->listeners[c->listener_count++] = l;
	return WHERRY_OK;
}

struct listen_options config_listen_options(const wherry_config *c, size_t index)
{
	struct listen_options options = c->listeners[index].options;
	options.insecure |= config_number(c, "insecure") != 0;
	return options;
}

// --- what is wrong ---------------------------------------------------------------------------------------------------

int config_fault(wherry_config *c, const char *format, ...)
{
	char text[CONFIG_WHY_ROOM];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (c->faults.count >= CONFIG_FAULTS_MOST)
		return WHERRY_EARG;
	int status = add_text(c, &c->faults.text, &c->faults.count, text);
	return status == WHERRY_OK ? WHERRY_EARG : status;
}

int config_warn(wherry_config *c, const char *format, ...)
{
	char text[CONFIG_WHY_ROOM];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return c->warnings.count < CONFIG_FAULTS_MOST ? add_text(c, &c->warnings.text, &c->warnings.count, text)
						      : WHERRY_OK;
}

void config_no_faults(wherry_config *c)
{
	free_texts(c->faults.text, c->faults.count);
	c->faults = (struct config_texts){0};
}

int config_faults_end(wherry_config *c, int status)
{
	if (c->faults.count == 0 || status == WHERRY_ENOMEM)
		return status;
	return config_fail(c, status == WHERRY_OK ? WHERRY_EARG : status, "%s", c->faults.text[0]);
}

int config_namespace(wherry_config *c, const char *name)
{
	size_t len = strlen(name);
	if (len == 0 || len > NAME_MOST ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != len)
		return config_fail(c, WHERRY_EARG,
		    "\"%.100s\" can't name a namespace: 1 to 64 letters, digits, '_', '.' or '-' can", name);
	if (c->namespace_count == STORE_NAMESPACES - 1) // "default" is one
		return config_fail(c, WHERRY_EARG, "%d namespaces are the most that there can be", STORE_NAMESPACES);
	return add_text(c, &c->namespaces, &c->namespace_count, name);
}

// --- modules ---------------------------------------------------------------------------------------------------------

// Steps over the next word of *at; false: none is left.
static bool next_word(const char **at, char *word, size_t room)
{
	*at += strspn(*at, " \t,");
	size_t len = strcspn(*at, " \t,");
	snprintf(word, room, "%.*s", (int)len, *at);
	*at += len;
	return len != 0;
}

void config_module_name(const char *path_or_name, char *name, size_t room)
{
	const char *slash = strrchr(path_or_name, '/');
	const char *base = slash == NULL ? path_or_name : slash + 1;
	size_t len = strlen(base);
	if (len > 3 && strcmp(base + len - 3, ".so") == 0)
		len -= 3;
	snprintf(name, room, "%.*s", (int)len, base);
}

static bool same_module(const char *a, const char *b)
{
	char a_name[PATH_MOST], b_name[PATH_MOST];
	config_module_name(a, a_name, sizeof(a_name));
	config_module_name(b, b_name, sizeof(b_name));
	return strcmp(a_name, b_name) == 0;
}

static bool is_named(const wherry_config *c, size_t upto, const char *name)
{
	for (size_t i = 0; i < upto; i++)
		if (same_module(c->modules[i], name))
			return true;
	return false;
}

// A module named by itself stands for one of that name in the option `modules`: it may be another build of
// it.
int config_each_module(const wherry_config *c, int (*each)(void *arg, const char *path_or_name), void *arg)
{
	char word[PATH_MOST];
	const char *at = config_text(c, "modules");
	int status = WHERRY_OK;
	while (status == WHERRY_OK && next_word(&at, word, sizeof(word)))
		if (!is_named(c, c->module_count, word))
			status = each(arg, word);
	for (size_t i = 0; status == WHERRY_OK && i < c->module_count; i++)
		if (!is_named(c, i, c->modules[i]))
			status = each(arg, c->modules[i]);
	return status;
}

static struct config_setting *find_option(const wherry_config *c, const char *module, const char *name)
{
	for (size_t i = 0; i < c->setting_count; i++) {
		struct config_setting *o = &c->settings[i];
		if (strcmp(o->module, module) == 0 && strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

const char *config_module_option(const wherry_config *c, const char *module, const char *name)
{
	const struct config_setting *o = find_option(c, module, name);
	return o == NULL ? NULL : o->text;
}

static int add_module_option(wherry_config *c, const char *module, const char *name, char *text)
{
	struct config_setting o = {mem_strdup(module), mem_strdup(name), text, NULL};
	void *grown = c->settings;
	if (o.module == NULL || o.name == NULL || !one_more(&grown, c->setting_count, sizeof(o))) {
		mem_free(o.module);
		mem_free(o.name);
		mem_free(text);
		return no_memory(c);
	}
	c->settings = grown;
	c->settings[c->setting_count++] = o;
	return WHERRY_OK;
}

int config_set_module_option(wherry_config *c, const char *path_or_name, const char *name, const char *text)
{
	char module[PATH_MOST];
	config_module_name(path_or_name, module, sizeof(module));
	char *copy = mem_strdup(text);
	if (copy == NULL)
		return no_memory(c);
	struct config_setting *o = find_option(c, module, name);
	if (o == NULL)
		return add_module_option(c, module, name, copy);
	mem_free(o->text);
	o->text = copy;
	o->from = NULL;
	return WHERRY_OK;
}

// --- the public interface --------------------------------------------------------------------------------------------

wherry_config *wherry_config_new(void)
{
	wherry_config *c = mem_zalloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	c->options = option_values_new();
	if (c->options != NULL)
		return c;
	wherry_config_free(c);
	return NULL;
}

void wherry_config_free(wherry_config *c)
{
	if (c == NULL)
		return;
	config_forget_listeners(c);
	free_texts(c->modules, c->module_count);
	free_texts(c->namespaces, c->namespace_count);
	for (size_t i = 0; i < c->setting_count; i++) {
		mem_free(c->settings[i].module);
		mem_free(c->settings[i].name);
		mem_free(c->settings[i].text);
	}
	mem_free(c->settings);
	free_texts(c->faults.text, c->faults.count);
	free_texts(c->warnings.text, c->warnings.count);
	option_values_free(c->options);
	mem_free(c);
}

static bool copy_lists(wherry_config *to, const wherry_config *from)
{
	int status = WHERRY_OK;
	for (size_t i = 0; status == WHERRY_OK && i < from->listener_count; i++) {
		const struct config_listener *l = &from->listeners[i];
		status = config_listen(to, l->url, &l->options, l->preset);
	}
	for (size_t i = 0; status == WHERRY_OK && i < from->module_count; i++)
		status = add_text(to, &to->modules, &to->module_count, from->modules[i]);
	for (size_t i = 0; status == WHERRY_OK && i < from->namespace_count; i++)
		status = add_text(to, &to->namespaces, &to->namespace_count, from->namespaces[i]);
	for (size_t i = 0; status == WHERRY_OK && i < from->setting_count; i++) {
		const struct config_setting *o = &from->settings[i];
		status = config_set_module_option(to, o->module, o->name, o->text);
		if (status == WHERRY_OK)
			to->settings[i].from = o->from;
	}
	for (size_t i = 0; status == WHERRY_OK && i < from->warnings.count; i++)
		status = add_text(to, &to->warnings.text, &to->warnings.count, from->warnings.text[i]);
	return status == WHERRY_OK;
}

wherry_config *config_copy(const wherry_config *from)
{
	wherry_config *c = mem_zalloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	c->options = option_values_copy(from->options);
	if (c->options != NULL && copy_lists(c, from))
		return c;
	wherry_config_free(c);
	return NULL;
}

static int set_dotted(wherry_config *c, const char *name, const char *dot, const char *value)
{
	char module[NAME_MOST + 1];
	if (dot == name || dot - name > NAME_MOST || dot[1] == 0)
		return config_fail(c, WHERRY_EARG, "\"%.100s\" is not MODULE.OPTION", name);
	snprintf(module, sizeof(module), "%.*s", (int)(dot - name), name);
	return config_set_module_option(c, module, dot + 1, value);
}

int wherry_config_set(wherry_config *c, const char *name, const char *value)
{
	const char *dot = strchr(name, '.');
	if (dot != NULL)
		return set_dotted(c, name, dot, value);
	uint32_t i = broker_option_index(name);
	if (i == broker_option_count)
		return broker_option_unknown(name, c->why, sizeof(c->why));
	return option_value_set(&c->options[i], &broker_options[i], value, c->why, sizeof(c->why));
}

int wherry_config_listen(wherry_config *c, const char *url)
{
	return config_listen(c, url, &(struct listen_options){.ipc_mode = CONFIG_IPC_MODE}, false);
}

int wherry_config_module(wherry_config *c, const char *path)
{
	if (path[0] == 0 || strlen(path) >= PATH_MOST)
		return config_fail(c, WHERRY_EARG, "a module is named by its name or by the path of its file");
	return add_text(c, &c->modules, &c->module_count, path);
}

const char *wherry_config_why(const wherry_config *c)
{
	return c->why;
}
