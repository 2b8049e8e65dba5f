#include "store/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "store/name.h"

/* Index of the first folder with this id or a greater one. */
static size_t
place(const struct account *a, uint32_t id)
{
	size_t low = 0;
	size_t high = a->folder_count;
	size_t mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (a->folders[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct folder *
folder_by_id(const struct account *a, uint32_t id)
{
	size_t at = place(a, id);

	return at < a->folder_count && a->folders[at]->id == id ? a->folders[at]
								: NULL;
}

struct folder *
folder_by_name(const struct account *a, struct slice canonical)
{
	return map_get(&a->by_name, canonical);
}

struct folder *
folder_find(const struct account *a, struct slice name)
{
	struct buf b = BUF_INIT(NAME_MAX_BYTES);
	struct folder *f = NULL;
	int saved;

	/* Most names come as they are kept. */
	f = folder_by_name(a, name);
	if (f != NULL)
		return f;
	if (name_canonical(name, &b) == 0) {
		f = folder_by_name(a, buf_slice(&b));
		if (f == NULL)
			errno = ENOENT;
	}
	saved = errno;
	buf_free(&b);
	errno = saved;
	return f;
}

/*
 * The directory's name of a name that was read, owned by the caller. NULL
 * with EUCLEAN where the name is not canonical: nobody would find it again.
 */
static char *
disk_name(struct slice name)
{
	struct buf b = BUF_INIT(4 * NAME_MAX_BYTES);
	char *disk = NULL;
	bool same;

	if (name_canonical(name, &b) == -1)
		goto out;
	same = slice_eq(buf_slice(&b), name);
	buf_truncate(&b, 0);
	errno = EINVAL;
	if (same && name_to_disk(name, &b) == 0)
		disk = xstrdup(buf_str(&b));
out:
	if (disk == NULL && errno != ENOMEM)
		errno = EUCLEAN;
	buf_free(&b);
	return disk;
}

static void
insert(struct account *a, struct folder *f)
{
	size_t at = place(a, f->id);

	if (a->folder_count == a->folder_cap) {
		a->folder_cap = a->folder_cap == 0 ? 8 : a->folder_cap * 2;
		a->folders = xreallocarray(
		    a->folders, a->folder_cap, sizeof(*a->folders));
	}
	memmove(&a->folders[at + 1], &a->folders[at],
	    (a->folder_count - at) * sizeof(struct folder *));
	a->folders[at] = f;
	a->folder_count++;
	if (f->id >= a->next_id)
		a->next_id = f->id + 1;
}

struct folder *
folder_add(struct account *a, uint32_t id, struct slice name)
{
	struct folder *f;
	char *disk;

	if (id == 0 || folder_by_id(a, id) != NULL) {
		errno = EUCLEAN;
		return NULL;
	}
	if (folder_by_name(a, name) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	disk = disk_name(name);
	if (disk == NULL)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->id = id;
	f->name = slice_dup(name);
	f->disk = disk;
	f->n.uidnext = 1;
	insert(a, f);
	map_put(&a->by_name, name, f);
	return f;
}

int
folder_rename(struct account *a, struct folder *f, struct slice name)
{
	char *disk;

	if (slice_eq(slice_str(f->name), name))
		return 0;
	if (folder_by_name(a, name) != NULL) {
		errno = EEXIST;
		return -1;
	}
	disk = disk_name(name);
	if (disk == NULL)
		return -1;
	map_del(&a->by_name, slice_str(f->name));
	free(f->name);
	free(f->disk);
	f->name = slice_dup(name);
	f->disk = disk;
	map_put(&a->by_name, name, f);
	return 0;
}

void
folder_bury(struct account *a, struct folder *f)
{
	size_t at = place(a, f->id);

	map_del(&a->by_name, slice_str(f->name));
	a->folder_count--;
	memmove(&a->folders[at], &a->folders[at + 1],
	    (a->folder_count - at) * sizeof(struct folder *));
	f->gone = true;
	a->graves =
	    xreallocarray(a->graves, a->grave_count + 1, sizeof(*a->graves));
	a->graves[a->grave_count++] = f;
}

static void
folder_free(struct folder *f)
{
	for (unsigned i = 0; i < f->keyword_count; i++)
		free(f->keywords[i]);
	free(f->name);
	free(f->disk);
	free(f);
}

void
folder_table_free(struct account *a)
{
	for (size_t i = 0; i < a->folder_count; i++)
		folder_free(a->folders[i]);
	for (size_t i = 0; i < a->grave_count; i++)
		folder_free(a->graves[i]);
	free(a->folders);
	free(a->graves);
	map_free(&a->by_name);
	map_free(&a->subscribed);
	a->folders = NULL;
	a->graves = NULL;
	a->folder_count = 0;
	a->folder_cap = 0;
	a->grave_count = 0;
	a->by_name = (struct map)MAP_INIT;
	a->subscribed = (struct map)MAP_INIT;
}

int
folder_define_keywords(struct folder *f, const struct keyword_defs *d)
{
	for (unsigned i = 0; i < d->count; i++) {
		unsigned bit = d->first + i;

		if (bit < f->keyword_count)
			continue; /* seen before, by the snapshot */
		if (bit != f->keyword_count || bit >= KEYWORDS_MAX) {
			errno = EUCLEAN;
			return -1;
		}
		f->keywords[bit] = slice_dup(d->names[i]);
		f->keyword_count++;
	}
	return 0;
}

int
folder_keyword(const struct folder *f, struct slice name)
{
	for (unsigned i = 0; i < f->keyword_count; i++)
		if (slice_ieq(slice_str(f->keywords[i]), name))
			return (int)i;
	return -1;
}

void
folder_path(
    const struct folder *f, const char *file, char path[FOLDER_PATH_MAX])
{
	bool inbox = *f->disk == '\0';

	snprintf(path, FOLDER_PATH_MAX, "%s%s%s", inbox ? "." : f->disk,
	    *file == '\0' ? "" : "/", file);
}
