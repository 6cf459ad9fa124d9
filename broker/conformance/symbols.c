// A shared object's tables, read from the file: elf.h.

#include "conformance/symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
	const unsigned char *at;
	size_t size;
	const Elf64_Ehdr *head;
};

// `count` things of `size` at `offset`, or NULL.
static const void *part(const struct image *i, uint64_t offset, uint64_t count, uint64_t size)
{
	if (size == 0 || offset % 8 != 0 || offset > i->size || count > (i->size - offset) / size)
		return NULL;
	return i->at + offset;
}

static const char *text_at(const struct image *i, const Elf64_Shdr *strings, uint64_t offset)
{
	const char *table = (const char *)i->at + strings->sh_offset;
	if (strings->sh_offset > i->size || strings->sh_size > i->size - strings->sh_offset ||
	    offset >= strings->sh_size || memchr(table + offset, 0, strings->sh_size - offset) == NULL)
		return NULL;
	return table + offset;
}

// Names that begin with two underscores, and the linker's own, are of the compiler and its sanitizers.
static bool is_extra(const char *name)
{
	static const char *const linkers[] = {"_init", "_fini", "_end", "_edata", "wherry_module_query"};
	for (size_t i = 0; i < sizeof(linkers) / sizeof(linkers[0]); i++)
		if (strcmp(name, linkers[i]) == 0)
			return false;
	return strncmp(name, "__", 2) != 0;
}

static const char *find_export(const struct image *i, const Elf64_Shdr *table, const Elf64_Shdr *strings)
{
	uint64_t count = table->sh_size / sizeof(Elf64_Sym);
	const Elf64_Sym *symbols = part(i, table->sh_offset, count, sizeof(*symbols));
	for (uint64_t k = 0; symbols != NULL && k < count; k++) {
		const char *name = text_at(i, strings, symbols[k].st_name);
		bool seen = ELF64_ST_BIND(symbols[k].st_info) != STB_LOCAL && symbols[k].st_shndx != SHN_UNDEF &&
			    ELF64_ST_VISIBILITY(symbols[k].st_other) == STV_DEFAULT;
		if (seen && name != NULL && is_extra(name))
			return name;
	}
	return NULL;
}

static const char *look_at_symbols(const struct image *i, char *why, size_t room)
{
	const Elf64_Shdr *sections = part(i, i->head->e_shoff, i->head->e_shnum, sizeof(*sections));
	for (uint16_t s = 0; sections != NULL && s < i->head->e_shnum; s++) {
		if (sections[s].sh_type != SHT_DYNSYM || sections[s].sh_link >= i->head->e_shnum)
			continue;
		const char *name = find_export(i, &sections[s], &sections[sections[s].sh_link]);
		if (name == NULL)
			return NULL;
		snprintf(why, room,
		    "it exports %.200s besides wherry_module_query: compile with -fvisibility=hidden, or link with a "
		    "version script",
		    name);
		return why;
	}
	snprintf(why, room, "it has no table of dynamic symbols");
	return why;
}

static bool has_text_relocations(const struct image *i, const Elf64_Phdr *segment)
{
	uint64_t count = segment->p_filesz / sizeof(Elf64_Dyn);
	const Elf64_Dyn *dynamic = part(i, segment->p_offset, count, sizeof(*dynamic));
	for (uint64_t k = 0; dynamic != NULL && k < count && dynamic[k].d_tag != DT_NULL; k++)
		if (dynamic[k].d_tag == DT_TEXTREL ||
		    (dynamic[k].d_tag == DT_FLAGS && (dynamic[k].d_un.d_val & DF_TEXTREL) != 0))
			return true;
	return false;
}

static const char *look_at_segments(const struct image *i, char *why, size_t room)
{
	const Elf64_Phdr *segments = part(i, i->head->e_phoff, i->head->e_phnum, sizeof(*segments));
	bool has_stack = false;
	for (uint16_t s = 0; segments != NULL && s < i->head->e_phnum; s++) {
		has_stack |= segments[s].p_type == PT_GNU_STACK;
		if (segments[s].p_type == PT_GNU_STACK && (segments[s].p_flags & PF_X) != 0)
			has_stack = false;
		if (segments[s].p_type == PT_DYNAMIC && has_text_relocations(i, &segments[s])) {
			snprintf(why, room, "it has text relocations: compile with -fPIC");
			return why;
		}
	}
	if (!has_stack) {
		snprintf(why, room, "it needs an executable stack: link with -z noexecstack");
		return why;
	}
	return NULL;
}

static const char *look_at(struct image *i, char *why, size_t room)
{
	i->head = part(i, 0, 1, sizeof(*i->head));
	if (i->head == NULL || memcmp(i->head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    i->head->e_ident[EI_CLASS] != ELFCLASS64 || i->head->e_type != ET_DYN) {
		snprintf(why, room, "it is no shared object (64-bit ELF)");
		return why;
	}
	const char *fault = look_at_segments(i, why, room);
	return fault != NULL ? fault : look_at_symbols(i, why, room);
}

const char *symbols_fault(const char *path, char *why, size_t room)
{
	struct stat st;
	struct image i = {.at = MAP_FAILED};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		i.size = (size_t)st.st_size;
		i.at = mmap(NULL, i.size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	const char *fault = why;
	if (i.at == MAP_FAILED)
		snprintf(why, room, "the file can't be read: %s", fd < 0 ? strerror(errno) : "it is no regular file");
	else
		fault = look_at(&i, why, room);
	if (i.at != MAP_FAILED)
		munmap((void *)(uintptr_t)i.at, i.size);
	if (fd >= 0)
		close(fd);
	return fault;
}
