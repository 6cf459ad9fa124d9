// The files of clients/cli/skeleton, as the build found them (skeleton/embed.cmake): what `wherry module new` writes.
// In their names and texts the word "skeleton" stands for the module's name.  Constant.  Threads: any.

#ifndef CLI_SKELETON_H
#define CLI_SKELETON_H

#include <stddef.h>

struct skeleton_file {
	const char *name;
	const unsigned char *text;
	size_t len;
};

extern const struct skeleton_file skeleton_files[]; // ends with a name of NULL

#endif
