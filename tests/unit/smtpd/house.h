#ifndef TESTS_UNIT_SMTPD_HOUSE_H
#define TESTS_UNIT_SMTPD_HOUSE_H

/*
 * A session in a house of its own: the client at one end of a pair, and
 * router, queue, auth and resolver played by this file at the ends of
 * channels. Conversations are written as transcripts:
 *
 *	C: a line the client sends (CRLF is added)
 *	P: a line that goes out in one piece with the next C: line
 *	S: 250 2.1.0		what the next reply begins with
 *	S: closed		the connection ends
 *	-: nothing comes now
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "common/tls/ctx.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

struct house {
	struct event_base *base;
	struct smtpd smtpd;
	struct config *config;

	/* Their ends of the channels. */
	struct ipc_chan *router;
	struct ipc_chan *queue;
	struct ipc_chan *auth;
	struct ipc_chan *resolver;

	/* The client. */
	int fd;
	struct buf got;
	bool closed;

	/* router */
	bool router_silent;
	uint32_t held[4096]; /* requests of recipients hold@… */
	size_t held_count;
	unsigned verdicts;

	/* queue: what it was given last */
	unsigned submits;
	uint32_t submit_requests[16];
	bool queue_silent;
	unsigned queue_code; /* 0: 250 */
	struct buf content;
	struct buf rcpts;
	char token[16];
	char sender[1100];
	char envid[200];
	char user[400];
	unsigned flags;
	unsigned ret;
	unsigned source;
	uint64_t length;
	uint64_t large;
	char sha256[32];
	int file;
	unsigned large_asks;
	uint32_t large_request;
	bool large_silent;
	unsigned large_drops;
	unsigned large_code; /* 0: 250 */

	unsigned logins;
	bool auth_silent;
};

/* -- the others --------------------------------------------------------- */

static inline void
house_verdict(struct ipc_chan *c, uint32_t request, unsigned code,
    const char *enhanced, const char *text)
{
	const struct ipc_verdict m = { .code = (uint16_t)code,
		.enhanced = slice_str(enhanced),
		.text = slice_str(text) };

	assert_int_equal(ipc_send_msg(c, verdict, IPC_REPLY, request, &m), 0);
}

static inline void
house_on_verdict(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;
	struct ipc_verdict_ask m;
	struct slice who;

	assert_int_equal(ipc_verdict_ask_decode(&m, f->payload), 0);
	h->verdicts++;
	if (h->router_silent)
		return;
	who = m.stage == STAGE_MAIL ? m.sender : m.recipient;
	if (slice_istarts(who, SLICE("hold@")))
		h->held[h->held_count++] = f->request;
	else if (slice_istarts(who, SLICE("nobody@")))
		house_verdict(c, f->request, 550, "5.1.1", "No such user");
	else if (slice_istarts(who, SLICE("later@")))
		house_verdict(c, f->request, 451, "4.3.0", "Table broken");
	else if (slice_istarts(who, SLICE("away@")))
		house_verdict(c, f->request, 421, "4.7.0", "Go away");
	else if (memmem(who.p, who.len, "elsewhere", 9) != NULL &&
		 m.stage == STAGE_RCPT && m.user.len == 0)
		house_verdict(c, f->request, 554, "5.7.1", "Relay denied");
	else
		house_verdict(c, f->request, 250, "2.1.0", "Ok");
}

static inline void
house_submitted(struct house *h, struct ipc_chan *c, uint32_t request)
{
	struct ipc_submitted m = { .code = 250, .id = SLICE("Q123") };

	if (h->queue_silent)
		return;
	if (h->queue_code != 0)
		m = (struct ipc_submitted){ .code = (uint16_t)h->queue_code,
			.enhanced = SLICE("4.3.1"),
			.text = SLICE("Disk full") };
	assert_int_equal(ipc_send_msg(c, submitted, IPC_REPLY, request, &m), 0);
}

static inline void
house_copy(char *dst, size_t cap, struct slice s)
{
	assert_int_equal(slice_copy(dst, cap, s), 0);
}

static inline void
house_on_submit(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;
	struct ipc_submit m;

	assert_int_equal(ipc_submit_decode(&m, f->payload), 0);
	h->submit_requests[h->submits % 16] = f->request;
	h->submits++;
	buf_free(&h->content);
	buf_free(&h->rcpts);
	assert_int_equal(m.token.len, sizeof(h->token));
	memcpy(h->token, m.token.p, sizeof(h->token));
	house_copy(h->sender, sizeof(h->sender), m.sender);
	house_copy(h->envid, sizeof(h->envid), m.envid);
	house_copy(h->user, sizeof(h->user), m.user);
	h->flags = m.flags;
	h->ret = m.ret;
	h->source = m.source;
	h->length = m.length;
	h->large = m.large;
	if (m.large != 0) {
		assert_int_equal(m.sha256.len, 32);
		memcpy(h->sha256, m.sha256.p, 32);
	}
	assert_int_equal(buf_append_slice(&h->content, m.content), 0);
	assert_int_equal(buf_append_slice(&h->rcpts, m.recipients), 0);
	if ((f->flags & IPC_MORE) == 0)
		house_submitted(h, c, f->request);
}

static inline void
house_on_more(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;
	struct ipc_submit_more m;

	assert_int_equal(ipc_submit_more_decode(&m, f->payload), 0);
	assert_int_equal(buf_append_slice(&h->content, m.content), 0);
	assert_int_equal(buf_append_slice(&h->rcpts, m.recipients), 0);
	if ((f->flags & IPC_MORE) == 0)
		house_submitted(h, c, f->request);
}

static inline void
house_on_large(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;
	struct ipc_large_file m = { .code = 250, .large = 77 };
	int fd;

	h->large_asks++;
	h->large_request = f->request;
	if (h->large_silent)
		return;
	if (h->large_code != 0) {
		m = (struct ipc_large_file){ .code = (uint16_t)h->large_code,
			.enhanced = SLICE("4.3.1"),
			.text = SLICE("No room") };
		assert_int_equal(
		    ipc_send_msg(c, large_file, IPC_REPLY, f->request, &m), 0);
		return;
	}
	fd_close(h->file);
	h->file = memfd_create("large", MFD_CLOEXEC);
	fd = dup(h->file);
	assert_true(h->file >= 0 && fd >= 0);
	assert_int_equal(
	    ipc_send_msg_fd(c, large_file, IPC_REPLY, f->request, &m, fd), 0);
}

static inline void
house_on_drop(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;

	(void)c;
	(void)f;
	h->large_drops++;
}

static inline void
house_on_auth(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;
	struct ipc_auth_ask m;
	struct ipc_auth_answer a = { .status = AUTH_BAD };

	assert_int_equal(ipc_auth_ask_decode(&m, f->payload), 0);
	h->logins++;
	if (h->auth_silent)
		return;
	a.session = m.session;
	if (slice_eq(m.user, SLICE("pip@example.test")) &&
	    slice_eq(m.secret, SLICE("secret")) && m.authzid.len == 0) {
		a.status = AUTH_OK;
		a.user = SLICE("pip@example.test");
	}
	assert_int_equal(
	    ipc_send_msg(c, auth_answer, IPC_REPLY, f->request, &a), 0);
}

static inline void
house_on_resolve(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_resolve_ask m;
	struct ipc_dns_record r = { .data = SLICE("client.example") };
	struct ipc_resolved a = { .status = DNS_OK };
	struct buf b = BUF_INIT(1000);

	(void)arg;
	assert_int_equal(ipc_resolve_ask_decode(&m, f->payload), 0);
	if (m.type == DNS_A)
		r.data = slice_of("\xc0\x00\x02\x01", 4);
	assert_int_equal(ipc_dns_record_put(&r, &b), 0);
	a.records = buf_slice(&b);
	assert_int_equal(
	    ipc_send_msg(c, resolved, IPC_REPLY, f->request, &a), 0);
	buf_free(&b);
}

/* -- channels ----------------------------------------------------------- */

static inline void
house_on_intake(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct house *h = arg;

	(void)c;
	smtpd_intake_state(&h->smtpd, f);
}

static inline void
house_on_lost(void *arg, struct ipc_chan *c)
{
	struct house *h = arg;

	smtpd_peer_down(&h->smtpd, c);
}

/* A pair to that daemon; returns its end. */
static inline struct ipc_chan *
house_connect(struct house *h, enum proc peer, const struct ipc_ops *theirs)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_INTAKE_STATE, house_on_intake }, { 0, NULL }
	};
	static const struct ipc_ops ours = { .handlers = handlers,
		.closed = house_on_lost };
	enum proc self = h->smtpd.submission ? PROC_SUBMISSION : PROC_SMTPD;
	struct ipc_chan *c;
	struct ipc_chan *t;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	c = ipc_chan_new(h->base, fds[0], self, peer, 0);
	t = ipc_chan_new(h->base, fds[1], peer, self, 0);
	ipc_chan_ops(c, &ours, h);
	ipc_chan_ops(t, theirs, h);
	smtpd_peer_up(&h->smtpd, c);
	return t;
}

static inline void
house_connect_router(struct house *h)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_VERDICT_ASK, house_on_verdict }, { 0, NULL }
	};
	static const struct ipc_ops o = { .handlers = handlers };

	h->router = house_connect(h, PROC_ROUTER, &o);
}

static inline void
house_connect_queue(struct house *h)
{
	static const struct ipc_handler handlers[] = { { IPC_SUBMIT,
							   house_on_submit },
		{ IPC_SUBMIT_MORE, house_on_more },
		{ IPC_LARGE_ASK, house_on_large },
		{ IPC_LARGE_DROP, house_on_drop }, { 0, NULL } };
	static const struct ipc_ops o = { .handlers = handlers };

	h->queue = house_connect(h, PROC_QUEUE, &o);
}

static inline void
house_connect_auth(struct house *h)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_AUTH_ASK, house_on_auth }, { 0, NULL }
	};
	static const struct ipc_ops o = { .handlers = handlers };

	h->auth = house_connect(h, PROC_AUTH, &o);
}

static inline void
house_connect_resolver(struct house *h)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_RESOLVE_ASK, house_on_resolve }, { 0, NULL }
	};
	static const struct ipc_ops o = { .handlers = handlers };

	h->resolver = house_connect(h, PROC_RESOLVER, &o);
}

/* -- the client --------------------------------------------------------- */

static inline void
house_turn(struct house *h)
{
	for (int i = 0; i < 30; i++)
		(void)event_base_loop(h->base, EVLOOP_NONBLOCK);
}

/* A new client from this address. */
static inline void
house_client(
    struct house *h, const char *address, enum session_kind kind, bool early)
{
	struct sockaddr_storage peer = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&peer;
	int fds[2];

	in->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
	assert_int_equal(
	    socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
	    0);
	fd_close(h->fd);
	buf_free(&h->got);
	h->closed = false;
	h->fd = fds[1];
	assert_non_null(session_new(&h->smtpd, fds[0], &peer, kind, early));
}

static inline struct house *
house_new(bool submission, const char *settings)
{
	struct house *h = calloc(1, sizeof(*h));
	struct buf problems = BUF_INIT(65536);
	struct buf text = BUF_INIT(65536);

	assert_non_null(h);
	log_level(LOG_FAIL);
	h->base = event_base_new();
	assert_non_null(h->base);
	assert_int_equal(
	    buf_printf(&text,
		"hostname = mail.example.test\ndomains = {example.test}\n%s",
		settings),
	    0);
	h->config = config_parse(buf_slice(&text), &problems);
	if (h->config == NULL)
		fail_msg("%s", buf_str(&problems));
	buf_free(&text);
	buf_free(&problems);
	h->fd = -1;
	h->file = -1;
	buf_init(&h->got, 16 << 20);
	buf_init(&h->content, 64 << 20);
	buf_init(&h->rcpts, 64 << 20);
	h->smtpd.base = h->base;
	h->smtpd.config = h->config;
	h->smtpd.submission = submission;
	smtpd_init(&h->smtpd);
	house_connect_router(h);
	house_connect_queue(h);
	if (submission)
		house_connect_auth(h);
	house_client(h, "127.0.0.1",
	    submission ? SESSION_SUBMISSION : SESSION_SMTP, false);
	return h;
}

static inline void
house_free(struct house *h)
{
	fd_close(h->fd);
	fd_close(h->file);
	smtpd_free(&h->smtpd);
	ipc_chan_close(h->smtpd.router);
	ipc_chan_close(h->smtpd.queue);
	ipc_chan_close(h->smtpd.auth);
	ipc_chan_close(h->smtpd.resolver);
	house_turn(h);
	/* Their ends have seen the end and freed themselves. */
	config_free(h->config);
	buf_free(&h->got);
	buf_free(&h->content);
	buf_free(&h->rcpts);
	event_base_free(h->base);
	free(h);
}

static inline void
house_read(struct house *h)
{
	char chunk[65536];
	ssize_t k;

	house_turn(h);
	while ((k = recv(h->fd, chunk, sizeof(chunk), 0)) > 0) {
		assert_int_equal(buf_append(&h->got, chunk, (size_t)k), 0);
		house_turn(h);
	}
	if (k == 0 || (k == -1 && errno != EAGAIN))
		h->closed = true;
}

static inline void
house_send(struct house *h, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(h->fd, p, n, MSG_NOSIGNAL);

		if (k > 0) {
			p += k;
			n -= (size_t)k;
		} else if (k == -1 && errno != EAGAIN) {
			return; /* closed: the transcript will tell */
		} else {
			house_read(h); /* it may be waiting for us */
		}
		house_turn(h);
	}
}

/* The next reply, all its lines; "" when there is none. */
static inline const char *
house_reply(struct house *h, char *dst, size_t cap)
{
	size_t n = 0;

	house_read(h);
	dst[0] = '\0';
	for (;;) {
		const char *end = h->got.len == 0 ? NULL
						  : memmem(h->got.data,
							h->got.len, "\r\n", 2);
		size_t len;
		bool last;

		if (end == NULL)
			return dst;
		len = (size_t)(end - h->got.data) + 2;
		last = len < 6 || h->got.data[3] != '-';
		assert_true(n + len < cap);
		memcpy(dst + n, h->got.data, len);
		n += len;
		dst[n] = '\0';
		buf_consume(&h->got, len);
		if (last)
			return dst;
	}
}

static inline void
house_expect(struct house *h, const char *want, size_t len, const char *where)
{
	char reply[8192];

	if (len == 6 && memcmp(want, "closed", 6) == 0) {
		house_read(h);
		if (!h->closed || h->got.len > 0)
			fail_msg("not closed, got %s, at: %s", buf_str(&h->got),
			    where);
		return;
	}
	(void)house_reply(h, reply, sizeof(reply));
	if (strncmp(reply, want, len) != 0)
		fail_msg("wanted %.*s, got %s, at: %.200s", (int)len, want,
		    reply[0] == '\0' ? "nothing" : reply, where);
}

static inline void
play(struct house *h, const char *transcript)
{
	struct buf out = BUF_INIT(1 << 20);
	const char *end;

	for (const char *at = transcript; *at != '\0'; at = end + 1) {
		size_t len;

		end = strchr(at, '\n');
		assert_non_null(end);
		len = (size_t)(end - at);
		assert_true(len >= 2 && at[1] == ':');
		len = len < 3 ? 0 : len - 3;
		switch (at[0]) {
		case 'C':
		case 'P':
			assert_int_equal(buf_append(&out, at + 3, len), 0);
			assert_int_equal(buf_append_str(&out, "\r\n"), 0);
			if (at[0] == 'C') {
				house_send(h, out.data, out.len);
				buf_free(&out);
			}
			break;
		case 'S':
			house_expect(h, at + 3, len, at);
			break;
		case '-':
			house_read(h);
			if (h->got.len > 0 || h->closed)
				fail_msg("came too early: %s, at: %.200s",
				    buf_str(&h->got), at);
			break;
		default:
			fail_msg("bad transcript: %s", at);
		}
	}
	buf_free(&out);
}

/* Two commands every mail begins with. */
#define HELLO                                                                  \
	"S: 220 mail.example.test ESMTP\n"                                     \
	"C: EHLO client.example\n"                                             \
	"S: 250-mail.example.test\n"
#define ENVELOPE                                                               \
	"C: MAIL FROM:<a@b.example>\n"                                         \
	"S: 250 2.1.0\n"                                                       \
	"C: RCPT TO:<pip@example.test>\n"                                      \
	"S: 250 2.1.5\n"

#endif
