// A log line as one JSON object: {"time":"...","level":"info","event":"listening","url":"..."}.  Every value is a
// string.  Bytes that are no UTF-8 become U+FFFD; a value that is too long ends in "...".  Threads: any.

#ifndef BASE_LOG_JSON_H
#define BASE_LOG_JSON_H

#include <stdarg.h>
#include <stddef.h>

// Writes the object, never more than room bytes, and answers its length: no zero, no new line.  Fields that do not fit
// are left out whole, and "cut":"true" says so.  room is 256 at least.
size_t log_json(char *out, size_t room, const char *time, const char *level, const char *event, va_list pairs);

#endif
