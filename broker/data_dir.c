// The data directory: data_dir.h.

#include "data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "wherry/status.h"

enum { PATH_ROOM = 4200 };

static int take_lock(const char *dir, int *lock_fd, char *why, size_t why_room)
{
	char path[PATH_ROOM];
	snprintf(path, sizeof(path), "%s/wherryd.lock", dir);
	*lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*lock_fd < 0) {
		snprintf(why, why_room, "data_dir: can't open %s: %s", path, strerror(errno));
		return WHERRY_EIO;
	}
	if (flock(*lock_fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(why, why_room, "data_dir: %s is in use by another broker", dir);
		return WHERRY_EEXIST;
	}
	return WHERRY_OK;
}

int data_dir_lock(const char *dir, int *lock_fd, char *why, size_t why_room)
{
	struct stat st;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		snprintf(why, why_room, "data_dir: can't make %s: %s", dir, strerror(errno));
		return WHERRY_EIO;
	}
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
		snprintf(why, why_room, "data_dir: %s is no directory", dir);
		return WHERRY_EARG;
	}
	return take_lock(dir, lock_fd, why, why_room);
}
