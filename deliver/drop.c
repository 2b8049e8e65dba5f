#include "deliver/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/mime/header.h"
#include "deliver/loop.h"

#define COPY_STEP ((size_t)256 * 1024)
#define BOXES_MAX 64U

static const char *
why_not(int error, const char **enhanced)
{
	switch (error) {
	case ENOSPC:
		*enhanced = "4.3.1";
		return "mail system storage is full";
	case EDQUOT:
		*enhanced = "4.2.2";
		return "mailbox is full";
	case ENOENT:
	case ENOTDIR:
		*enhanced = "4.3.5";
		return "mailbox has no drop box";
	case EACCES:
	case EPERM:
	case ELOOP:
	case EXDEV:
		*enhanced = "4.3.5";
		return "drop box may not be written";
	default:
		*enhanced = "4.3.0";
		return "mail system trouble";
	}
}

static void
box_release(struct drop_box *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	fd_close(b->tmp);
	fd_close(b->new);
	free(b);
}

void
drop_boxes_shut(struct drop_boxes *boxes)
{
	struct drop_box *b;

	while ((b = boxes->first) != NULL) {
		boxes->first = b->next;
		box_release(b);
	}
	boxes->count = 0;
}

static struct drop_box *
box_open(int root, struct slice home)
{
	struct drop_box *b = xcalloc(1, sizeof(*b));
	char path[sizeof(b->home) + 16];
	int saved;

	b->refs = 1;
	b->tmp = -1;
	b->new = -1;
	if (slice_copy(b->home, sizeof(b->home), home) == -1)
		goto fail;
	(void)snprintf(path, sizeof(path), "%s/drop/tmp", b->home);
	/* The user owns these directories, and may put links there. */
	b->tmp = file_dir_beneath(root, path, O_PATH);
	if (b->tmp == -1)
		goto fail;
	(void)snprintf(path, sizeof(path), "%s/drop/new", b->home);
	b->new = file_dir_beneath(root, path, O_PATH);
	if (b->new == -1)
		goto fail;
	return b;
fail:
	saved = errno;
	box_release(b);
	errno = saved;
	return NULL;
}

/* The box of this home, held for the caller; NULL with errno. */
static struct drop_box *
box_of(struct drop_boxes *boxes, struct slice home)
{
	struct drop_box *b = boxes->first;

	while (b != NULL && !slice_eq(slice_str(b->home), home))
		b = b->next;
	if (b == NULL) {
		if (boxes->count >= BOXES_MAX)
			drop_boxes_shut(boxes);
		b = box_open(boxes->root, home);
		if (b == NULL)
			return NULL;
		b->next = boxes->first;
		boxes->first = b;
		boxes->count++;
	}
	b->refs++;
	return b;
}

static int
make_name(struct drop *d, const struct work *w, size_t i, uint64_t prefix)
{
	struct drop_name n = { .recipient = w->rcpts[i].number,
		.size = prefix + work_length(w),
		.date_s = (int64_t)w->m.arrived,
		.retry = (w->m.flags & IPC_WORK_RETRY) != 0 };

	if (slice_copy(n.queue_id, sizeof(n.queue_id), w->m.id) == -1 ||
	    slice_copy(n.low, sizeof(n.low), w->m.low_water) == -1)
		return -1;
	return drop_name_format(&n, d->name);
}

/* RFC 5321 §4.4: the sender as it was when delivery became final. */
static int
make_prefix(struct buf *b, const struct work *w, size_t i)
{
	return buf_printf(b, "Return-Path: <%.*s>\r\nDelivered-To: %.*s\r\n",
	    SLICE_FMT(w->m.sender), SLICE_FMT(w->rcpts[i].address));
}

/* Large content is hashed on the way: a damaged file is never delivered. */
static int
copy_large(struct drop *d, const struct work *w)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *chunk = malloc(COPY_STEP);
	unsigned md_len = 0;
	uint64_t at = 0;
	ssize_t n = -1;
	int rc = -1;

	if (ctx == NULL || chunk == NULL ||
	    EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		errno = ENOMEM;
		goto out;
	}
	while ((n = work_read(w, at, chunk, COPY_STEP)) > 0) {
		if (write_all(d->fd, chunk, (size_t)n) == -1 ||
		    EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
			goto out;
		at += (uint64_t)n;
	}
	if (n == -1) {
		d->damaged = errno == ENODATA; /* not so long as was said */
		goto out;
	}
	if (EVP_DigestFinal_ex(ctx, md, &md_len) != 1)
		goto out;
	if (at != work_length(w) ||
	    !slice_eq(slice_of(md, md_len), w->m.sha256)) {
		log_error("event=content-damaged id=%.*s", SLICE_FMT(w->m.id));
		d->damaged = true;
		errno = EBADMSG;
		goto out;
	}
	rc = 0;
out:
	EVP_MD_CTX_free(ctx);
	free(chunk);
	return rc;
}

static int
write_content(struct drop *d, const struct work *w, const struct buf *prefix)
{
	struct iovec iov[2] = { { prefix->data, prefix->len }, { NULL, 0 } };
	struct stat st;

	if (w->fd == -1) {
		/* writev only reads; iovec has no const form. */
		memcpy(&iov[1].iov_base, &w->content.p, sizeof(void *));
		iov[1].iov_len = w->content.len;
	}
	if (writev_all(d->fd, iov, w->fd == -1 && w->content.len > 0 ? 2 : 1) ==
	    -1)
		return -1;
	if (w->fd != -1 && copy_large(d, w) == -1)
		return -1;
	if (fstat(d->fd, &st) == -1)
		return -1;
	if ((uint64_t)st.st_size != prefix->len + work_length(w)) {
		errno = EIO;
		return -1;
	}
	d->device = st.st_dev;
	return 0;
}

/* The name belongs to this token: what an attempt left there is ours. */
static int
create(struct drop *d)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int dir = d->box->tmp;
	int fd = openat(dir, d->name, flags, 0660);

	if (fd == -1 && errno == EEXIST && unlinkat(dir, d->name, 0) == 0)
		fd = openat(dir, d->name, flags, 0660);
	return fd;
}

/* Everything of drop_write() that says with errno why it failed. */
static int
write_file(
    struct drop *d, struct drop_boxes *boxes, const struct work *w, size_t i)
{
	struct buf prefix = BUF_INIT(8192);
	int rc = -1;

	d->box = box_of(boxes, w->rcpts[i].home);
	if (d->box == NULL || make_prefix(&prefix, w, i) == -1 ||
	    make_name(d, w, i, prefix.len) == -1)
		goto out;
	d->fd = create(d);
	if (d->fd == -1)
		goto out;
	rc = write_content(d, w, &prefix);
	if (rc == -1)
		drop_discard(d);
out:
	buf_free(&prefix);
	return rc;
}

const char *
drop_write(struct drop *d, struct drop_boxes *boxes, const struct work *w,
    size_t i, const char **enhanced)
{
	int error;

	*d = (struct drop){ .fd = -1 };
	if (loop_found(w, w->rcpts[i].address)) {
		*enhanced = "5.4.6";
		return "mail loops: it was delivered to this address before";
	}
	if (write_file(d, boxes, w, i) == 0)
		return NULL;
	error = errno;
	log_error("event=drop-failed id=%.*s home=%.*s error=%s",
	    SLICE_FMT(w->m.id), SLICE_FMT(w->rcpts[i].home), strerror(error));
	drop_close(d);
	return why_not(error, enhanced);
}

int
drop_publish(struct drop *d)
{
	int error;

	if (renameat2(d->box->tmp, d->name, d->box->new, d->name,
		RENAME_NOREPLACE) == 0)
		return 0;
	error = errno;
	drop_discard(d);
	if (error == EEXIST)
		return 0; /* an earlier attempt had come so far */
	errno = error;
	return -1;
}

void
drop_discard(struct drop *d)
{
	int saved = errno;

	if (unlinkat(d->box->tmp, d->name, 0) == -1 && errno != ENOENT)
		log_warn("event=drop-left-over home=%s name=%s error=%s",
		    d->box->home, d->name, strerror(errno));
	errno = saved;
}

bool
drop_take_back(struct drop *d)
{
	return unlinkat(d->box->new, d->name, 0) == 0;
}

void
drop_close(struct drop *d)
{
	fd_close(d->fd);
	d->fd = -1;
	box_release(d->box);
	d->box = NULL;
}
