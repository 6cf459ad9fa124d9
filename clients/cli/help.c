#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "catalog.h"
#include "flags.h"

// --- without a broker ---------------------------------------------------------------------------------------------------

enum { FLAG_COLUMN = 25 };

static void print_flag(const struct flag *f)
{
	int width;
	if (f->letter < FLAG_NONE)
		width = printf("  -%c, --%s", f->letter, f->name);
	else
		width = printf("      --%s", f->name);
	if (f->argument != NULL)
		width += printf(" %s", f->argument);
	for (const char *line = f->help; line != NULL; width = 0) {
		const char *newline = strchr(line, '\n');
		int len = newline != NULL ? (int)(newline - line) : (int)strlen(line);
		printf("%*s%.*s\n", FLAG_COLUMN - width, "", len, line);
		line = newline != NULL ? newline + 1 : NULL;
	}
}

static void print_subcommands(void)
{
	for (const struct subcommand *c = subcommands; c->name != NULL; c++)
		printf("  %-12s %s\n", c->name, c->summary);
}

int help_usage(void)
{
	printf("wherry: any command of a Wherry broker.\n\nUsage:\n%s\nFlags:\n", help_usage_lines);
	for (const struct flag *f = flags; f->name != NULL; f++)
		print_flag(f);
	fputs("\nSubcommands ('wherry help NAME' tells more):\n", stdout);
	print_subcommands();
	printf("\n%s\nExamples:\n%s\nEnvironment:\n%s\nExit status:\n%s", help_values, help_examples, help_environment,
	    help_exit_status);
	return finished(EXIT_SUCCESS);
}

static void print_title(const struct settings *s, const char *title)
{
	printf(s->color ? "\033[1m%s\033[0m\n" : "%s\n", title);
}

int help_of_subcommand(const struct settings *s, const struct subcommand *c)
{
	char title[200];
	snprintf(title, sizeof(title), "wherry %s%s%s", c->name, c->synopsis[0] != 0 ? " " : "", c->synopsis);
	print_title(s, title);
	printf("\n%s.\n%s%s", c->summary, c->help[0] != 0 ? "\n" : "", c->help);
	return finished(EXIT_SUCCESS);
}

// --- with one -----------------------------------------------------------------------------------------------------------

static int by_module(const void *a, const void *b)
{
	const struct described *x = *(const struct described *const *)a, *y = *(const struct described *const *)b;
	int order = strcmp(x->module, y->module);
	return order != 0 ? order : strcmp(x->name, y->name);
}

// The lines from `first` on that are one module's, with their title; answers the first of the next.
static uint32_t print_module(
    const struct settings *s, const struct described *const *all, uint32_t first, uint32_t count)
{
	uint32_t end = first;
	int width = 0;
	for (; end < count && strcmp(all[end]->module, all[first]->module) == 0; end++) {
		int len = (int)strlen(all[end]->name);
		width = len > width ? len : width;
	}
	fputs(first > 0 ? "\n" : "", stdout);
	print_title(s, all[first]->module);
	for (uint32_t i = first; i < end; i++)
		printf("  %-*s  %.*s\n", width, all[i]->name, first_sentence(all[i]->help), all[i]->help);
	return end;
}

static void print_modules(const struct settings *s, const struct catalog *c)
{
	uint32_t count = catalog_count(c);
	const struct described **all = calloc((size_t)count + 1, sizeof(*all));
	for (uint32_t i = 0; all != NULL && i < count; i++)
		all[i] = catalog_at(c, i);
	if (all != NULL)
		qsort(all, count, sizeof(*all), by_module);
	for (uint32_t i = 0; all != NULL && i < count;)
		i = print_module(s, all, i, count);
	free(all);
}

static int help_of_all(const struct settings *s)
{
	struct catalog *c = NULL;
	wherry_client *client;
	wherry_error error;
	print_title(s, "subcommands");
	print_subcommands();
	puts("\n'wherry --help' has flags, values and exit statuses; 'wherry help NAME' tells about a subcommand, a\n"
	     "module or a command.");
	fflush(stdout);
	int status = cli_connect(s, &(wherry_client_options){.once = 1}, &client);
	if (status != 0) {
		fputs("The broker's own commands can be listed only by a broker.\n", stderr);
		return status;
	}
	status = catalog_load(client, NULL, &c, &error) == WHERRY_OK ? EXIT_SUCCESS : complain(&error);
	if (status == EXIT_SUCCESS) {
		fputc('\n', stdout);
		print_modules(s, c);
	}
	catalog_free(c);
	wherry_client_close(client);
	return status == EXIT_SUCCESS ? finished(status) : status;
}

static int print_described(const struct settings *s, const struct catalog *c, const char *name)
{
	const struct described *d = catalog_find(c, name);
	if (d != NULL)
		described_page(d, stdout, s->color);
	else
		print_modules(s, c);
	return finished(EXIT_SUCCESS);
}

static int help_of_name(const struct settings *s, const char *name)
{
	struct catalog *c = NULL;
	wherry_client *client;
	wherry_error error;
	int status = cli_connect(s, &(wherry_client_options){.once = 1}, &client);
	if (status != 0)
		return status;
	status = catalog_load(client, name, &c, &error) == WHERRY_OK ? print_described(s, c, name) : complain(&error);
	catalog_free(c);
	wherry_client_close(client);
	return status;
}

enum { SHORTLY_MS = 500 };

// Where it would be nice to know.  NULL: there is no broker, or no answer at once.
static struct catalog *load_shortly(const struct settings *s, const char *what)
{
	struct catalog *c = NULL;
	struct settings quick = *s;
	wherry_client *client;
	wherry_error error;
	quick.timeout_ms = SHORTLY_MS;
	if (cli_try(&quick, &(wherry_client_options){.once = 1}, &client, &error) == WHERRY_OK) {
		catalog_load(client, what, &c, &error);
		wherry_client_close(client);
	}
	return c;
}

// `module` is a subcommand, and a module of the broker, too.
static void add_module(const struct settings *s, const char *name)
{
	struct catalog *c = load_shortly(s, name);
	if (c != NULL) {
		printf("\nThe broker's commands of the same name:\n");
		print_modules(s, c);
	}
	catalog_free(c);
}

int run_help(const struct settings *s, int argc, char **argv)
{
	if (argc > 2)
		return wrong("help explains one name, not %d", argc - 1);
	if (argc < 2)
		return help_of_all(s);
	const struct subcommand *c = subcommand_find(argv[1]);
	if (c == NULL)
		return help_of_name(s, argv[1]);
	int status = help_of_subcommand(s, c);
	add_module(s, c->name);
	return status == EXIT_SUCCESS ? finished(status) : status;
}

// --- names that are nothing ---------------------------------------------------------------------------------------------

enum { NAMES_MOST = 16, FOUND_ROOM = 200 };

static const char *nearest_subcommand(const char *name)
{
	const char *names[NAMES_MOST];
	size_t count = 0;
	for (const struct subcommand *c = subcommands; c->name != NULL && count < NAMES_MOST; c++)
		names[count++] = c->name;
	return nearest_name(name, names, count);
}

// "GET" is kv.get: whoever comes from another program leaves out the module.
static bool is_command_without_module(const struct described *d, const char *name)
{
	const char *dot = strchr(d->name, '.');
	return dot != NULL && strcasecmp(dot + 1, name) == 0;
}

// "kv.get or hash.get"; nothing: the broker has none, or there is no broker.
static void find_commands(const struct settings *s, const char *name, char *found, size_t room)
{
	struct catalog *c = load_shortly(s, NULL);
	size_t len = 0;
	for (uint32_t i = 0; c != NULL && i < catalog_count(c) && len < room; i++)
		if (is_command_without_module(catalog_at(c, i), name))
			len += (size_t)snprintf(
			    found + len, room - len, "%s%s", len > 0 ? " or " : "", catalog_at(c, i)->name);
	catalog_free(c);
}

int help_unknown(const struct settings *s, int argc, char **argv)
{
	char found[FOUND_ROOM] = "";
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return help_of_name(s, argv[0]);
	find_commands(s, argv[0], found, sizeof(found));
	const char *near = found[0] != 0 ? found : nearest_subcommand(argv[0]);
	if (near != NULL)
		return wrong("unknown subcommand \"%.100s\"; did you mean %s?", argv[0], near);
	return wrong(
	    "unknown subcommand \"%.100s\"; commands of the broker have a dot, as in kv.get; 'wherry help' lists both",
	    argv[0]);
}

const char help_help[] =
    "Without a name it lists the subcommands, and what the broker can do, by module; the broker itself\n"
    "tells, so it has to be there. With one it explains a subcommand, a module or a command.\n"
    "'wherry METHOD --help' is shorter.\n"
    "\n"
    "Examples:\n"
    "  wherry help\n"
    "  wherry help kv\n"
    "  wherry help kv.set\n"
    "  wherry help bench\n";
