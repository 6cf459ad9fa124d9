// --print-config: every option as it would stand in a file.  What differs from its default is in force; all else is a
// comment that may be taken out of its comment.

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "broker.h"
#include "config.h"
#include "daemon/help.h"
#include "daemon/texts.h"

enum { NAME_ROOM = 4096, TAKES_ROOM = 128 };

// In double quotes ${NAME} is an environment variable; in single ones only \ and ' are special.
static void print_text(const char *text)
{
	if (strpbrk(text, "$\\\"\n") == NULL) {
		printf("\"%s\"", text);
		return;
	}
	putchar('\'');
	for (; *text != 0; text++)
		printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
	putchar('\'');
}

static void print_value(const struct option_spec *o, const char *text)
{
	if (o->kind == WHERRY_OPTION_TEXT)
		print_text(text);
	else
		printf("%s", text);
}

// The help of an option, broken into lines.
static void print_comment(const char *indent, const char *text)
{
	enum { WIDTH = 100 };
	while (*text != 0) {
		size_t len = strlen(text);
		if (len > WIDTH)
			for (len = WIDTH; len > 0 && text[len] != ' ';)
				len--;
		len = len == 0 ? strlen(text) : len;
		printf("%s# %.*s\n", indent, (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static bool is_preset(const struct option_spec *o, const char *text)
{
	struct option_value value = {.text = NULL};
	struct buffer preset = {0};
	char why[CONFIG_WHY_ROOM];
	bool same = false;
	if (option_parse(o, o->preset, &value, why, sizeof(why)) == WHERRY_OK) {
		option_print(o, &value, &preset);
		buffer_byte(&preset, 0);
		same = !preset.failed && strcmp((const char *)preset.data, text) == 0;
	}
	mem_free(value.text);
	buffer_free(&preset);
	return same;
}

static void print_option(
    const struct option_spec *o, const struct option_value *value, const char *indent, const char *wait)
{
	char takes[TAKES_ROOM];
	struct buffer text = {0};
	option_print(o, value, &text);
	buffer_byte(&text, 0);
	if (text.failed)
		return;
	option_takes(o, takes, sizeof(takes));
	putchar('\n');
	print_comment(indent, o->help);
	printf("%s# %s; default ", indent, takes);
	print_value(o, o->preset);
	printf("; %s\n%s%s%s = ", o->hot ? "hot" : wait, indent, is_preset(o, (char *)text.data) ? "#" : "", o->name);
	print_value(o, (char *)text.data);
	putchar('\n');
	buffer_free(&text);
}

// --- listeners, modules, namespaces ------------------------------------------------------------------------------------

static void print_listen_text(const char *name, const char *text)
{
	if (text == NULL)
		return;
	printf(" %s = ", name);
	print_text(text);
}

static void print_listener(const struct config_listener *l)
{
	const struct listen_options *o = &l->options;
	printf("listen ");
	print_text(l->url);
	printf(" {%s", o->insecure ? " insecure = true" : "");
	if (o->ipc_mode != CONFIG_IPC_MODE)
		printf(" mode = %04o", (unsigned)o->ipc_mode);
	print_listen_text("tls_cert", o->tls_cert_file);
	print_listen_text("tls_key", o->tls_key_file);
	print_listen_text("tap", o->tap);
	if (o->max_messages > 0)
		printf(" max_messages = %lld", (long long)o->max_messages);
	if (o->max_bytes > 0)
		printf(" max_bytes = %lld", (long long)o->max_bytes);
	if (o->payload_msgpack)
		printf(" payload = msgpack");
	print_listen_text("queue", o->queue);
	print_listen_text("ns", o->ns);
	printf(" }\n");
}

static void print_listeners(const wherry_config *c)
{
	printf(
	    "\n\n# Where to listen.  Listeners change with a restart.  Without any: " DEFAULT_TCP " and a socket of\n"
	    "# the user's own.  insecure: a plain listener that other machines reach; mode: of the socket's file; tap: "
	    "the\n"
	    "# topics that SUB sockets get; payload: what PUB sockets send (bin or msgpack); queue: for PUSH and PULL "
	    "sockets.\n\n"
	    "#listen \"" DEFAULT_TCP "\" { }\n"
	    "#listen \"ipc:///run/wherry/wherry.sock\" { mode = 0660 }\n"
	    "#listen \"tls+tcp://0.0.0.0:1974\" { tls_cert = \"cert.pem\" tls_key = \"key.pem\" insecure = true }\n"
	    "#listen \"tcp://127.0.0.1:1975\" { tap = \"sensors.>\" max_messages = 1000 max_bytes = 1MiB payload = bin "
	    "queue = \"jobs\" ns = \"orders\" }\n");
	for (size_t i = 0; i < c->listener_count; i++)
		print_listener(&c->listeners[i]);
}

struct printing {
	const char *module; // whose options are printed
	const wherry_broker *b;
	bool begun;
	bool named; // by itself, and not in the option `modules`
	size_t differ;
};

static void count_differing(
    void *arg, const char *module, const struct option_spec *o, const struct option_value *value)
{
	struct printing *p = arg;
	struct buffer text = {0};
	option_print(o, value, &text);
	buffer_byte(&text, 0);
	if (strcmp(module, p->module) == 0 && !text.failed && !is_preset(o, (char *)text.data))
		p->differ++;
	buffer_free(&text);
}

static void print_module_option(
    void *arg, const char *module, const struct option_spec *o, const struct option_value *value)
{
	struct printing *p = arg;
	if (strcmp(module, p->module) == 0)
		print_option(o, value, p->differ > 0 || p->named ? "\t" : "#\t", "waits for module.reload");
}

// A section names its module, so where only `modules` does, and nothing is set, it is a comment.
static int print_module(void *arg, const char *path_or_name)
{
	struct printing *p = arg;
	char name[NAME_ROOM];
	config_module_name(path_or_name, name, sizeof(name));
	p->module = name;
	p->differ = 0;
	p->named = false;
	for (size_t i = 0; i < p->b->config->module_count; i++)
		p->named |= strcmp(p->b->config->modules[i], path_or_name) == 0;
	modules_each_option(p->b->modules, count_differing, p);
	const char *comment = p->differ > 0 || p->named ? "" : "#";
	printf("\n%smodule ", comment);
	print_text(path_or_name);
	printf(" {");
	modules_each_option(p->b->modules, print_module_option, p);
	printf("%s}\n", comment);
	return WHERRY_OK;
}

static void print_modules(const wherry_broker *b)
{
	struct printing p = {.b = b};
	printf("\n\n# Modules and their options; a section loads its module, by name or by path.\n");
	config_each_module(b->config, print_module, &p);
}

static void print_namespaces(const wherry_config *c)
{
	printf("\n\n# Namespaces that are there from the start; \"default\" always is.\n\n#namespace \"orders\" { }\n");
	for (size_t i = 0; i < c->namespace_count; i++)
		printf("namespace \"%s\" { }\n", c->namespaces[i]);
}

int config_print(const wherry_broker *b)
{
	printf("# Wherry's configuration.  What is commented out is as it is by default.  hot: changes with a reload "
	       "(SIGHUP\n"
	       "# to wherryd) or with sys.config, else with the next start.  wherry.conf(5) tells the rest.\n\n"
	       "#include \"conf.d/*.conf\"\n");
	for (uint32_t i = 0; i < broker_option_count; i++)
		print_option(&broker_options[i], &b->config->options[i], "", "waits for a restart");
	print_listeners(b->config);
	print_modules(b);
	print_namespaces(b->config);
	return printed();
}
