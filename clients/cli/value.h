// Values between people and msgpack.
//
// As text on the command line a value is JSON where it parses as JSON, else it is the text itself; @FILE and - are the
// bytes of a file and of the standard input, @@... is text that begins with @.  What JSON has no form for has one of
// these, in both directions:
//
//   {"$bin": BASE64}   {"$tuple": [...]}   {"$time": "2026-01-31T12:00:00.5Z"}   {"$ext": [TYPE, BASE64]}
//   {"$map": [[KEY, VALUE], ...]}   {"$real": "nan"}   {"$str": BASE64}, a str that is no UTF-8

#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include <jansson.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>

enum { EXT_TIME = -1, EXT_TUPLE = 1, VALUE_WHY = 200 };

// Packs the value that a command line's text stands for.  false, and why[VALUE_WHY] says why not.
bool value_read(const char *text, msgpack_packer *, char *why);
bool value_read_raw(const char *text, msgpack_packer *, char *why); // the text as it stands
// The same from JSON (json.c); out is `packer`'s buffer.
bool value_from_json(const json_t *, msgpack_packer *, char *why);

void value_as_json(const msgpack_object *, FILE *);                   // in one line, without its end
void value_for_people(const msgpack_object *, FILE *, bool terminal); // with an end of line
bool value_raw(const void *encoded, size_t len, FILE *);              // however deep it nests

// A tuple's elements, one after another: each(arg, index, element).  false: its content is damaged.
bool tuple_each(const msgpack_object *, void (*each)(void *arg, size_t index, const msgpack_object *), void *arg);

bool is_tuple(const msgpack_object *); // and undamaged

bool text_is_utf8(const char *text, size_t len);
bool text_is_plain(
    const char *text, size_t len); // ASCII that JSON has as it is: neither " nor \ nor what is not printed
// How many bytes at `at` are one character that no terminal acts on, tabs and ends of line among them; 0: the byte
// belongs to none, as in C0, DEL, C1 (alone, or as c2 80 to c2 9f) and whatever is no UTF-8.
size_t tame_length(const unsigned char *at, const unsigned char *end);
// With each other byte as \x1b; in_line: tabs and ends of line as \t and \n, too.
void put_tame(const char *text, size_t len, bool in_line, FILE *);

// base64.c
char *base64_encode(const void *bytes, size_t len);          // to free(); NULL: no memory
unsigned char *base64_decode(const char *text, size_t *len); // to free(); NULL: not base64

// time.c: UTC, to the nanosecond.
enum { TIME_ROOM = 64 };
void time_print(const msgpack_object_ext *, char text[TIME_ROOM]);
bool time_read(const char *text, int64_t *seconds, uint32_t *nanoseconds);

#endif
