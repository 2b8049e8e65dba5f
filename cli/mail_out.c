#include "cli/mail_out.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/smtp/data.h"
#include "common/smtp/reply.h"

#define REPLY_S   600
#define INPUT_MAX (SMTP_REPLY_TOTAL_MAX + SMTP_REPLY_LINE_MAX)

struct client {
	int fd;
	struct buf in;
	struct smtp_reply reply;
	struct buf *why; /* the caller's */
};

static void
explain(struct client *c, const char *text)
{
	if (buf_append_str(c->why, text) == -1)
		return; /* less of an explanation */
}

/* "192.0.2.1:25", "[::1]:25" or "*:25" into a connected socket, or -1. */
static int
dial(struct client *c, const char *where)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const struct timeval patience = { .tv_sec = REPLY_S };
	struct addrinfo *found = NULL;
	char host[64];
	const char *colon = strrchr(where, ':');
	struct slice name =
	    slice_of(where, colon == NULL ? 0 : (size_t)(colon - where));

	if (name.len >= 2 && name.p[0] == '[')
		name = slice_sub(name, 1, name.len - 2);
	if (slice_eq(name, SLICE("*")) || slice_eq(name, SLICE("0.0.0.0")))
		name = SLICE("127.0.0.1");
	if (slice_eq(name, SLICE("::")))
		name = SLICE("::1");
	if (colon == NULL || slice_copy(host, sizeof(host), name) == -1 ||
	    getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		explain(c, "cannot use the address of listen-smtp");
		return -1;
	}
	c->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd != -1 &&
	    (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		 sizeof(patience)) == -1 ||
		connect(c->fd, found->ai_addr, found->ai_addrlen) == -1)) {
		explain(c, strerror(errno));
		fd_close(c->fd);
		c->fd = -1;
	}
	freeaddrinfo(found);
	return c->fd == -1 ? -1 : 0;
}

static int
fill(struct client *c)
{
	char *room = buf_reserve(&c->in, 4096);
	ssize_t n = -1;

	if (room != NULL)
		n = recv(c->fd, room, 4096, 0);
	if (n <= 0) {
		explain(c, n == 0 ? "the connection ended" : strerror(errno));
		return -1;
	}
	buf_commit(&c->in, (size_t)n);
	return 0;
}

/* The next reply's code, 0 when there is none any more. */
static unsigned
reply(struct client *c)
{
	smtp_reply_init(&c->reply);
	for (;;) {
		size_t used = 0;
		enum smtp_reply_result r =
		    smtp_reply_take(&c->reply, buf_slice(&c->in), &used);

		buf_consume(&c->in, used);
		if (r == SMTP_REPLY_DONE)
			return c->reply.code;
		if (r == SMTP_REPLY_BAD) {
			explain(c, "that is no SMTP server");
			return 0;
		}
		if (fill(c) == -1)
			return 0;
	}
}

/* Send a line and judge the reply. */
static enum mail_out
ask(struct client *c, const char *line, unsigned wanted)
{
	struct buf b = BUF_INIT(4096);
	unsigned code = 0;

	if (buf_printf(&b, "%s\r\n", line) == -1)
		explain(c, "the address is too long");
	else if (write_all(c->fd, b.data, b.len) == -1)
		explain(c, strerror(errno));
	else
		code = reply(c);
	buf_free(&b);
	if (code == wanted)
		return MAIL_OUT_TAKEN;
	if (code != 0 && buf_printf(c->why, "%u %s", code, c->reply.text) == -1)
		return MAIL_OUT_LATER;
	return code >= 500 ? MAIL_OUT_REFUSED : MAIL_OUT_LATER;
}

static enum mail_out
ask_with(struct client *c, const char *verb, const char *address)
{
	struct buf b = BUF_INIT(4096);
	enum mail_out rc = MAIL_OUT_REFUSED;

	if (buf_printf(&b, "%s:<%s>", verb, address) == 0)
		rc = ask(c, buf_str(&b), 250);
	else
		explain(c, "the address is too long");
	buf_free(&b);
	return rc;
}

static enum mail_out
send_content(struct client *c, const struct buf *content)
{
	struct smtp_stuff stuff = SMTP_STUFF_INIT;
	struct buf out;
	enum mail_out rc = ask(c, "DATA", 354);

	if (rc != MAIL_OUT_TAKEN)
		return rc;
	/* At worst every line is a dot. */
	buf_init(&out, content->len * 2 + 16);
	rc = MAIL_OUT_LATER;
	if (smtp_stuff_put(&stuff, buf_slice(content), &out) == -1 ||
	    smtp_stuff_end(&stuff, &out) == -1 ||
	    write_all(c->fd, out.data, out.len) == -1) {
		explain(c, strerror(errno));
	} else if (reply(c) == 250) {
		rc = MAIL_OUT_TAKEN;
	} else {
		explain(c, c->reply.text);
		if (c->reply.code >= 500)
			rc = MAIL_OUT_REFUSED;
	}
	buf_free(&out);
	return rc;
}

static enum mail_out
converse(struct client *c, const struct mail_in *m, const char *sender)
{
	enum mail_out rc;

	if (reply(c) != 220)
		return MAIL_OUT_LATER;
	rc = ask(c, "EHLO localhost", 250);
	if (rc == MAIL_OUT_TAKEN)
		rc = ask_with(c, "MAIL FROM", sender);
	for (size_t i = 0; rc == MAIL_OUT_TAKEN && i < m->count; i++)
		rc = ask_with(c, "RCPT TO", m->rcpts[i]);
	if (rc == MAIL_OUT_TAKEN)
		rc = send_content(c, &m->content);
	if (rc == MAIL_OUT_TAKEN && write_all(c->fd, "QUIT\r\n", 6) == -1)
		return rc; /* it has the mail; manners do not matter */
	return rc;
}

enum mail_out
mail_out_send(const struct mail_in *m, const char *where, const char *sender,
    struct buf *why)
{
	struct client c = { .fd = -1, .in = BUF_INIT(INPUT_MAX), .why = why };
	enum mail_out rc = MAIL_OUT_LATER;

	if (dial(&c, where) == 0)
		rc = converse(&c, m, sender);
	fd_close(c.fd);
	buf_free(&c.in);
	return rc;
}
