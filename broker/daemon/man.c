// wherryd(8) and wherry.conf(5), from the tables.

#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "daemon/flags.h"
#include "daemon/help.h"
#include "daemon/roff.h"
#include "daemon/texts.h"

enum { LINE_ROOM = 256 };

static void list(const char *title, const struct said *said)
{
	roff_section(title);
	for (; said->word[0] != 0; said++) {
		roff_item(said->word);
		roff_text(said->text);
	}
}

static void list_flags(void)
{
	roff_section("OPTIONS");
	for (unsigned i = 0; i < flag_count; i++) {
		char spelling[LINE_ROOM];
		if (flags[i].id == HEADING) {
			roff_sub(flags[i].help);
			continue;
		}
		flag_spelling(&flags[i], spelling, sizeof(spelling));
		roff_item(spelling + strspn(spelling, " "));
		roff_text(flags[i].help);
	}
}

static void list_examples(void)
{
	roff_section("EXAMPLES");
	for (const struct said *s = said_examples; s->word[0] != 0; s++) {
		roff_paragraph();
		roff_text(s->text);
		roff_verbatim(s->word);
	}
}

int man_print(void)
{
	roff_page("WHERRYD", 8, "wherryd - a broker for messages, work and small state");
	roff_section("SYNOPSIS");
	roff_text("wherryd [-c FILE] [-l URL]... [-d DIR] [-m MODULE]... [--set NAME=VALUE]... [--insecure] [-q | -v]");
	roff_section("CAVEATS");
	roff_text(
	    "Nothing is kept on disk yet: when the broker ends, its keys are gone. Clients are not asked who they are: "
	    "whoever reaches a listener may do anything. Sockets are not taken over from a service manager.");
	roff_section("DESCRIPTION");
	roff_text(
	    "It stays in the foreground and logs to standard error. A flag wins over the environment, that over the "
	    "file, and that over the default. Without any listener it listens on " DEFAULT_TCP
	    " and on a socket of the user's own, see FILES.");
	list_flags();
	list("SIGNALS", said_signals);
	list("RELOADING", said_reload);
	roff_paragraph();
	roff_text(
	    "All of a file is taken or, if anything in it is wrong, nothing, and the log tells what. Flags and the "
	    "environment stay above the file. A hot option is set when what is configured for it changed since the "
	    "last "
	    "time; where it did not, what sys.config set meanwhile stays.");
	roff_paragraph();
	roff_text(
	    "Change a file by putting a whole new one in its place (mv): half of one may be a configuration, too. A "
	    "configuration that came through a pipe can't be reloaded.");
	list("ENVIRONMENT", said_environment);
	roff_paragraph();
	roff_text(
	    "Another WHERRY_ variable, but for WHERRY_URL, which is the clients', is a warning. NOTIFY_SOCKET and "
	    "WATCHDOG_USEC are used as sd_notify(3) says: READY, RELOADING, STOPPING, STATUS, and WATCHDOG for as long "
	    "as a request is answered.");
	list("FILES", said_files);
	list("EXIT STATUS", said_exit);
	list_examples();
	roff_section("SEE ALSO");
	roff_text("wherry(1), wherry.conf(5), wherry-commands(7)");
	return printed();
}

// --- wherry.conf(5) ----------------------------------------------------------------------------------------------------

static void print_option(const struct option_spec *o, const char *cold)
{
	char takes[LINE_ROOM], line[2 * LINE_ROOM];
	option_takes(o, takes, sizeof(takes));
	roff_item(o->name);
	roff_text(o->help);
	snprintf(line, sizeof(line), "(%s; default %s; %s)", takes, o->preset[0] != 0 ? o->preset : "empty",
	    o->hot ? "hot" : cold);
	roff_text(line);
}

struct last {
	char module[64];
};

static void print_module_option(
    void *arg, const char *module, const struct option_spec *o, const struct option_value *v)
{
	struct last *last = arg;
	char title[LINE_ROOM];
	(void)v;
	if (strcmp(last->module, module) != 0) {
		snprintf(last->module, sizeof(last->module), "%s", module);
		snprintf(title, sizeof(title), "module \"%s\"", module);
		roff_sub(title);
	}
	print_option(o, "with module.reload");
}

static const char example[] = "max_memory = 512MiB\n"
			      "log_level  = warn\n"
			      "\n"
			      "listen \"tcp://127.0.0.1:1973\" { }\n"
			      "listen \"ipc:///run/wherry/wherry.sock\" { mode = 0660 }\n"
			      "\n"
			      "module \"kv\" { max_value = 1MiB }\n"
			      "namespace \"orders\" { }\n"
			      "include \"conf.d/*.conf\"";

static void print_form(void)
{
	roff_section("DESCRIPTION");
	roff_text("The file that wherryd reads with -c. Text, at most 4 MiB; # and // begin a comment, /* and */ "
		  "enclose one. "
		  "An unknown name or a wrong value is refused with the file and the line.");
	roff_verbatim(example);
	roff_item("size");
	roff_text("bytes, or a whole number with kB, MB, GB, TB, KiB, MiB, GiB or TiB: 64KiB");
	roff_item("duration");
	roff_text("milliseconds, or a whole number with ms, s, m, h or d: 30s");
	roff_item("text");
	roff_text("in quotes where it has spaces. In double quotes ${NAME} is an environment variable; in single "
		  "quotes it is "
		  "not.");
	roff_item("include \"FILE\"");
	roff_text(
	    "Reads another file there, outside of sections and on a line of its own; what is read later wins. A "
	    "relative "
	    "path starts from the folder of the including file. With * ? or [ it is a pattern: all that match, in the "
	    "order of their names, may be none. At most 8 deep, 256 files and 10000 settings; a circle is refused, and "
	    "what "
	    "is no regular file.");
	roff_paragraph();
	roff_text(
	    "Other relative paths start where wherryd was started. A file that anybody may write is refused, and when "
	    "root starts wherryd also one that is not root's or that a group other than root's may write.");
}

static void print_sections(void)
{
	roff_section("SECTIONS");
	roff_item("listen \"URL\" { insecure mode tls_cert tls_key tap max_messages max_bytes payload queue ns }");
	roff_text(
	    "One more listener: tcp://HOST:PORT, ipc:///PATH or tls+tcp://HOST:PORT. Changes with a restart. "
	    "insecure (false): it may be plain on an address that other machines reach. mode (0660): of the file of "
	    "an ipc socket. tls_cert, tls_key: PEM files.");
	roff_text(
	    "For sockets that know nothing of requests. SUB gets what the filter tap matches (\">\": every topic but "
	    "the broker's own), of which at most max_messages and max_bytes wait for each (those of any subscription); "
	    "the oldest ones are dropped. payload (bin): what a PUB socket sends behind the topic is bytes, or one "
	    "msgpack value. queue, in the namespace ns: PUSH sockets push into it and PULL sockets pop from it; "
	    "without "
	    "it they are turned away.");
	roff_item("module \"NAME\" { OPTION = VALUE ... }");
	roff_text("Loads the module, by name or by path, and sets its options. A reload loads those that are new.");
	roff_item("namespace \"NAME\" { }");
	roff_text("Is there from the start. A reload makes those that are new.");
}

int man_print_config(const wherry_broker *b)
{
	struct last last = {""};
	roff_page("WHERRY.CONF", 5, "wherry.conf - configuration of wherryd");
	print_form();
	roff_section("OPTIONS");
	roff_text("A hot one may change while the broker runs: by a reload, or by sys.config; others with a restart.");
	for (uint32_t i = 0; i < broker_option_count; i++)
		print_option(&broker_options[i], "with a restart");
	print_sections();
	roff_section("OPTIONS OF MODULES");
	roff_text("In the module's section, or as MODULE.OPTION with --set.");
	modules_each_option(b->modules, print_module_option, &last);
	roff_section("SEE ALSO");
	roff_text("wherryd(8), wherry-commands(7)");
	return printed();
}
