// Looks at a module's file before it is mapped: the dynamic linker takes headers at their word, and what lies behind the
// end of a file that was cut short is a SIGBUS, the broker's end.  Of two things only: the file is whole, and it leaves the
// broker's stacks alone.  Bytes that were changed in the linker's tables or in code are not noticed, and can be the broker's
// end as well.  Threads: any.

#ifndef MODULE_ELF_H
#define MODULE_ELF_H

#include <stddef.h>

// WHERRY_OK if it is a whole shared object for this machine; else EARG, EIO, and why[] names the file.
int elf_check(int fd, const char *path, char *why, size_t why_room);

#endif
