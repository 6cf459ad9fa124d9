// Finds, looks at and maps a module's file: see file.h.

#include "module/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "module/check.h"
#include "module/elf.h"
#include "wherry/status.h"

// The dynamic linker's list of mapped files is the process's.  Whether a file is in it and the mapping of it
// must be one step, or two brokers that load it at once share its statics.
static pthread_mutex_t linker = PTHREAD_MUTEX_INITIALIZER;

struct opening {
	char path[PATH_MAX];
	int fd;
	char *why;
	size_t room;
};

static int __attribute__((format(printf, 3, 4))) say(struct opening *o, int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(o->why, o->room, format, args);
	va_end(args);
	return status;
}

bool module_file_is_path(const char *text)
{
	size_t len = strlen(text);
	return strchr(text, '/') != NULL || (len > 3 && strcmp(text + len - 3, ".so") == 0);
}

int module_file_trusted(int fd, const char *path, char *why, size_t why_room)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		snprintf(why, why_room, "file \"%s\": %s", path, strerror(errno));
		return WHERRY_EIO;
	}
	if (!S_ISREG(st.st_mode))
		snprintf(why, why_room, "file \"%s\" is no regular file", path);
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		snprintf(why, why_room,
		    "file \"%s\" belongs to user %u: it must be root's, or user %u's, whom the broker "
		    "runs as",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		snprintf(why, why_room,
		    "file \"%s\" may be written by others than its owner (mode %04o): chmod go-w it", path,
		    (unsigned)(st.st_mode & 07777));
	else
		return WHERRY_OK;
	return WHERRY_EDENIED;
}

static int not_there(struct opening *o, const char *wanted, const char *dir)
{
	if (errno != ENOENT && errno != ENOTDIR)
		return say(o, WHERRY_EIO, "file \"%s\": %s", wanted, strerror(errno));
	if (dir != NULL)
		return say(
		    o, WHERRY_ENOKEY, "no module \"%s\": there is no file \"%s.so\" in \"%s\"", wanted, wanted, dir);
	char here[PATH_MAX];
	if (wanted[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		return say(o, WHERRY_ENOKEY, "no file \"%s\"", wanted);
	return say(o, WHERRY_ENOKEY, "no file \"%s\" (looked in \"%s\")", wanted, here);
}

// Links are not followed here: a reload shall find what a link points to by then.
static bool absolute(struct opening *o, const char *path)
{
	char here[PATH_MAX];
	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		return snprintf(o->path, sizeof(o->path), "%s", path) < (int)sizeof(o->path);
	return snprintf(o->path, sizeof(o->path), "%s/%s", here, path) < (int)sizeof(o->path);
}

// The absolute path of what is meant.
static int find(struct opening *o, const char *dir, const char *wanted)
{
	if (module_file_is_path(wanted))
		return absolute(o, wanted) ? WHERRY_OK
					   : say(o, WHERRY_EARG, "the path \"%.64s...\" is too long", wanted);
	if (!module_name_holds(wanted))
		return say(
		    o, WHERRY_EARG, "\"%.64s\" is neither a module's name, [a-z][a-z0-9_]{0,31}, nor a path", wanted);
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/%s.so", dir, wanted) >= (int)sizeof(path) || !absolute(o, path))
		return say(o, WHERRY_EARG, "the path of the module directory is too long");
	return WHERRY_OK;
}

static bool copy_all(int from, int into)
{
	off_t at = 0;
	ssize_t sent;
	do {
		sent = sendfile(into, from, &at, 1 << 30);
	} while (sent > 0 || (sent < 0 && errno == EINTR));
	return sent == 0;
}

// The dynamic linker takes a path that it has met for what it mapped under it, and descriptor numbers come
// again: so the path must be one that was never used in this process.  "/." and "/" lead nowhere, and 64
// random bits spelled in them make it so.
static void fresh_path(int fd, char path[static 192])
{
	uint64_t bits;
	random_bytes(&bits, sizeof(bits));
	char *at = stpcpy(path, "/proc/self/fd");
	for (int i = 0; i < 64; i++)
		at = stpcpy(at, bits >> i & 1 ? "/." : "/");
	snprintf(at, 16, "/%d", fd);
}

// The linker's own sentence begins with the path that it was given, which may be none that anybody knows.
static void *map_path(struct opening *o, const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle != NULL)
		return handle;
	const char *why = dlerror();
	size_t len = strlen(path);
	if (strncmp(why, path, len) == 0 && strncmp(why + len, ": ", 2) == 0)
		why += len + 2;
	say(o, WHERRY_EARG, "file \"%s\": %s", o->path, why);
	return NULL;
}

// From memory: the directory of temporary files may be mounted so that nothing can be run from it.
static void *map_copy(struct opening *o)
{
	char path[192];
	void *handle = NULL;
	int copy = memfd_create(strrchr(o->path, '/') + 1, MFD_CLOEXEC);
	if (copy < 0 || !copy_all(o->fd, copy)) {
		say(o, WHERRY_EIO, "file \"%s\": it can't be copied: %s", o->path, strerror(errno));
	} else {
		fresh_path(copy, path);
		handle = map_path(o, path);
	}
	if (copy >= 0)
		close(copy);
	return handle;
}

static void *map(struct opening *o)
{
	pthread_mutex_lock(&linker);
	void *mapped = dlopen(o->path, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
	void *handle = mapped != NULL ? map_copy(o) : map_path(o, o->path);
	if (mapped != NULL)
		dlclose(mapped); // the reference that looking took
	pthread_mutex_unlock(&linker);
	return handle;
}

static int open_found(struct opening *o, const char *dir, const char *wanted, struct module_file *file)
{
	o->fd = open(o->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (o->fd < 0)
		return not_there(o, wanted, module_file_is_path(wanted) ? NULL : dir);
	int status = module_file_trusted(o->fd, o->path, o->why, o->room);
	if (status == WHERRY_OK)
		status = elf_check(o->fd, o->path, o->why, o->room);
	file->path = status == WHERRY_OK ? mem_strdup(o->path) : NULL;
	if (status == WHERRY_OK && file->path == NULL)
		status = say(o, WHERRY_ENOMEM, "out of memory");
	file->handle = status == WHERRY_OK ? map(o) : NULL;
	close(o->fd);
	return status == WHERRY_OK && file->handle == NULL ? WHERRY_EARG : status;
}

int module_file_open(const char *dir, const char *wanted, struct module_file *file, char *why, size_t why_room)
{
	struct opening *o = mem_alloc(sizeof(*o));
	*file = (struct module_file){0};
	if (o == NULL) {
		snprintf(why, why_room, "out of memory");
		return WHERRY_ENOMEM;
	}
	o->why = why;
	o->room = why_room;
	int status = find(o, dir, wanted);
	if (status == WHERRY_OK)
		status = open_found(o, dir, wanted, file);
	mem_free(o);
	if (status != WHERRY_OK)
		module_file_close(file);
	return status;
}

wherry_module_query_fn module_file_entry(const struct module_file *file, char *why, size_t why_room)
{
	wherry_module_query_fn entry = NULL;
	Dl_info info;
	const ElfW(Sym) *symbol = NULL;
	void *at = dlsym(file->handle, "wherry_module_query");
	if (at == NULL)
		snprintf(why, why_room, "file \"%s\" is no module: it has no wherry_module_query()", file->path);
	else if (dladdr1(at, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL &&
		 ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT)
		snprintf(why, why_room, "file \"%s\" is no module: its wherry_module_query is no function", file->path);
	else
		memcpy(&entry, &at, sizeof(entry));
	return entry;
}

void module_file_close(struct module_file *file)
{
	if (file->handle != NULL)
		dlclose(file->handle);
	mem_free(file->path);
	*file = (struct module_file){0};
}
