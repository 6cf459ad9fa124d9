// What is said about wherryd in more than one place: --help, wherryd(8), wherry.conf(5), --print-config.

#ifndef DAEMON_TEXTS_H
#define DAEMON_TEXTS_H

#include "base/options.h"

#define DEFAULT_TCP "tcp://127.0.0.1:1973"

// A word and what it means; an empty word ends a list.
struct said {
	const char *word, *text; // lines by \n
};

extern const struct said said_signals[], said_environment[], said_files[], said_reload[], said_exit[], said_examples[];

// "size, 1KiB to 1GiB" : what an option takes.
void option_takes(const struct option_spec *, char *text, size_t room);

#endif
