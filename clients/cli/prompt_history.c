// The prompt's earlier lines.  The file has one statement a line, \n and \\ standing for ends of line and backslashes;
// several prompts may append to it at once (under flock).  What might be a secret is not written: a line of a command
// that takes one, and a line that can't be understood.

#include "prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES = 1000, ENTRIES_MAX = 1000000, ENTRY_BYTES = 16384, ENTRY_LINES = 1000, PATH_ROOM = 4096 };

struct history_file {
	History *history;
	int limit;
	char path[PATH_ROOM]; // empty: no file
};

// --- where --------------------------------------------------------------------------------------------------------------

// Makes the folders above the last part, for the user alone.
static void make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0700);
		*slash = '/';
	}
}

static void find_path(char path[PATH_ROOM])
{
	const char *told = getenv("WHERRY_HISTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int len = 0;
	path[0] = 0;
	if (told != NULL)
		len = snprintf(path, PATH_ROOM, "%s", told);
	else if (state != NULL && state[0] == '/')
		len = snprintf(path, PATH_ROOM, "%s/wherry/history", state);
	else if (home != NULL && home[0] == '/')
		len = snprintf(path, PATH_ROOM, "%s/.local/state/wherry/history", home);
	if (len >= PATH_ROOM)
		path[0] = 0;
	if (told == NULL && path[0] != 0)
		make_folders(path);
}

static int find_limit(void)
{
	const char *told = getenv("WHERRY_HISTORY_SIZE");
	char *end;
	if (told == NULL || told[0] == 0)
		return ENTRIES;
	long limit = strtol(told, &end, 10);
	if (*end == 0 && limit >= 0 && limit <= ENTRIES_MAX)
		return (int)limit;
	fprintf(
	    stderr, "wherry: WHERRY_HISTORY_SIZE is no number from 0 to %d: %d lines are kept\n", ENTRIES_MAX, ENTRIES);
	return ENTRIES;
}

// --- the file -----------------------------------------------------------------------------------------------------------

// Locked and for the user alone; -1: errno says why not.
static int open_locked(const char *path)
{
	struct stat s;
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0)
		return -1;
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && (s.st_mode & 077) != 0)
		fchmod(fd, 0600);
	while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
		;
	return fd;
}

// All of it, terminated; to free().  NULL: it is no file of a bearable size, or no memory.
static char *read_whole(int fd, int limit, size_t *len)
{
	struct stat s;
	if (fstat(fd, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size > (off_t)(limit + 1) * 2 * ENTRY_BYTES)
		return NULL;
	char *text = malloc((size_t)s.st_size + 1);
	ssize_t got = text != NULL ? pread(fd, text, (size_t)s.st_size, 0) : -1;
	if (got < 0) {
		free(text);
		return NULL;
	}
	text[got] = 0;
	*len = (size_t)got;
	return text;
}

// The last `count` lines.
static const char *last_lines(const char *text, size_t len, int count)
{
	const char *at = text + len;
	for (; at > text; at--)
		if (at[-1] == '\n' && at != text + len && --count == 0)
			break;
	return at;
}

static bool write_whole(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static int count_lines(const char *text, size_t len)
{
	int count = 0;
	for (const char *at = text, *end = text + len; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		count++;
	return count;
}

// Leaves room for one line more.
static void trim(int fd, int limit)
{
	size_t len;
	char *text = read_whole(fd, limit, &len);
	if (text != NULL && count_lines(text, len) >= limit) {
		const char *kept = limit > 1 ? last_lines(text, len, limit - 1) : text + len;
		if (ftruncate(fd, 0) == 0)
			write_whole(fd, kept, (size_t)(text + len - kept));
	}
	free(text);
}

// len: at most ENTRY_BYTES.
static void append(const struct history_file *h, const char *text, size_t len)
{
	char line[2 * ENTRY_BYTES + 1];
	size_t n = 0;
	if (h->path[0] == 0)
		return;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\\')
			line[n++] = '\\';
		line[n++] = text[i] == '\n' ? 'n' : text[i];
	}
	line[n++] = '\n';
	int fd = open_locked(h->path);
	if (fd < 0)
		return;
	trim(fd, h->limit);
	write_whole(fd, line, n);
	close(fd);
}

static void enter(struct history_file *h, const char *text)
{
	HistEvent e;
	history(h->history, &e, H_ENTER, text);
}

// One line of the file, in place.
static void enter_escaped(struct history_file *h, char *line)
{
	char *out = line;
	for (const char *in = line; *in != 0; in++) {
		if (*in == '\\' && in[1] != 0)
			*out++ = *++in == 'n' ? '\n' : *in;
		else
			*out++ = *in;
	}
	*out = 0;
	if (line[0] != 0)
		enter(h, line);
}

static void load(struct history_file *h)
{
	size_t len;
	int fd = open_locked(h->path);
	if (fd < 0) {
		fprintf(stderr, "wherry: no history is kept: %s: %s\n", h->path, strerror(errno));
		h->path[0] = 0;
		return;
	}
	char *text = read_whole(fd, h->limit, &len), *rest = NULL;
	close(fd);
	if (text == NULL)
		return;
	char *last = text + (last_lines(text, len, h->limit) - text);
	for (char *line = strtok_r(last, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		enter_escaped(h, line);
	free(text);
}

struct history_file *history_open(History *history_)
{
	HistEvent e;
	struct history_file *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->history = history_;
	h->limit = find_limit();
	history(h->history, &e, H_SETSIZE, h->limit > 0 ? h->limit : 1);
	history(h->history, &e, H_SETUNIQUE, 1);
	find_path(h->path);
	if (h->limit == 0)
		h->path[0] = 0;
	if (h->path[0] != 0)
		load(h);
	return h;
}

void history_close(struct history_file *h)
{
	free(h);
}

// --- what is kept -------------------------------------------------------------------------------------------------------

static bool takes_secret(const struct described *d)
{
	for (uint32_t i = 0; i < d->arg_count; i++)
		if ((d->args[i].flags & ARGUMENT_SECRET) != 0)
			return true;
	return false;
}

// The word that is the broker's command, of "\watch 2 kv.get a" too; NULL: there is none.
static const char *command_word(const struct words *w, bool own)
{
	if (!own)
		return w->count > 0 ? w->at[0] : NULL;
	return w->count > 2 && strcmp(w->at[0], "watch") == 0 ? w->at[2] : NULL;
}

enum { KEEP_NOT, KEEP_HERE, KEEP };

static int judge(const struct prompt *p, const struct words *w, bool own)
{
	const char *command = command_word(w, own);
	if (command == NULL && !own)
		return KEEP_NOT;
	if (command == NULL)
		return w->count > 0 && own_find(w->at[0]) != NULL ? KEEP : KEEP_HERE;
	if (strcmp(command, "help") == 0 || strcmp(command, "?") == 0)
		return KEEP;
	const struct described *d = p->reading.catalog != NULL ? catalog_find(p->reading.catalog, command) : NULL;
	if (d == NULL)
		return KEEP_HERE;
	return takes_secret(d) && w->count > 1 ? KEEP_NOT : KEEP;
}

static bool is_newest(const struct history_file *h, const char *text)
{
	HistEvent e;
	return history(h->history, &e, H_FIRST) >= 0 && strcmp(e.str, text) == 0;
}

void history_keep(struct prompt *p, const char *text, size_t len)
{
	struct words w;
	bool own = len > 0 && text[0] == '\\';
	if (p->history == NULL || p->history->limit == 0 || len == 0 || len > ENTRY_BYTES ||
	    is_newest(p->history, text))
		return;
	// As rows of the screen they would be more than the editor has.
	if (count_lines(text, len) > ENTRY_LINES)
		return;
	int keep = words_split(text + own, len - own, &w) == NULL ? judge(p, &w, own) : KEEP_HERE;
	words_free(&w);
	if (keep != KEEP_NOT)
		enter(p->history, text);
	if (keep == KEEP)
		append(p->history, text, len);
}
