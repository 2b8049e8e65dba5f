#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "pop3d/content.h"
#include "pop3d/session.h"
#include "store/mailbox.h"

struct reading {
	int fd;
	uint64_t size; /* of the file */
	uint64_t at;   /* read so far */
	size_t have;   /* bytes in s->content */
};

static int
read_chunk(struct pop3_session *s, struct reading *r)
{
	uint64_t left = r->size - r->at;
	ssize_t n;

	do
		n = read(r->fd, s->content,
		    (size_t)MIN(left, (uint64_t)POP3_CONTENT));
	while (n == -1 && errno == EINTR);
	if (n == 0 && left > 0)
		errno = ENODATA;
	if (n == -1 || (n == 0 && left > 0))
		return -1;
	r->have = (size_t)n;
	r->at += (uint64_t)n;
	return 0;
}

/*
 * Octets the client will get, the stuffing not counted: those of the file,
 * and a CRLF where its last line has none.
 */
static int
whole_size(
    const struct pop3_session *s, const struct reading *r, uint64_t *size)
{
	char end[2] = "";

	*size = r->size;
	if (r->size < 2) {
		*size += r->size == 0 ? 0U : 2U;
		return 0;
	}
	if (r->have == r->size)
		memcpy(end, s->content + r->size - 2, 2);
	else if (pread_all(r->fd, end, 2, (off_t)(r->size - 2)) == -1)
		return -1;
	if (end[0] != '\r' || end[1] != '\n')
		*size += 2;
	return 0;
}

static void
send_body(struct pop3_session *s, struct reading *r, uint64_t lines)
{
	struct stuffing st = STUFFING_INIT;
	struct top top = TOP_INIT(lines);
	int rc = 0;

	while (rc == 0 && r->have > 0 && s->end == POP3_GOES_ON) {
		struct slice chunk = slice_of(s->content, r->have);

		if (lines != UINT64_MAX)
			chunk = slice_sub(chunk, 0, top_take(&top, chunk));
		rc = stuffing_feed(&st, chunk, &s->out);
		if (s->out.len >= POP3_OUT_HIGH)
			pop3_flush(s);
		if (top.done || rc == -1)
			break;
		rc = read_chunk(s, r);
	}
	if (rc == 0)
		rc = stuffing_end(&st, &s->out);
	if (rc == 0)
		return;
	/* Half a message cannot be taken back: only the end is honest. */
	log_error("event=content-failed user=%s error=%s session=%08x",
	    s->login->user, strerror(errno), s->login->number);
	s->end = POP3_EOF;
}

void
pop3_content_send(struct pop3_session *s, uint32_t msg, uint64_t lines)
{
	struct reading r = { .fd = -1 };
	struct message m;
	uint64_t size;

	if (s->content == NULL)
		s->content = xcalloc(POP3_CONTENT, 1);
	if (mailbox_message(s->box, msg, &m) == 0)
		r.fd = mailbox_content(s->box, m.uid, &r.size);
	if (r.fd == -1 || read_chunk(s, &r) == -1 ||
	    whole_size(s, &r, &size) == -1) {
		/* no fault of the client's: pop3_command_bad() is for those */
		pop3_say(s, errno == ENOENT
				? "-ERR That message is gone\r\n"
				: "-ERR [SYS/TEMP] Cannot read it\r\n");
		fd_close(r.fd);
		return;
	}
	if (lines == UINT64_MAX) {
		pop3_say(s, "+OK ");
		pop3_say_number(s, size);
		pop3_say(s, " octets\r\n");
	} else {
		pop3_say(s, "+OK Top follows\r\n");
	}
	send_body(s, &r, lines);
	fd_close(r.fd);
	if ((m.flags & MESSAGE_SEEN) == 0 && lines == UINT64_MAX)
		maildrop_bit_set(s->retrieved, msg);
	s->retrieved_count++;
}
