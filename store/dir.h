#ifndef STORE_DIR_H
#define STORE_DIR_H

#include <dirent.h>

#include "common/base/attr.h"

/*
 * dir - reading the directories of a home. Private to the library. The user
 * may put anything anywhere, so no link is followed in the last part.
 */

/* Descriptor of a directory, or -1. */
int dir_fd(int at, const char *path) MUST_USE;

/* Open for reading its names, or NULL. closedir() it. */
DIR *dir_open(int at, const char *path) MUST_USE;

/*
 * The next name but "." and "..". NULL at the end with errno 0, or with an
 * error: a directory that cannot be read to its end is not to be taken for a
 * shorter one.
 */
const char *dir_next(DIR *d) MUST_USE;

/* closedir(), or nothing for NULL; keeps errno. */
void dir_close(DIR *d);

#endif
