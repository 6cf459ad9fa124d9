// What the command line says about itself, in pieces; flags.c and main.c have the tables.

#include "help.h"

const char help_usage_lines[] = "  wherry [FLAGS] METHOD [VALUE]... [--OPTION VALUE]...\n"
				"  wherry [FLAGS] SUBCOMMAND [ARGUMENT]...\n"
				"  wherry [FLAGS]                   on a terminal: a prompt; else pipe\n"
				"  wherry METHOD --help             also: SUBCOMMAND --help\n";

const char help_values[] =
    "A METHOD is a command of the broker and has a dot; a SUBCOMMAND has none. FLAGS stand before either:\n"
    "behind a METHOD, -o is a value.\n"
    "\n"
    "A VALUE is JSON where it parses as JSON, else it is the text itself: 12 is a number, \"12\" in\n"
    "quotes and twelve are text. @FILE and - are the bytes of a file and of the standard input; @@x is\n"
    "the text @x. With -r, a VALUE is the text as it stands (an OPTION's value is not changed by it).\n"
    "What JSON has no form for:\n"
    "\n"
    "  {\"$bin\": BASE64}  {\"$tuple\": [...]}  {\"$time\": \"2026-01-31T12:00:00Z\"}\n"
    "  {\"$ext\": [TYPE, BASE64]}  {\"$map\": [[KEY, VALUE], ...]}  {\"$real\": \"nan\"}\n"
    "\n"
    "An OPTION that is yes or no stands alone: --nx. Every command takes --ns NAME, the namespace.\n"
    "After -- all is values.\n";

const char help_examples[] = "  wherry kv.set greeting hello\n"
			     "  wherry kv.set session '{\"user\": 7}' --ttl-ms 60000\n"
			     "  wherry -o json kv.mget greeting session\n"
			     "  wherry -r kv.set zip 01234\n"
			     "  wherry kv.set photo @photo.jpg; wherry -o raw kv.get photo >copy.jpg\n"
			     "  echo 'kv.set a 1' | wherry\n"
			     "  wherry help kv.set\n";

const char help_environment[] = "  WHERRY_URL   where the broker is, unless -u says so\n"
				"  NO_COLOR     not empty: no colours; so does TERM=dumb\n";

const char help_exit_status[] = "  0    done\n"
				"  1    the broker answered an error, or was lost meanwhile\n"
				"  2    wrong usage\n"
				"  75   try again: no broker answers, EAGAIN or ETIMEOUT\n";
