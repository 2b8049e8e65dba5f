#include "queue/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

#define NEW ".new"

static void
add(struct names *n, struct qid id)
{
	if (n->count == n->cap) {
		n->cap = n->cap == 0 ? 256 : n->cap * 2;
		n->ids = xreallocarray(n->ids, n->cap, sizeof(*n->ids));
	}
	n->ids[n->count++] = id;
}

static void
take(struct names *n, int dir, const char *name, struct names_bad *bad)
{
	struct slice s = slice_str(name);
	struct qid id;

	if (qid_parse(s, &id) == 0) {
		add(n, id);
		return;
	}
	if (s.len > 4 && strcmp(name + s.len - 4, NEW) == 0 &&
	    qid_parse(slice_sub(s, 0, s.len - 4), &id) == 0) {
		(void)unlinkat(dir, name, 0);
		return;
	}
	bad->odd_count++;
	if (bad->odd != NULL)
		bad->odd(bad->q, dir, name);
}

int
names_read(struct names *n, int dir, struct names_bad *bad)
{
	DIR *d = fdopendir(dir);
	const struct dirent *e;
	int saved;

	if (d == NULL) {
		fd_close(dir);
		return -1;
	}
	rewinddir(d);
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			take(n, dir, e->d_name, bad);
	saved = errno;
	(void)closedir(d);
	errno = saved;
	return saved == 0 ? 0 : -1;
}

static int
by_id(const void *a, const void *b)
{
	const struct qid *x = a;
	const struct qid *y = b;

	return qid_compare(*x, *y);
}

void
names_sort(struct names *n)
{
	if (n->count > 0)
		qsort(n->ids, n->count, sizeof(*n->ids), by_id);
}

void
names_free(struct names *n)
{
	free(n->ids);
	*n = (struct names)NAMES_INIT;
}
