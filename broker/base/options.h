// Options as data: one table entry gives name, kind, preset, bounds and help; parsing, checking, configuration file,
// sys.config and documentation come from it.  Threads: reads of a value are atomic; writes are the control thread's.

#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/nearest.h"

// One option.  The kinds and bounds are those of the ABI's wherry_option, which this also serves.
struct option_spec {
	const char *name;   // "max_frame"
	uint32_t kind;      // WHERRY_OPTION_*
	bool hot;           // may change while the broker runs
	const char *preset; // in the text form that a configuration would use
	int64_t min, max;   // both 0: no bound
	const char *help;
};

// Its value: numbers for BOOL, INT, SIZE (bytes), DURATION (ms); text for TEXT (owned).
struct option_value {
	_Atomic int64_t number;
	char *text;
};

// Parses `text` ("64KiB", "30s", "true") for `spec` and checks its bounds.  On failure writes a sentence that names
// the option, the value and what is allowed into why[why_room], and leaves *value.
int option_parse(
    const struct option_spec *spec, const char *text, struct option_value *value, char *why, size_t why_room);
void option_print(const struct option_spec *spec, const struct option_value *value, struct buffer *out); // text form

#endif
