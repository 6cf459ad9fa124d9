// Timestamps: msgpack's ext -1, and text in UTC.  Years beyond four digits are written @SECONDS.

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "value.h"

enum { NS = 1000000000 };
static const int64_t year_0 = -62167219200, year_10000 = 253402300800;

static uint64_t be(const char *bytes, unsigned width)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < width; i++)
		number = number << 8 | (unsigned char)bytes[i];
	return number;
}

static bool unpack(const msgpack_object_ext *ext, int64_t *seconds, uint32_t *nanoseconds)
{
	*nanoseconds = 0;
	if (ext->size == 4) {
		*seconds = (int64_t)be(ext->ptr, 4);
	} else if (ext->size == 8) {
		uint64_t both = be(ext->ptr, 8);
		*seconds = (int64_t)(both & ((UINT64_C(1) << 34) - 1));
		*nanoseconds = (uint32_t)(both >> 34);
	} else if (ext->size == 12) {
		*nanoseconds = (uint32_t)be(ext->ptr, 4);
		*seconds = (int64_t)be(ext->ptr + 4, 8);
	} else {
		return false;
	}
	return *nanoseconds < NS;
}

void time_print(const msgpack_object_ext *ext, char text[TIME_ROOM])
{
	int64_t seconds;
	uint32_t nanoseconds;
	text[0] = 0;
	if (!unpack(ext, &seconds, &nanoseconds))
		return;
	char fraction[16] = "";
	if (nanoseconds != 0) {
		snprintf(fraction, sizeof(fraction), ".%09" PRIu32, nanoseconds);
		for (size_t end = strlen(fraction); fraction[end - 1] == '0';)
			fraction[--end] = 0;
	}
	struct tm utc;
	time_t t = (time_t)seconds;
	if (seconds < year_0 || seconds >= year_10000 || gmtime_r(&t, &utc) == NULL) {
		snprintf(text, TIME_ROOM, "@%" PRId64 "%s", seconds, fraction);
		return;
	}
	snprintf(text, TIME_ROOM, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
	    utc.tm_hour, utc.tm_min, utc.tm_sec, fraction);
}

// ".5" at *at, if there is a point; steps behind it.
static bool read_fraction(const char **at, uint32_t *nanoseconds)
{
	*nanoseconds = 0;
	if (**at != '.')
		return true;
	const char *digit = ++*at;
	for (uint32_t worth = NS / 10; isdigit((unsigned char)**at); ++*at, worth /= 10)
		*nanoseconds += worth * (uint32_t)(**at - '0');
	return *at > digit && *at - digit <= 9;
}

bool time_read(const char *text, int64_t *seconds, uint32_t *nanoseconds)
{
	struct tm utc = {0};
	const char *at;
	if (text[0] == '@') {
		char *end;
		errno = 0;
		*seconds = strtoll(text + 1, &end, 10);
		at = end;
		return errno == 0 && end != text + 1 && read_fraction(&at, nanoseconds) && *at == 0;
	}
	at = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
	if (at == NULL || !read_fraction(&at, nanoseconds) || strcmp(at, "Z") != 0)
		return false;
	int day = utc.tm_mday;
	*seconds = timegm(&utc);
	return utc.tm_mday == day; // February 30 is March to timegm()
}
