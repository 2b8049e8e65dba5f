#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mime/imap.h"
#include "imapd/session_state.h"
#include "store/name.h"

/* How long a client may refuse to take what it asked for. */
#define SEND_WAIT_MS 300000

void
out_grow(struct session *s, const void *p, size_t n)
{
	if (!s->gone && buf_append(&s->out, p, n) == -1)
		s->gone = true;
}

void
out_number(struct session *s, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	out_bytes(s, digits + at, sizeof(digits) - at);
}

void
out_format(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!s->gone && buf_vprintf(&s->out, fmt, ap) == -1)
		s->gone = true;
	va_end(ap);
}

void
out_string(struct session *s, struct slice text)
{
	if (!s->gone && mime_imap_string(&s->out, text) == -1)
		s->gone = true;
}

void
out_astring(struct session *s, struct slice text)
{
	if (!s->gone && mime_imap_astring(&s->out, text) == -1)
		s->gone = true;
}

void
out_mailbox(struct session *s, struct slice name)
{
	struct buf wire = BUF_INIT(NAME_MAX_BYTES * 4);

	if (name_to_utf7(name, &wire) == -1)
		s->gone = true;
	else
		out_astring(s, buf_slice(&wire));
	buf_free(&wire);
}

char *
out_reserve(struct session *s, size_t n)
{
	char *room = s->gone ? NULL : buf_reserve(&s->out, n);

	if (room == NULL)
		s->gone = true;
	return room;
}

void
out_commit(struct session *s, size_t n)
{
	if (!s->gone)
		buf_commit(&s->out, n);
}

/* Wait until the client takes more; meanwhile the account's work is done. */
static bool
wait_writable(struct session *s)
{
	int alive = s->start->alive > 0 ? s->start->alive : -1;
	struct pollfd pfd[2] = { { .fd = s->fd, .events = POLLOUT },
		{ .fd = alive, .events = POLLIN } };
	int64_t end = clock_boot_ms() + SEND_WAIT_MS;
	int64_t left = SEND_WAIT_MS;
	int rc;

	do {
		session_work(s);
		rc = poll(pfd, 2, (int)session_work_due(s, left));
		if (rc > 0)
			return pfd[0].revents != 0;
		left = MAX(end - clock_boot_ms(), 0);
	} while (left > 0 && (rc == 0 || errno == EINTR));
	return false;
}

void
out_flush(struct session *s)
{
	while (!s->gone && s->out.len > 0) {
		ssize_t n = send(s->fd, s->out.data, s->out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			s->sent += (uint64_t)n;
			buf_consume(&s->out, (size_t)n);
			continue;
		}
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0 || errno != EAGAIN || !wait_writable(s))
			s->gone = true;
	}
	if (s->gone)
		buf_truncate(&s->out, 0);
	else
		session_work(s);
}

void
out_batch(struct session *s)
{
	if (s->out.len >= OUT_BATCH)
		out_flush(s);
}

static void
answer(struct session *s, const char *state, const char *code, const char *text)
{
	s->answered = true;
	out_str(s, s->tag);
	out_bytes(s, " ", 1);
	out_str(s, state);
	if (code != NULL) {
		out_bytes(s, "[", 1);
		out_str(s, code);
		out_bytes(s, "] ", 2);
	}
	out_str(s, text);
	out_bytes(s, "\r\n", 2);
}

static void
tell_first(struct session *s)
{
	if (s->tell != TELL_NOTHING)
		session_tell(s, s->tell == TELL_ALL);
}

void
answer_ok(struct session *s, const char *code, const char *text)
{
	s->errors = 0;
	tell_first(s);
	answer(s, "OK ", code, text);
}

void
answer_no(struct session *s, const char *code, const char *text)
{
	s->errors = 0;
	tell_first(s);
	answer(s, "NO ", code, text);
}

void
say_bye(struct session *s, const char *text)
{
	if (s->ended)
		return;
	out_format(s, "* BYE %s\r\n", text);
	s->ended = true;
}

void
answer_bad(struct session *s, const char *text)
{
	s->errors++;
	if (s->tag[0] == '\0')
		memcpy(s->tag, "*", 2);
	answer(s, "BAD ", NULL, text);
	if (s->errors >= s->start->errors_max) {
		log_info(
		    "event=too-many-errors session=%08x", s->start->number);
		say_bye(s, "Too many bad commands");
	}
}

/* RFC 5530, and what store/account.h says its errors mean. */
struct error_code {
	int error;
	const char *code;
	const char *text;
};

/* clang-format off */
static const struct error_code error_codes[] = {
	{ EEXIST,       "ALREADYEXISTS", "There is such a mailbox already" },
	{ EINVAL,       "CANNOT",        "That can never be" },
	{ ENAMETOOLONG, "LIMIT",         "Name too long" },
	{ EOVERFLOW,    "LIMIT",         "Too many" },
	{ EPERM,        "CANNOT",        "Not allowed" },
	{ EBUSY,        "INUSE",         "Somebody else is at it" },
	{ EROFS,        "READ-ONLY",     "Opened read-only" },
	{ ENOSPC,       "OVERQUOTA",     "No room" },
	{ EDQUOT,       "OVERQUOTA",     "No room" },
};
/* clang-format on */

void
answer_errno(struct session *s, const char *missing)
{
	int error = errno;

	if (error == ECANCELED) {
		s->answered = true;
		say_bye(s, "[UNAVAILABLE] Shutting down");
		return;
	}
	if (error == ENOENT) {
		answer_no(s, missing, "No such mailbox");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(error_codes); i++)
		if (error_codes[i].error == error) {
			answer_no(s, error_codes[i].code, error_codes[i].text);
			return;
		}
	log_error("event=store-failed session=%08x error=%s", s->start->number,
	    strerror(error));
	if (error == EUCLEAN || error == ESTALE) {
		s->damaged = true;
		say_bye(s, "Mailbox must be opened again, please reconnect");
	}
	answer_no(s, "UNAVAILABLE", "Not now, please try later");
}

void
answer_unread(struct session *s, int error)
{
	if (error == ENOENT) {
		/* RFC 2180 §4.1.3, RFC 5530 */
		answer_no(
		    s, "EXPUNGEISSUED", "Some messages are not there any more");
	} else if (error == EBUSY || error == ECANCELED) {
		errno = error;
		answer_errno(s, NULL);
	} else
		answer_no(s, "SERVERBUG", "Some messages cannot be read");
}
