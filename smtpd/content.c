#include "smtpd/content.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/utf8.h"

/* clang-format off */
static const struct smtp_status bare       = { 550, "5.5.2", "Mail holds a CR or LF that is not CRLF (RFC 5321 section 2.3.8)" };
static const struct smtp_status nul        = { 550, "5.6.0", "Mail holds a NUL byte" };
static const struct smtp_status long_line  = { 550, "5.6.0", "Line too long" };
static const struct smtp_status too_big    = { 552, "5.3.4", "Mail is larger than the limit" };
static const struct smtp_status big_header = { 552, "5.3.4", "Header is larger than the limit" };
static const struct smtp_status looping    = { 554, "5.4.6", "Too many hops: this mail is going round in circles" };
static const struct smtp_status no_memory  = { 452, "4.3.1", "Out of memory, try later" };
const struct smtp_status content_no_space  = { 452, "4.3.1", "No space for this mail, try later" };
const struct smtp_status content_try_later = { 451, "4.3.0", "Cannot store this mail, try later" };
/* clang-format on */

int
content_init(
    struct content *c, const struct content_limits *limits, struct slice fields)
{
	*c = (struct content){ .limits = *limits, .fd = -1 };
	smtp_data_init(&c->data, CONTENT_LINE_MAX);
	/* What comes in one read may go over the limits before we look. */
	buf_init(&c->mem, limits->header + 2 * CONTENT_MEMORY + fields.len);
	c->front = fields.len;
	c->length = fields.len;
	return buf_append_slice(&c->mem, fields);
}

void
content_free(struct content *c)
{
	buf_free(&c->mem);
	fd_close(c->fd);
	c->fd = -1;
	EVP_MD_CTX_free(c->sha);
	c->sha = NULL;
}

void
content_break(struct content *c, const struct smtp_status *why)
{
	if (c->broken == NULL)
		c->broken = why;
	buf_free(&c->mem);
}

static const struct smtp_status *
content_fault(const struct content *c)
{
	unsigned bad = c->data.bad;

	if ((bad & SMTP_DATA_BARE) != 0)
		return &bare;
	if ((bad & SMTP_DATA_NUL) != 0)
		return &nul;
	if ((bad & SMTP_DATA_LONG) != 0)
		return &long_line;
	if ((bad & SMTP_DATA_FULL) != 0)
		return &no_memory;
	if (c->data.size > c->limits.size)
		return &too_big;
	if (c->header.bytes > c->limits.header)
		return &big_header;
	if (c->header.received > c->limits.received)
		return &looping;
	return NULL;
}

static void
content_write(struct content *c)
{
	int saved;

	if (c->mem.len == 0)
		return;
	if (EVP_DigestUpdate(c->sha, c->mem.data, c->mem.len) != 1) {
		content_break(c, &no_memory);
		return;
	}
	if (write_all(c->fd, c->mem.data, c->mem.len) == 0) {
		buf_truncate(&c->mem, 0);
		return;
	}
	saved = errno;
	log_error("event=large-file-failed error=%s", strerror(saved));
	content_break(c, saved == ENOSPC || saved == EDQUOT
			     ? &content_no_space
			     : &content_try_later);
}

/* New bytes stand in mem from `before` on. */
static void
content_look(struct content *c, size_t before)
{
	struct slice new = slice_sub(buf_slice(&c->mem), before, SIZE_MAX);
	const struct smtp_status *fault;

	c->length += new.len;
	if (!c->has_8bit)
		c->has_8bit = utf8_has_8bit(new);
	if (!c->header.done)
		header_scan(&c->header, new);
	fault = content_fault(c);
	if (fault != NULL)
		content_break(c, fault);
	else if (c->fd != -1 && c->mem.len >= CONTENT_MEMORY)
		content_write(c);
}

size_t
content_take(struct content *c, struct slice in)
{
	size_t before = c->mem.len;
	size_t n;

	/* Grow in one step; without memory the bytes themselves find out. */
	if (c->broken == NULL && buf_reserve(&c->mem, in.len) == NULL)
		errno = 0;
	/* What is not kept is still followed to its end. */
	n = smtp_data_take(&c->data, in, c->broken == NULL ? &c->mem : NULL);
	if (c->broken == NULL)
		content_look(c, before);
	return n;
}

void
content_take_chunk(struct content *c, struct slice in)
{
	size_t before = c->mem.len;

	smtp_data_take_chunk(&c->data, in, c->broken == NULL ? &c->mem : NULL);
	if (c->broken == NULL)
		content_look(c, before);
}

void
content_finish_chunks(struct content *c)
{
	size_t before = c->mem.len;

	smtp_data_finish(&c->data, c->broken == NULL ? &c->mem : NULL);
	if (c->broken == NULL)
		content_look(c, before);
}

/*
 * Not before the header is whole: until then fields may have to go in
 * front of it, and it is bounded.
 */
bool
content_wants_file(const struct content *c)
{
	return c->fd == -1 && c->broken == NULL &&
	       c->mem.len > CONTENT_MEMORY + c->front && c->header.done;
}

void
content_use_file(struct content *c, int fd, uint64_t large)
{
	assert(c->fd == -1);
	c->fd = fd;
	c->large = large;
	c->sha = EVP_MD_CTX_new();
	if (c->sha == NULL ||
	    EVP_DigestInit_ex(c->sha, EVP_sha256(), NULL) != 1) {
		content_break(c, &no_memory);
		return;
	}
	if (c->broken == NULL)
		content_write(c);
}

void
content_insert(struct content *c, struct slice fields)
{
	struct buf b;

	if (c->broken != NULL || fields.len == 0)
		return;
	assert(c->fd == -1);
	buf_init(&b, c->mem.max + fields.len);
	if (buf_append(&b, c->mem.data, c->front) == -1 ||
	    buf_append_slice(&b, fields) == -1 ||
	    buf_append_slice(
		&b, slice_sub(buf_slice(&c->mem), c->front, SIZE_MAX)) == -1) {
		buf_free(&b);
		content_break(c, &no_memory);
		return;
	}
	buf_free(&c->mem);
	c->mem = b;
	c->front += fields.len;
	c->length += fields.len;
}

const struct smtp_status *
content_end(struct content *c, unsigned char sha256[32])
{
	unsigned n = 0;

	if (c->broken == NULL && c->fd != -1) {
		content_write(c);
		if (c->broken == NULL &&
		    EVP_DigestFinal_ex(c->sha, sha256, &n) != 1)
			content_break(c, &no_memory);
	}
	return c->broken;
}
