/* Content made such that a server without 8BITMIME takes it. */
#include <errno.h>
#include <string.h>

#include "common/base/utf8.h"
#include "relay/session_state.h"
#include "relay/seven.h"

#define CONTENT_STEP ((size_t)32 * 1024)
#define ROOM         ((size_t)64 * 1024) /* for fields that are added */
#define GROWTH       4                   /* "=C3" for a byte, and line ends */

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

/* All conversions of this process share a ceiling; one alone may exceed it. */
static bool
reserve(struct session *s, uint64_t n)
{
	uint64_t *all = s->settings->converting;

	if (*all > 0 && *all + n > CONVERTING_MAX)
		return false;
	*all += n;
	s->converting = n;
	return true;
}

static void
refuse(struct session *s, uint8_t status, const char *enhanced, const char *why)
{
	struct outcome o;

	outcome_say(&o, status, enhanced, s->target.text, "%s", why);
	mail_tell_all(s, RCPT_OVER, &o);
}

/* 0, or -1 when everybody was told why not. */
static int
convert(struct session *s, struct buf *all)
{
	s->converted = true;
	if (load_content(s->work, all) == -1) {
		mail_broken(s, strerror(errno),
		    errno == ENODATA ? BLAME_CONTENT : BLAME_NONE);
		return -1;
	}
	if (seven_bit(&s->seven, buf_slice(all)) == 0)
		return 0;
	refuse(s, STATUS_FAILED, "5.6.3",
	    "the server takes seven bits only (no 8BITMIME), and the mail "
	    "cannot be converted");
	return -1;
}

bool
fit_refuse(struct session *s)
{
	uint64_t length = work_length(s->work);
	struct buf all = BUF_INIT(length + 2 * CONTENT_STEP);
	int rc;

	if ((s->ehlo.offers & EHLO_8BITMIME) != 0 || !has_8bit(s->work))
		return false;
	if (!reserve(s, (1 + GROWTH) * length + ROOM)) {
		refuse(s, STATUS_DEFERRED, "4.3.1",
		    "too many mails are being converted to seven bits");
		return true;
	}
	buf_init(&s->seven, GROWTH * length + ROOM);
	rc = convert(s, &all);
	buf_free(&all);
	return rc == -1;
}
