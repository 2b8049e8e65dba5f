#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/table/entry.h"
#include "common/table/write.h"

#define SOURCE_MAX (1024L * 1024 * 1024)

struct build {
	const char *source;
	struct table_writer *writer;
	struct buf *problems;
	size_t entries;
	bool failed;
};

static void
note(struct build *b, unsigned line, const char *what, struct slice key)
{
	/* A list of problems that got too long still ends the build. */
	if (buf_printf(b->problems, "%s:%u: %s%s%.*s\n", b->source, line, what,
		key.len > 0 ? ": " : "", SLICE_FMT(key)) == -1)
		b->failed = true;
}

static void
put_all(struct build *b, struct slice content)
{
	struct entry_reader r;
	struct slice key, value;
	enum entry_result got;
	char err[512] = "";
	int rc;

	entry_reader_init(&r, content);
	while ((got = entry_next(&r, &key, &value)) != ENTRY_END) {
		if (got == ENTRY_BAD) {
			note(b, r.first_line, r.problem, SLICE(""));
			b->failed = true;
			continue;
		}
		rc = table_writer_put(b->writer, key, value, err);
		if (rc == 1)
			note(b, r.first_line, "key stands here again", key);
		if (rc == -1) {
			note(b, r.first_line, err, SLICE(""));
			b->failed = true;
			break;
		}
		b->entries += rc == 0;
	}
	entry_reader_free(&r);
}

/* A table that is there keeps its mode and group. */
static void
old_rights(const char *path, mode_t *mode, gid_t *gid)
{
	struct stat st;

	*mode = 0644;
	*gid = (gid_t)-1;
	if (stat(path, &st) == -1)
		return;
	*mode = st.st_mode & 0664;
	*gid = st.st_gid;
}

/* Returns -1. */
static int
say(struct buf *problems, const char *text)
{
	if (buf_printf(problems, "%s\n", text) == -1)
		errno = ENOBUFS; /* there are problems enough in it then */
	return -1;
}

static int
build(struct build *b, const char *path, bool btree)
{
	struct buf content = BUF_INIT(SOURCE_MAX);
	char err[512] = "";
	mode_t mode;
	gid_t gid;

	if (file_read_at(AT_FDCWD, b->source, &content) == -1) {
		(void)snprintf(err, sizeof(err), "cannot read %.400s: %s",
		    b->source, strerror(errno));
		buf_free(&content);
		return say(b->problems, err);
	}
	b->writer = table_writer_open(path, btree, err);
	if (b->writer != NULL)
		put_all(b, buf_slice(&content));
	buf_free(&content);
	if (b->writer == NULL)
		return say(b->problems, err);
	if (b->failed) {
		table_writer_abort(b->writer);
		return -1;
	}
	old_rights(path, &mode, &gid);
	if (table_writer_commit(b->writer, mode, gid, err) == -1)
		return say(b->problems, err);
	return 0;
}

int
table_build(const char *spec, const struct table_place *place,
    struct buf *problems, size_t *entries)
{
	struct build b = { .problems = problems };
	struct buf source = BUF_INIT(4096);
	struct buf path = BUF_INIT(4096);
	struct slice type, name;
	char err[512] = "";
	int rc = -1;

	*entries = 0;
	if (!table_split(spec, &type, &name) ||
	    !(slice_eq(type, SLICE("hash")) || slice_eq(type, SLICE("btree"))))
		return say(problems, "only hash:NAME and btree:NAME are built");
	if (table_path(name, place, "", &source, err) == -1 ||
	    table_path(name, place, ".db", &path, err) == -1) {
		(void)say(problems, err);
	} else {
		b.source = buf_str(&source);
		rc = build(&b, buf_str(&path), slice_eq(type, SLICE("btree")));
	}
	*entries = b.entries;
	buf_free(&source);
	buf_free(&path);
	return rc;
}
