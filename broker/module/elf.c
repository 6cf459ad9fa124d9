// The headers of a shared object: see elf.h.

#include "module/elf.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wherry/status.h"

// The header of the file that this code is in, which the linker makes: what runs here, runs.
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct looking {
	int fd;
	const char *path;
	char *why;
	size_t room;
	uint64_t size; // of the file
	ElfW(Ehdr) head;
};

static int refuse(const struct looking *l, const char *what)
{
	snprintf(l->why, l->room, "file \"%s\" %s", l->path, what);
	return WHERRY_EARG;
}

static int cut_short(const struct looking *l, uint64_t needed)
{
	snprintf(l->why, l->room, "file \"%s\" is cut short: it has %llu bytes, and its headers tell of %llu", l->path,
	    (unsigned long long)l->size, (unsigned long long)needed);
	return WHERRY_EARG;
}

static bool read_at(const struct looking *l, void *into, size_t len, uint64_t at)
{
	return pread(l->fd, into, len, (off_t)at) == (ssize_t)len;
}

static int check_head(struct looking *l)
{
	const ElfW(Ehdr) *own = &__ehdr_start, *h = &l->head;
	if (!read_at(l, &l->head, sizeof(l->head), 0) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(l, "is no shared object");
	if (h->e_ident[EI_CLASS] != own->e_ident[EI_CLASS] || h->e_ident[EI_DATA] != own->e_ident[EI_DATA] ||
	    h->e_machine != own->e_machine)
		return refuse(l, "is built for another kind of machine");
	if (h->e_type != ET_DYN || h->e_phentsize != sizeof(ElfW(Phdr)) || h->e_phnum == 0)
		return refuse(l, "is no shared object");
	return WHERRY_OK;
}

// Where a part ends that begins at `at`; UINT64_MAX: nowhere.
static uint64_t end_of(uint64_t at, uint64_t len)
{
	return at > UINT64_MAX - len ? UINT64_MAX : at + len;
}

// The end of the last byte of the file that mapping this part will want.
static uint64_t wanted_by(const ElfW(Phdr) * part)
{
	return part->p_type == PT_LOAD ? end_of(part->p_offset, part->p_filesz) : 0;
}

// One that does not say what stack it wants gets an executable one: all of the process's stacks become so.
static int check_stack(const struct looking *l, bool said, uint32_t flags)
{
	if (said && !(flags & PF_X))
		return WHERRY_OK;
	return refuse(l, "wants the broker's stacks to be executable: link it with -z noexecstack");
}

static int check_parts(const struct looking *l)
{
	bool stack_said = false;
	uint32_t stack_flags = 0;
	for (unsigned i = 0; i < l->head.e_phnum; i++) {
		ElfW(Phdr) part;
		if (!read_at(l, &part, sizeof(part), l->head.e_phoff + i * sizeof(part)))
			return refuse(l, "can't be read");
		if (wanted_by(&part) > l->size)
			return cut_short(l, wanted_by(&part));
		if (part.p_type == PT_GNU_STACK) {
			stack_said = true;
			stack_flags |= part.p_flags;
		}
	}
	return check_stack(l, stack_said, stack_flags);
}

// The tables of the headers themselves.
static int check_tables(const struct looking *l)
{
	const ElfW(Ehdr) *h = &l->head;
	uint64_t parts = end_of(h->e_phoff, (uint64_t)h->e_phnum * sizeof(ElfW(Phdr)));
	uint64_t sections = end_of(h->e_shoff, (uint64_t)h->e_shnum * h->e_shentsize);
	uint64_t end = parts > sections ? parts : sections;
	return end > l->size ? cut_short(l, end) : WHERRY_OK;
}

int elf_check(int fd, const char *path, char *why, size_t why_room)
{
	struct looking l = {.fd = fd, .path = path, .why = why, .room = why_room};
	struct stat st;
	if (fstat(fd, &st) != 0) {
		snprintf(why, why_room, "file \"%s\": %s", path, strerror(errno));
		return WHERRY_EIO;
	}
	l.size = (uint64_t)st.st_size;
	int status = check_head(&l);
	if (status == WHERRY_OK)
		status = check_tables(&l);
	return status == WHERRY_OK ? check_parts(&l) : status;
}
