// The data directory: one broker's alone.

#ifndef DATA_DIR_H
#define DATA_DIR_H

#include <stddef.h>

// Makes it if it is not there, mode 0700, and locks it for as long as *lock_fd is open.  EIO, EARG (it is no directory),
// EEXIST (another broker has it): why[] says so.
int data_dir_lock(const char *dir, int *lock_fd, char *why, size_t why_room);

#endif
