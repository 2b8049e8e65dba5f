#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/login/linger.h"
#include "pop3d/session.h"

/* Wait until the client can be read or written; sets end otherwise. */
static bool
wait_for(struct pop3_session *s, short what)
{
	struct pollfd p[2] = {
		{ .fd = s->login->fd, .events = what },
		{ .fd = s->login->alive, .events = POLLIN },
	};
	int rc;

	do
		rc = poll(p, 2, (int)s->timeout_ms);
	while (rc == -1 && errno == EINTR);
	if (rc == 0)
		s->end = POP3_IDLE;
	else if (rc == -1)
		s->end = POP3_EOF;
	else if (p[1].revents != 0)
		s->end = POP3_STOPPED;
	return s->end == POP3_GOES_ON;
}

/* What has ended for the client needs no more words. */
static bool
can_talk(const struct pop3_session *s)
{
	return s->end != POP3_EOF && s->end != POP3_IDLE;
}

void
pop3_flush(struct pop3_session *s)
{
	enum pop3_end end = s->end;
	ssize_t n;

	while (s->out.len > 0 && can_talk(s)) {
		n = send(s->login->fd, s->out.data, s->out.len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			s->sent += (uint64_t)n;
			buf_consume(&s->out, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN) {
			s->end = POP3_EOF;
			break;
		}
		s->end = POP3_GOES_ON;
		if (!wait_for(s, POLLOUT))
			break;
		s->end = end;
	}
	buf_truncate(&s->out, 0);
}

static void
said(struct pop3_session *s, int rc)
{
	if (rc == -1)
		s->end = POP3_FAILED;
	else if (s->out.len >= POP3_OUT_HIGH)
		pop3_flush(s);
}

void
pop3_say(struct pop3_session *s, const char *text)
{
	said(s, buf_append_str(&s->out, text));
}

void
pop3_say_slice(struct pop3_session *s, struct slice text)
{
	said(s, buf_append_slice(&s->out, text));
}

void
pop3_say_number(struct pop3_session *s, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	said(s, buf_append(&s->out, digits + at, sizeof(digits) - at));
}

void
pop3_printf(struct pop3_session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	said(s, buf_vprintf(&s->out, fmt, ap));
	va_end(ap);
}

void
pop3_fill(struct pop3_session *s)
{
	size_t room = s->in.max - s->in.len;
	char *to = buf_reserve(&s->in, room);
	ssize_t n;

	if (to == NULL) {
		s->end = POP3_FAILED;
		return;
	}
	if (!wait_for(s, POLLIN))
		return;
	do
		n = recv(s->login->fd, to, room, 0);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		s->end = POP3_EOF;
	else
		buf_commit(&s->in, (size_t)n);
}

bool
pop3_wanted(void *ctx)
{
	struct pop3_session *s = ctx;
	struct pollfd p[2] = {
		{ .fd = s->end == POP3_QUIT ? -1 : s->login->fd,
		    .events = POLLRDHUP },
		{ .fd = s->login->alive, .events = POLLIN },
	};

	if (poll(p, 2, 0) <= 0)
		return true;
	s->end = p[1].revents != 0 ? POP3_STOPPED : POP3_EOF;
	return false;
}

void
pop3_linger(struct pop3_session *s)
{
	if (can_talk(s))
		linger(s->login->fd, s->login->alive);
}
