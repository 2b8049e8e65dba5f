#include "queue/old.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/rand.h"
#include "common/base/wire.h"

#define OLD_MAGIC   0x3130464451434d57ULL
#define OLD_VERSION 1U
#define OLD_HEAD    32U
#define OLD_MAX     ((size_t)3 * RECORD_MAX)

void
old_name(struct qid id, const char *suffix, char name[OLD_NAME])
{
	char text[QID_TEXT];

	qid_text(id, text);
	(void)snprintf(name, OLD_NAME, "%02x/%s%s",
	    (unsigned)((id.time_us ^ id.nonce) & 0xff), text, suffix);
}

static int
put_record(struct buf *b, uint8_t kind, struct slice body, uint32_t seed)
{
	char *at = buf_reserve(b, record_size(body.len));

	if (at == NULL)
		return -1;
	record_frame(at, (enum record_kind)kind, body.len);
	if (body.len > 0)
		memcpy(at + RECORD_HEAD, body.p, body.len);
	buf_commit(b, record_stamp(at, seed));
	return 0;
}

static int
put_delta(struct buf *b, struct slice delta, uint32_t seed)
{
	struct wire_in w = wire_in(delta);

	while (w.rest.len > 0) {
		uint32_t len = wire_u32(&w);
		uint8_t kind = wire_u8(&w);
		struct slice body = wire_raw(&w, len);

		if (w.failed) {
			errno = EBADMSG;
			return -1;
		}
		if (put_record(b, kind, body, seed) == -1)
			return -1;
	}
	return 0;
}

static size_t
delta_size(struct slice delta)
{
	/* A record's head and padding take at most 18 bytes more than here. */
	return delta.len + (delta.len / 5 + 1) * 18;
}

static int
put_file(struct buf *b, struct qid id, struct slice mail, struct slice delta)
{
	size_t most = OLD_HEAD + record_size(mail.len) + delta_size(delta) +
		      record_size(RECORD_ID);
	char end[RECORD_ID];
	uint64_t salt = rand_u64();
	uint32_t seed = record_seed(&salt, sizeof(salt));
	char *head;

	/* In one piece from the start: the head is filled in last. */
	if (buf_reserve(b, most) == NULL)
		return -1;
	buf_commit(b, OLD_HEAD);
	wire_set_u64(end, id.time_us);
	wire_set_u64(end + 8, id.nonce);
	if (put_record(b, RECORD_MAIL, mail, seed) == -1 ||
	    put_delta(b, delta, seed) == -1 ||
	    put_record(b, RECORD_END, slice_of(end, sizeof(end)), seed) == -1)
		return -1;
	head = b->data;
	wire_set_u64(head, OLD_MAGIC);
	wire_set_u32(head + 8, OLD_VERSION);
	wire_set_u64(head + 16, b->len);
	wire_set_u64(head + 24, salt);
	wire_set_u32(head + 12, crc32c(0, head + 16, OLD_HEAD - 16));
	return 0;
}

int
old_write(int dir, struct qid id, struct slice mail, struct slice delta)
{
	struct buf b = BUF_INIT(OLD_MAX);
	char name[OLD_NAME];
	int rc = -1;
	int fd = -1;
	int saved;

	old_name(id, ".new", name);
	if (put_file(&b, id, mail, delta) == -1)
		goto out;
	fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1 || write_all(fd, b.data, b.len) == -1)
		goto out;
	rc = close(fd); /* some file systems say only here that it is full */
	fd = -1;
out:
	saved = errno;
	if (rc == -1)
		(void)unlinkat(dir, name, 0);
	fd_close(fd);
	buf_free(&b);
	errno = saved;
	return rc;
}

int
old_rename(int dir, struct qid id)
{
	char from[OLD_NAME];
	char to[OLD_NAME];

	old_name(id, ".new", from);
	old_name(id, "", to);
	return renameat(dir, from, dir, to);
}

int
old_remove(int dir, struct qid id, const char *suffix)
{
	char name[OLD_NAME];

	old_name(id, suffix, name);
	if (unlinkat(dir, name, 0) == -1 && errno != ENOENT)
		return -1;
	return 0;
}

static int
bad(void)
{
	errno = EBADMSG;
	return -1;
}

/* Every record to the end must be whole and say what it should. */
static int
check_rest(const struct old *o, struct qid id)
{
	struct slice in = o->rest;
	struct record r;
	struct qid of;
	size_t size;

	for (;;) {
		if (record_read(in, o->seed, &r, &size) != RECORD_OK ||
		    !record_valid(&r) || r.kind == RECORD_MAIL ||
		    record_id(r.body, &of) == -1 || qid_compare(of, id) != 0)
			return bad();
		in = slice_sub(in, size, in.len);
		if (r.kind == RECORD_END)
			return in.len == 0 ? 0 : bad();
	}
}

int
old_parse(struct slice file, struct qid id, struct old *o)
{
	const char *h = file.p;
	struct envelope e;
	struct record r;
	size_t size;

	if (file.len < OLD_HEAD || wire_get_u64(h) != OLD_MAGIC ||
	    wire_get_u32(h + 8) != OLD_VERSION ||
	    wire_get_u32(h + 12) != crc32c(0, h + 16, OLD_HEAD - 16) ||
	    wire_get_u64(h + 16) != file.len)
		return bad();
	o->seed = record_seed(h + 24, 8);
	file = slice_sub(file, OLD_HEAD, file.len);
	if (record_read(file, o->seed, &r, &size) != RECORD_OK ||
	    r.kind != RECORD_MAIL || envelope_get(&e, r.body) == -1 ||
	    qid_compare(e.id, id) != 0)
		return bad();
	o->mail = r.body;
	o->rest = slice_sub(file, size, file.len);
	return check_rest(o, id);
}

/* Nothing but a file of ours may stand there. */
static int
open_file(int dir, struct qid id)
{
	char name[OLD_NAME];
	struct stat st;
	int fd;

	old_name(id, "", name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1) {
		if (errno == ELOOP)
			errno = EBADMSG;
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	fd_close(fd);
	return bad();
}

int
old_read(int dir, struct qid id, struct old *o)
{
	struct buf b = BUF_INIT(OLD_MAX);
	int fd = open_file(dir, id);
	int rc;

	if (fd == -1)
		return -1;
	rc = file_read(fd, &b);
	fd_close(fd);
	if (rc == 0)
		rc = old_parse(buf_slice(&b), id, o);
	else if (errno == ENOBUFS)
		rc = bad();
	if (rc == -1) {
		buf_free(&b);
		return -1;
	}
	o->store = buf_take(&b, NULL); /* slices stay: nothing was consumed */
	return 0;
}

int
old_next(struct old *o, struct record *r)
{
	size_t size;

	if (record_read(o->rest, o->seed, r, &size) != RECORD_OK ||
	    r->kind == RECORD_END)
		return 0;
	o->rest = slice_sub(o->rest, size, o->rest.len);
	return 1;
}
