// Configuration files from disk: read, trusted, split where they include others.
//
//   include "limits.conf"       from the folder of the file that says so
//   include "conf.d/*.conf"     in the order of their names; none is none
//
// An include stands outside of sections, on a line of its own.  What is read later wins.

#include "config.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"

enum { FILE_MOST = 4 << 20, PATH_ROOM = 4096, DEEPEST = 8, FILES_MOST = 256, SETTINGS_MOST = 10000 };

// What the first file and all that it includes have so far.  libconfuse takes longer for each one the more there are.
struct totals {
	int files, settings;
};

// The file that is read, and those whose includes led to it.
struct source {
	const char *name;
	const struct source *by; // NULL: the first
	bool in_memory;
	int depth;
	struct totals *totals;
	dev_t device;
	ino_t inode;
};

static int read_path(wherry_config *, const char *path, const struct source *by, int line, struct totals *);

// --- where a file is split ---------------------------------------------------------------------------------------------

struct scan {
	const char *at, *end;
	int line, depth, settings; // the last: values and sections
	bool valued;               // behind a '=': what comes is a value
};

static bool begins(const struct scan *s, const char *text)
{
	size_t len = strlen(text);
	return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

static void step(struct scan *s)
{
	s->line += *s->at == '\n';
	s->at++;
}

static void skip_past(struct scan *s, const char *mark)
{
	while (s->at < s->end && !begins(s, mark))
		step(s);
	for (size_t i = strlen(mark); i > 0 && s->at < s->end; i--)
		step(s);
}

static void skip_text(struct scan *s)
{
	char quote = *s->at;
	for (step(s); s->at < s->end && *s->at != quote; step(s))
		if (*s->at == '\\' && s->at + 1 < s->end)
			step(s);
	if (s->at < s->end)
		step(s);
}

static size_t word_length(const struct scan *s)
{
	size_t len = 0;
	while (s->at + len < s->end && strchr(" \t\r\n\"'={}()+,", s->at[len]) == NULL)
		len++;
	return len;
}

// Steps over a word, a text, a comment or a mark, as libconfuse sees them.
static void skip_token(struct scan *s)
{
	bool valued = false;
	if (*s->at == '#' || begins(s, "//")) {
		while (s->at < s->end && *s->at != '\n')
			s->at++;
		return;
	}
	if (begins(s, "/*")) {
		s->at += 2;
		skip_past(s, "*/");
		return;
	}
	if (*s->at == '"' || *s->at == '\'') {
		skip_text(s);
	} else if (word_length(s) > 0) {
		s->at += word_length(s);
	} else {
		s->settings += *s->at == '=' || *s->at == '{';
		s->depth += *s->at == '{' ? 1 : *s->at == '}' ? -1 : 0;
		valued = *s->at == '=' || (s->valued && strchr(" \t\r\n", *s->at) != NULL);
		step(s);
	}
	s->valued = valued;
}

// Stands before the next include, or at the end: false.
static bool find_include(struct scan *s)
{
	for (bool fresh = true; s->at < s->end;) {
		if (fresh && s->depth == 0 && !s->valued && word_length(s) == 7 && begins(s, "include"))
			return true;
		fresh = *s->at == '\n' || (fresh && strchr(" \t\r", *s->at) != NULL);
		skip_token(s);
	}
	return false;
}

// Steps over `include "path"` to the end of its line.  False: it is written in another way.
static bool take_include(struct scan *s, char *path, size_t room)
{
	s->at += strlen("include");
	while (s->at < s->end && strchr(" \t", *s->at) != NULL)
		s->at++;
	const char quote = s->at < s->end ? *s->at : 0, *begin = s->at + 1;
	if (quote != '"' && quote != '\'')
		return false;
	const char *end = memchr(begin, quote, (size_t)(s->end - begin));
	if (end == NULL || memchr(begin, '\n', (size_t)(end - begin)) != NULL || end == begin ||
	    (size_t)(end - begin) >= room)
		return false;
	snprintf(path, room, "%.*s", (int)(end - begin), begin);
	for (s->at = end + 1; s->at < s->end && strchr(" \t\r", *s->at) != NULL;)
		s->at++;
	if (s->at < s->end && (*s->at == '#' || begins(s, "//")))
		skip_token(s);
	return s->at == s->end || *s->at == '\n';
}

// --- includes ----------------------------------------------------------------------------------------------------------

static int no_file(wherry_config *c, const struct source *by, int line, const char *path, const char *why)
{
	if (by == NULL)
		return config_fault(c, "%s: %s", path[0] != 0 ? path : "\"\"", why);
	return config_fault(c, "%s:%d: include \"%.200s\": %s", by->name, line, path, why);
}

static void beside(const struct source *from, const char *path, char *whole, size_t room)
{
	const char *slash = strrchr(from->name, '/');
	if (path[0] == '/' || slash == NULL)
		snprintf(whole, room, "%s", path);
	else
		snprintf(whole, room, "%.*s/%s", (int)(slash - from->name), from->name, path);
}

static int include(wherry_config *c, const struct source *from, const char *path, int line)
{
	char pattern[2 * PATH_ROOM];
	glob_t found = {0};
	if (from->in_memory)
		return no_file(c, from, line, path, "only a file may include others");
	if (from->depth == DEEPEST)
		return no_file(c, from, line, path, "files include files 8 deep at most");
	beside(from, path, pattern, sizeof(pattern));
	if (strpbrk(path, "*?[") == NULL)
		return read_path(c, pattern, from, line, from->totals);
	int status = WHERRY_OK, globbed = glob(pattern, 0, NULL, &found);
	if (globbed == GLOB_NOSPACE)
		status = config_fail(c, WHERRY_ENOMEM, "out of memory");
	for (size_t i = 0; globbed == 0 && status != WHERRY_ENOMEM && i < found.gl_pathc; i++) {
		int read = read_path(c, found.gl_pathv[i], from, line, from->totals);
		status = read != WHERRY_OK ? read : status;
	}
	globfree(&found);
	return status;
}

// Goes on behind a fault, for what else is wrong; not without memory.
static int parse_all(wherry_config *c, const char *text, size_t len, const struct source *from)
{
	struct scan s = {.at = text, .end = text + len, .line = 1};
	int all = WHERRY_OK;
	for (bool more = true; more && all != WHERRY_ENOMEM;) {
		char path[PATH_ROOM];
		const char *begin = s.at;
		int line = s.line;
		more = find_include(&s);
		if ((from->totals->settings += s.settings) > SETTINGS_MOST)
			return config_fault(
			    c, "%s: 10000 settings are the most that a configuration may consist of", from->name);
		s.settings = 0;
		int status = config_parse_part(c, begin, (size_t)(s.at - begin), from->name, line);
		if (more && status != WHERRY_ENOMEM && !take_include(&s, path, sizeof(path)))
			return config_fault(
			    c, "%s:%d: it is written include \"FILE\", on a line of its own", from->name, s.line);
		all = status != WHERRY_OK ? status : all;
		if (more && all != WHERRY_ENOMEM)
			status = include(c, from, path, s.line);
		all = status != WHERRY_OK ? status : all;
	}
	return all;
}

// --- files -------------------------------------------------------------------------------------------------------------

// All of a file, at most a little more than FILE_MOST.
static int read_file(FILE *file, struct buffer *text)
{
	size_t got;
	do {
		if (!buffer_reserve(text, 1 << 16))
			return WHERRY_ENOMEM;
		got = fread(text->data + text->len, 1, 1 << 16, file);
		text->len += got;
	} while (got > 0 && text->len <= FILE_MOST);
	return ferror(file) ? WHERRY_EIO : WHERRY_OK;
}

// Who may write a configuration may make root append to any file: log_file.  NULL: it is fine.
static const char *untrusted(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return NULL;
	if (st->st_mode & S_IWOTH)
		return "anybody may write it: chmod o-w it";
	if (geteuid() != 0)
		return NULL;
	if (st->st_uid != 0)
		return "it is not root's, and root is who reads it: chown root it, or run wherryd as its owner";
	if ((st->st_mode & S_IWGRP) && st->st_gid != 0)
		return "its group may write it, and root is who reads it: chmod g-w it";
	return NULL;
}

// NULL, or a sentence of who includes whom.
static const char *circle(const struct source *from, const struct stat *st, char *text, size_t room)
{
	const struct source *at = from;
	while (at != NULL && (at->device != st->st_dev || at->inode != st->st_ino))
		at = at->by;
	if (at == NULL)
		return NULL;
	if (at == from)
		snprintf(text, room, "the file includes itself");
	else
		snprintf(text, room, "it goes in a circle: %.150s is being read already", at->name);
	return text;
}

static int read_open(wherry_config *c, FILE *file, const char *path, struct source *from, int line)
{
	struct buffer text = {0};
	struct stat st;
	char why[CONFIG_WHY_ROOM / 2];
	if (fstat(fileno(file), &st) != 0)
		return no_file(c, from->by, line, path, strerror(errno)), WHERRY_EIO;
	const char *wrong = circle(from->by, &st, why, sizeof(why));
	if (wrong == NULL)
		wrong = untrusted(&st);
	if (wrong != NULL)
		return no_file(c, from->by, line, path, wrong);
	from->device = st.st_dev;
	from->inode = st.st_ino;
	int status = read_file(file, &text);
	if (status == WHERRY_EIO)
		no_file(c, from->by, line, path, strerror(errno));
	else if (status != WHERRY_OK)
		config_fail(c, status, "%s: out of memory", path);
	else if (text.len > FILE_MOST)
		status = config_fault(c, "%s: longer than a configuration may be (4 MiB)", path);
	else
		status = parse_all(c, (const char *)text.data, text.len, from);
	buffer_free(&text);
	return status;
}

// The first one may be anything that can be read; an include that is a pipe would be waited for.
static int read_path(wherry_config *c, const char *path, const struct source *by, int line, struct totals *totals)
{
	struct source from = {.name = path, .by = by, .depth = by != NULL ? by->depth + 1 : 0, .totals = totals};
	struct stat st;
	if (++totals->files > FILES_MOST)
		return no_file(c, by, line, path, "256 files are the most that a configuration may consist of");
	if (by != NULL && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return no_file(c, by, line, path, "is no regular file");
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return no_file(c, by, line, path, strerror(errno)), WHERRY_EIO;
	int status = read_open(c, file, path, &from, line);
	fclose(file);
	return status;
}

int wherry_config_file(wherry_config *c, const char *path)
{
	struct totals totals = {0};
	config_no_faults(c);
	return config_faults_end(c, read_path(c, path, NULL, 0, &totals));
}

int config_parse_text(wherry_config *c, const char *text, size_t len, const char *name)
{
	struct totals totals = {0};
	const struct source from = {.name = name, .in_memory = true, .totals = &totals};
	config_no_faults(c);
	if (len > FILE_MOST)
		return config_fail(c, WHERRY_EARG, "%s: longer than a configuration may be (4 MiB)", name);
	return config_faults_end(c, parse_all(c, len > 0 ? text : "", len, &from));
}
