// The file of a module: found, looked at, mapped.
//
// A file that is mapped in this process already (by another broker, or before a reload) is mapped once more
// from a copy of its own, so that each instance has its own statics.  A new version belongs in place by
// rename, not by writing into the old file: that one is mapped.
//
// Threads: any; mapping is serialised in the process.

#ifndef MODULE_FILE_H
#define MODULE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "wherry/module.h"

struct module_file {
	void *handle;
	char *path; // absolute
};

// `path_or_name`: with a slash or ending in ".so" it is a path, else the name of a module in `dir`.  OK,
// ENOKEY (no such file), EDENIED (others may write it), EARG (no shared object, or one that can't be linked),
// EIO, ENOMEM; why[] says.
int module_file_open(const char *dir, const char *path_or_name, struct module_file *, char *why, size_t why_room);
// NULL: it is no module, and why[] says so.
wherry_module_query_fn module_file_entry(const struct module_file *, char *why, size_t why_room);
void module_file_close(struct module_file *); // unmaps it
bool module_file_is_path(const char *path_or_name);

// Whether the open file may be trusted with the broker's address space: it belongs to root or to the broker's
// user, and nobody else may write it.  This guards against a slip of installation, not against who may write
// the directory.
int module_file_trusted(int fd, const char *path, char *why, size_t why_room);

#endif
