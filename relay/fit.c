/* Content made such that a server without 8BITMIME takes it. */
#include <errno.h>
#include <string.h>

#include "common/base/utf8.h"
#include "relay/session_state.h"
#include "relay/seven.h"

#define CONTENT_STEP ((size_t)32 * 1024)
#define ROOM         ((size_t)64 * 1024) /* for fields that are added */

static bool
has_8bit(const struct work *w)
{
	char piece[CONTENT_STEP];
	uint64_t at = 0;
	ssize_t n;

	/* What cannot be read will be told when it is sent. */
	while ((n = work_read(w, at, piece, sizeof(piece))) > 0) {
		if (utf8_has_8bit(slice_of(piece, (size_t)n)))
			return true;
		at += (uint64_t)n;
	}
	return false;
}

/* All of it in memory, and checked. */
static int
load_content(const struct work *w, struct buf *all)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	ssize_t n = 1;

	while (n > 0) {
		char *room = buf_reserve(all, CONTENT_STEP);

		if (room == NULL)
			return -1;
		n = work_read(w, all->len, room, CONTENT_STEP);
		if (n > 0)
			buf_commit(all, (size_t)n);
	}
	if (n == -1 || w->fd == -1)
		return (int)n;
	if (EVP_Digest(all->data, all->len, sum, &len, EVP_sha256(), NULL) ==
		1 &&
	    slice_eq(slice_of(sum, len), w->m.sha256))
		return 0;
	errno = ENODATA;
	return -1;
}

bool
fit_refuse(struct session *s)
{
	uint64_t length = work_length(s->work);
	struct buf all = BUF_INIT(length + 2 * CONTENT_STEP);
	struct outcome o;

	if ((s->ehlo.offers & EHLO_8BITMIME) != 0 || !has_8bit(s->work))
		return false;
	buf_init(&s->seven, 4 * length + ROOM);
	s->converted = true;
	if (load_content(s->work, &all) == -1)
		mail_broken(s, strerror(errno),
		    errno == ENODATA ? BLAME_CONTENT : BLAME_NONE);
	else if (seven_bit(&s->seven, buf_slice(&all)) == 0) {
		buf_free(&all);
		return false;
	} else {
		outcome_say(&o, STATUS_FAILED, "5.6.3", s->target.text,
		    "the server takes seven bits only (no 8BITMIME), and the "
		    "mail cannot be converted");
		mail_tell_all(s, RCPT_OVER, &o);
	}
	buf_free(&all);
	return true;
}
