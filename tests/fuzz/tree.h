#ifndef TESTS_FUZZ_TREE_H
#define TESTS_FUZZ_TREE_H

/*
 * tree - a directory kept in memory, put back for every input, and damaged
 * as the input says. Of long files only the beginning is kept; what is
 * behind is taken for zeros.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/file.h"

#define TREE_FILES    80
#define TREE_KEEP_MAX 65536

struct tree_file {
	char path[200];
	char *data; /* NULL: a directory */
	size_t kept;
	off_t len;
};

struct tree {
	struct tree_file files[TREE_FILES]; /* the first is the root */
	size_t count;
};

static inline void
tree_keep(struct tree *t, int at, const char *name, const char *path)
{
	struct tree_file *k = &t->files[t->count++];
	struct dirent *e;
	struct stat st;
	DIR *d;
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW);

	if (fd == -1 || fstat(fd, &st) == -1 || t->count > TREE_FILES)
		abort();
	(void)snprintf(k->path, sizeof(k->path), "%s", path);
	if (S_ISREG(st.st_mode)) {
		k->len = st.st_size;
		k->kept = MIN((size_t)st.st_size, (size_t)TREE_KEEP_MAX);
		k->data = malloc(k->kept + 1);
		if (read(fd, k->data, k->kept) != (ssize_t)k->kept)
			abort();
		close(fd);
		return;
	}
	d = fdopendir(fd);
	while ((e = readdir(d)) != NULL) {
		char below[200];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(
		    below, sizeof(below), "%.100s/%.90s", path, e->d_name);
		tree_keep(t, fd, e->d_name, below);
	}
	closedir(d);
}

/* Below a new directory; returns its descriptor. */
static inline int
tree_restore(const struct tree *t, const char *path)
{
	int root;

	if (mkdir(path, 0700) == -1)
		abort();
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 1; i < t->count; i++) {
		const struct tree_file *k = &t->files[i];
		int fd;

		if (k->data == NULL) {
			if (mkdirat(root, k->path, 0700) == -1)
				abort();
			continue;
		}
		fd = openat(root, k->path, O_WRONLY | O_CREAT, 0600);
		if (fd == -1 || write_all(fd, k->data, k->kept) == -1 ||
		    ftruncate(fd, k->len) == -1)
			abort();
		close(fd);
	}
	return root;
}

/* Another name in the same directory, from the input. */
static inline void
tree_rename(int root, const char *path, const uint8_t *p, size_t len)
{
	const char *end = strrchr(path, '/');
	char name[500];

	if (len == 0 || memchr(p, '\0', len) != NULL ||
	    memchr(p, '/', len) != NULL)
		return;
	(void)snprintf(name, sizeof(name), "%.*s/%.*s", (int)(end - path), path,
	    (int)len, (const char *)p);
	if (strstr(name, "..") == NULL)
		(void)renameat(root, path, root, name);
}

/* file, kind, place (2), length, bytes: returns how many were used. */
static inline size_t
tree_damage(int root, const struct tree *t, const uint8_t *p, size_t n)
{
	const struct tree_file *k = &t->files[1 + p[0] % (t->count - 1)];
	size_t len = MIN((size_t)p[4], n - 5);
	off_t at = p[2] << 8 | p[3];
	char name[210];
	int fd;

	/* Most places are within the file. */
	if (k->kept > 0 && p[1] % 8 != 0)
		at %= (off_t)k->kept;
	switch (p[1] % 16) {
	case 13:
		(void)unlinkat(
		    root, k->path, k->data == NULL ? AT_REMOVEDIR : 0);
		return 5;
	case 14:
		(void)snprintf(name, sizeof(name), "%s-", k->path);
		(void)renameat(root, k->path, root, name);
		return 5;
	case 15:
		tree_rename(root, k->path, p + 5, len);
		return 5 + len;
	default:
		break;
	}
	fd = openat(root, k->path, O_WRONLY | O_NOFOLLOW);
	if (fd == -1)
		return 5;
	if (p[1] % 16 == 12)
		(void)!ftruncate(fd, at);
	else
		(void)!pwrite(fd, p + 5, len, at);
	close(fd);
	return 5 + len;
}

/* All damages of an input. */
static inline void
tree_damage_all(int root, const struct tree *t, const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at + 5 <= n)
		at += tree_damage(root, t, p + at, n - at);
}

#endif
