#include "worker_child.h"

#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "value.h"

extern char **environ;

enum { LOOK_MS = 50, VARIABLE = 256, HEADERS_MOST = 64 };

// --- what it is told ------------------------------------------------------------------------------------------------------

struct input {
	char *bytes;
	size_t len, sent;
};

// A str or bin as it is, anything else as JSON.
static bool input_read(struct input *in, const wherry_job *job)
{
	msgpack_unpacked u;
	FILE *f = open_memstream(&in->bytes, &in->len);
	if (f == NULL)
		return false;
	msgpack_unpacked_init(&u);
	if (msgpack_unpack_next(&u, job->value, job->value_len, NULL) != MSGPACK_UNPACK_SUCCESS)
		value_raw(job->value, job->value_len, f);
	else if (u.data.type == MSGPACK_OBJECT_STR || u.data.type == MSGPACK_OBJECT_BIN)
		fwrite(u.data.via.bin.ptr, 1, u.data.via.bin.size, f);
	else
		value_as_json(&u.data, f);
	msgpack_unpacked_destroy(&u);
	return fclose(f) == 0;
}

struct environment {
	char **row;
	size_t inherited, count;
};

static void add(struct environment *e, const char *name, const char *value, size_t len)
{
	char *text = NULL;
	if (asprintf(&text, "%s=%.*s", name, (int)len, value) >= 0)
		e->row[e->count++] = text;
}

static void add_number(struct environment *e, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	add(e, name, text, strlen(text));
}

// WHERRY_HEADER_ and the name in capitals, whatever is no letter or digit as _.
static void header_name(const msgpack_object *key, char name[VARIABLE])
{
	size_t at = (size_t)snprintf(name, VARIABLE, "WHERRY_HEADER_");
	for (uint32_t i = 0; i < key->via.str.size && at + 1 < VARIABLE; i++) {
		char c = key->via.str.ptr[i];
		bool small = c >= 'a' && c <= 'z', plain = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		name[at++] = (char)(small ? c - 'a' + 'A' : plain ? c : '_');
	}
	name[at] = 0;
}

static void add_header(struct environment *e, const msgpack_object_kv *pair)
{
	char name[VARIABLE], *text = NULL;
	size_t len = 0;
	if (pair->key.type != MSGPACK_OBJECT_STR)
		return;
	header_name(&pair->key, name);
	if (pair->val.type == MSGPACK_OBJECT_STR) {
		if (memchr(pair->val.via.str.ptr, 0, pair->val.via.str.size) == NULL)
			add(e, name, pair->val.via.str.ptr, pair->val.via.str.size);
		return;
	}
	FILE *f = open_memstream(&text, &len);
	if (f == NULL)
		return;
	value_as_json(&pair->val, f);
	if (fclose(f) == 0)
		add(e, name, text, len);
	free(text);
}

static void add_headers(struct environment *e, const wherry_job *job)
{
	msgpack_unpacked u;
	msgpack_unpacked_init(&u);
	if (job->headers != NULL &&
	    msgpack_unpack_next(&u, job->headers, job->headers_len, NULL) == MSGPACK_UNPACK_SUCCESS &&
	    u.data.type == MSGPACK_OBJECT_MAP)
		for (uint32_t i = 0; i < u.data.via.map.size && i < HEADERS_MOST; i++)
			add_header(e, &u.data.via.map.ptr[i]);
	msgpack_unpacked_destroy(&u);
}

static bool environment_make(struct environment *e, const wherry_job *job)
{
	while (environ[e->inherited] != NULL)
		e->inherited++;
	e->row = calloc(e->inherited + HEADERS_MOST + 4, sizeof(*e->row));
	if (e->row == NULL)
		return false;
	// Ours first: of two of one name, the first counts.
	add(e, "WHERRY_QUEUE", job->queue, job->queue_len);
	add_number(e, "WHERRY_ID", job->id);
	add_number(e, "WHERRY_ATTEMPT", job->attempt);
	add_headers(e, job);
	memcpy(e->row + e->count, environ, e->inherited * sizeof(*e->row));
	return true;
}

static void environment_free(struct environment *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->row[i]);
	free(e->row);
}

// --- beginning it ---------------------------------------------------------------------------------------------------------

struct pipes {
	int in[2], err[2];
};

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_all(struct pipes *p)
{
	close_one(&p->in[0]);
	close_one(&p->in[1]);
	close_one(&p->err[0]);
	close_one(&p->err[1]);
}

// In a process group of its own: the terminal's Ctrl-C is for the worker, and a kill reaches what the command began.
static int begin(struct child *c, char *const argv[], char **environment, const struct pipes *p)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	pid_t pid = 0;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&files, p->in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, p->err[1], STDERR_FILENO);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	int failed = posix_spawnp(&pid, argv[0], &files, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (failed == 0)
		c->pid = pid;
	return failed;
}

// --- while it runs --------------------------------------------------------------------------------------------------------

// It need not read all of it.
static void feed(struct pipes *p, struct input *in)
{
	while (in->sent < in->len) {
		ssize_t count = write(p->in[1], in->bytes + in->sent, in->len - in->sent);
		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0)
			break;
		in->sent += (size_t)count;
	}
	close_one(&p->in[1]);
}

static void keep_end(struct child *c, const char *text, size_t len)
{
	size_t has = strlen(c->said), most = sizeof(c->said) - 1;
	if (len > most) {
		text += len - most;
		len = most;
	}
	if (has + len > most) {
		memmove(c->said, c->said + has + len - most, most - len);
		has = most - len;
	}
	memcpy(c->said + has, text, len);
	c->said[has + len] = 0;
}

// False: nothing more comes.
static bool listen_to(struct child *c, int fd)
{
	char text[4096];
	for (;;) {
		ssize_t count = read(fd, text, sizeof(text));
		if (count <= 0)
			return count < 0 && (errno == EAGAIN || errno == EINTR);
		keep_end(c, text, (size_t)count);
		fwrite(text, 1, (size_t)count, stderr);
	}
}

// What the command began may outlive it with its standard error open: its own end counts.
static void attend(struct child *c, struct pipes *p, struct input *in)
{
	pid_t pid = c->pid;
	bool ended = false;
	while (!ended) {
		struct pollfd fds[2] = {{p->err[0], POLLIN, 0}, {p->in[1], POLLOUT, 0}};
		poll(fds, 2, LOOK_MS);
		siginfo_t end = {.si_pid = 0};
		ended = waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid == pid;
		if (p->in[1] >= 0 && fds[1].revents != 0)
			feed(p, in);
		if (p->err[0] >= 0 && !listen_to(c, p->err[0]))
			close_one(&p->err[0]);
	}
	c->pid = 0; // before its number may be another's
	waitpid(pid, &c->status, 0);
}

static void tidy(char *said)
{
	size_t len = strlen(said);
	while (len > 0 && (said[len - 1] == '\n' || said[len - 1] == ' '))
		said[--len] = 0;
	for (char *at = said; *at != 0; at++)
		if ((unsigned char)*at < ' ')
			*at = ' ';
}

int child_run(struct child *c, char *const argv[], const wherry_job *job)
{
	struct pipes p = {{-1, -1}, {-1, -1}};
	struct environment environment = {0};
	struct input in = {0};
	c->said[0] = 0;
	int failed = input_read(&in, job) && environment_make(&environment, job) ? 0 : ENOMEM;
	if (failed == 0 && (pipe2(p.in, O_CLOEXEC) < 0 || pipe2(p.err, O_CLOEXEC) < 0))
		failed = errno;
	if (failed == 0)
		failed = begin(c, argv, environment.row, &p);
	close_one(&p.in[0]);
	close_one(&p.err[1]);
	if (failed == 0) {
		fcntl(p.in[1], F_SETFL, O_NONBLOCK);
		fcntl(p.err[0], F_SETFL, O_NONBLOCK);
		feed(&p, &in);
		attend(c, &p, &in);
		tidy(c->said);
	}
	close_all(&p);
	environment_free(&environment);
	free(in.bytes);
	return failed;
}
