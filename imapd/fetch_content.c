#include "imapd/fetch_content.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mapped.h"
#include "common/mime/header.h"
#include "imapd/session_state.h"

/* Most headers are smaller; then it is doubled. */
#define HEADER_FIRST 8192
/* Where mapping costs less than reading into memory of our own. */
#define MAP_SIZE (1U << 20)

int
content_open(struct content *c, struct session *s, uint32_t uid)
{
	*c = (struct content){ .s = s };
	c->fd = mailbox_content(s->mailbox, uid, &c->size);
	return c->fd == -1 ? -1 : 0;
}

void
content_close(struct content *c)
{
	if (c->map != NULL)
		(void)munmap(c->map, (size_t)c->size);
	fd_close(c->fd);
	c->fd = -1;
	c->map = NULL;
	c->got = SLICE_EMPTY;
	c->parsed = false;
}

/* Have at least the first n bytes in the buffer. */
static int
read_up_to(struct content *c, size_t n)
{
	struct buf *b = &c->s->file;
	char *room;

	if (c->got.len == 0)
		buf_truncate(b, 0);
	if (n <= c->got.len)
		return 0;
	room = buf_reserve(b, n - b->len);
	if (room == NULL ||
	    pread_all(c->fd, room, n - b->len, (off_t)b->len) == -1)
		return -1;
	buf_commit(b, n - b->len);
	c->got = buf_slice(b);
	return 0;
}

static int
map_all(struct content *c)
{
	void *map =
	    mmap(NULL, (size_t)c->size, PROT_READ, MAP_PRIVATE, c->fd, 0);

	if (map == MAP_FAILED)
		return -1;
	if (mapped_read_in(map, (size_t)c->size) == -1) {
		(void)munmap(map, (size_t)c->size);
		errno = EIO; /* as read() says it */
		return -1;
	}
	c->map = map;
	c->got = slice_of(map, (size_t)c->size);
	return 0;
}

int
content_all(struct content *c, struct slice *message)
{
	int rc = 0;

	if (c->got.len < c->size)
		rc = c->size >= MAP_SIZE ? map_all(c)
					 : read_up_to(c, (size_t)c->size);
	*message = c->got.p == NULL ? slice_of("", 0) : c->got;
	return rc;
}

int
content_header(struct content *c, struct slice *header)
{
	size_t n = HEADER_FIRST;
	struct slice all;

	for (;;) {
		struct slice s;
		size_t end;

		if (n >= c->size || n >= MAP_SIZE) {
			if (content_all(c, &all) == -1)
				return -1;
			*header = slice_sub(all, 0, mime_header_size(all));
			return 0;
		}
		if (read_up_to(c, n) == -1)
			return -1;
		/* a header that ends within what was read is whole */
		s = c->got;
		end = mime_header_size(s);
		if (end < s.len) {
			*header = slice_sub(s, 0, end);
			return 0;
		}
		n *= 2;
	}
}

int
content_tree(struct content *c)
{
	struct slice all;

	if (c->parsed)
		return 0;
	if (content_all(c, &all) == -1)
		return -1;
	mime_tree_parse(&c->s->tree, all);
	c->parsed = true;
	return 0;
}
