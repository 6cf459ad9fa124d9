// The settings of a queue as bytes.

#ifndef QUEUE_SETTINGS_H
#define QUEUE_SETTINGS_H

#include "state.h"

enum setting {
	SETTING_VISIBLE = 1,
	SETTING_MAX_ATTEMPTS = 2,
	SETTING_DEDUP = 4,
	SETTING_DEAD_LETTER = 8,
};

void settings_write(const struct settings *, uint8_t given, struct bytes *);

#endif
