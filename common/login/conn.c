#include "common/login/conn.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/tls/stream.h"

/* The client has made a step forward, and has time for the next one. */
static void
set_idle_deadline(struct conn *c)
{
	const struct config *cfg = daemon_config(c->front->daemon);

	c->heard_ms = clock_boot_ms();
	if (c->state == CONN_TALK) {
		TAILQ_REMOVE(&c->front->quiet, c, quiet);
		TAILQ_INSERT_TAIL(&c->front->quiet, c, quiet);
	}
	stream_deadline(c->stream, clock_boot_ms() + cfg->idle_timeout * 1000);
}

void
conn_state(struct conn *c, enum conn_state state)
{
	struct conn_list *quiet = &c->front->quiet;

	if (c->state == CONN_TALK && state != CONN_TALK)
		TAILQ_REMOVE(quiet, c, quiet);
	if (c->state != CONN_TALK && state == CONN_TALK)
		TAILQ_INSERT_TAIL(quiet, c, quiet);
	c->state = state;
	if (state == CONN_TALK)
		set_idle_deadline(c);
}

void
conn_flush(struct conn *c)
{
	struct talk *t = c->talk;

	if (t->out.len > 0)
		(void)stream_write_slice(c->stream, buf_slice(&t->out));
	buf_free(&t->out);
}

static void
greet(struct conn *c)
{
	c->front->protocol->greet(c->talk);
	conn_flush(c);
	set_idle_deadline(c);
}

static void
close_after_output(struct conn *c)
{
	conn_state(c, CONN_CLOSING);
	stream_close_after_output(c->stream);
}

void
conn_end(struct conn *c, enum talk_end why)
{
	/* In the middle of a handshake there are no words. */
	if (!c->secure_port || c->talk->tls) {
		c->front->protocol->end(c->talk, why);
		conn_flush(c);
	}
	close_after_output(c);
}

static void
begin_tls(struct conn *c)
{
	int dropped;

	dropped = c->front->tls == NULL
		      ? -1
		      : stream_starttls_server(c->stream, c->front->tls);
	if (dropped == -1) {
		close_after_output(c);
		return;
	}
	/* Commands injected before the handshake (RFC 2595 §3.1). */
	if (dropped > 0)
		log_warn("event=starttls-discarded service=%s client=%s "
			 "bytes=%d session=%08x",
		    c->front->protocol->name, c->address, dropped, c->id);
	set_idle_deadline(c);
}

void
conn_step(struct conn *c, enum talk_step step)
{
	switch (step) {
	case TALK_READ:
		if (stream_backlog(c->stream) > CONN_BACKLOG)
			stream_pause(c->stream, true);
		return;
	case TALK_AUTH:
		conn_ask_auth(c);
		return;
	case TALK_STARTTLS:
		begin_tls(c);
		return;
	case TALK_CLOSE:
		close_after_output(c);
		return;
	}
}

static void
talk_input(struct conn *c)
{
	struct buf *in = stream_in(c->stream);
	enum talk_step step;
	bool said = false;
	size_t before;

	do {
		before = in->len;
		step = c->front->protocol->input(c->talk, in);
		said = said || c->talk->out.len > 0;
		conn_flush(c);
	} while (step == TALK_READ && in->len < before && in->len > 0 &&
		 stream_backlog(c->stream) <= CONN_BACKLOG);
	/* Bytes that end no command, or are read over, win no time. */
	if (said)
		set_idle_deadline(c);
	conn_step(c, step);
}

static void
on_input(void *arg, struct stream *s)
{
	struct conn *c = arg;

	(void)s;
	if (c->state == CONN_TALK)
		talk_input(c);
	else if (c->state == CONN_PROXY)
		proxy_input(&c->proxy);
	else if (c->state == CONN_ASLEEP)
		conn_wake(c);
}

static void
on_drained(void *arg, struct stream *s)
{
	struct conn *c = arg;

	switch (c->state) {
	case CONN_TALK:
		stream_pause(s, false);
		return;
	case CONN_HANDOVER:
		if (c->chan == NULL)
			conn_hand_over(c);
		return;
	case CONN_PROXY:
		proxy_drained(&c->proxy);
		return;
	case CONN_AUTH:
	case CONN_HELD:
	case CONN_ASLEEP:
	case CONN_WAKING:
	case CONN_CLOSING:
		return;
	}
}

/* TLS is up. */
static void
on_ready(void *arg, struct stream *s)
{
	struct conn *c = arg;
	struct talk *t = c->talk;

	(void)s;
	if (c->state != CONN_TALK)
		return;
	t->tls = true;
	t->can_starttls = false;
	t->can_login = true;
	if (c->secure_port)
		greet(c);
	else
		c->front->protocol->secured(t);
	set_idle_deadline(c);
}

static void
on_ended(void *arg, struct stream *s, enum stream_end why)
{
	struct conn *c = arg;

	if (c->state == CONN_TALK && why == STREAM_TIMEOUT) {
		conn_end(c, END_IDLE);
		return;
	}
	if (c->state == CONN_TALK && why == STREAM_EOF) {
		close_after_output(c);
		return;
	}
	if (c->state == CONN_PROXY && why == STREAM_EOF &&
	    !c->proxy.session_ended) {
		proxy_client_ended(&c->proxy);
		return;
	}
	if (c->state == CONN_WAKING && why == STREAM_EOF) {
		c->sleep->client_ended = true;
		return;
	}
	if (c->state == CONN_ASLEEP) {
		conn_left(c);
		return;
	}
	log_debug("event=closed service=%s client=%s why=%s session=%08x",
	    c->front->protocol->name, c->address, stream_error(s), c->id);
	conn_free(c);
}

static const struct stream_ops ops = {
	.input = on_input,
	.drained = on_drained,
	.ended = on_ended,
	.ready = on_ready,
};

struct talk *
conn_talk_new(const struct conn *c)
{
	const struct front *f = c->front;
	const struct config *cfg = daemon_config(f->daemon);
	struct talk *t = xcalloc(1, f->protocol->size);

	t->hostname = cfg->hostname;
	t->errors_max = (unsigned)cfg->errors_limit;
	t->can_starttls = f->tls != NULL;
	t->can_login =
	    config_networks_have(&cfg->cleartext_networks, c->address);
	buf_init(&t->out, TALK_OUT_MAX);
	return t;
}

static uint32_t
next_id(struct front *f)
{
	do
		f->last_id++;
	while (f->last_id == 0 || map_get_u64(&f->conns, f->last_id) != NULL);
	return f->last_id;
}

struct conn *
conn_new(
    struct front *f, int fd, const struct sockaddr_storage *peer, bool secure)
{
	struct stream *s;
	struct conn *c;
	int on = 1;

	/* Replies are written whole: nothing to wait for. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s = stream_new(daemon_base(f->daemon), fd, TALK_IN_MAX, PROXY_MAX);
	if (s == NULL)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->front = f;
	c->id = next_id(f);
	c->secure_port = secure;
	c->stream = s;
	c->pair = -1;
	c->link = -1;
	c->proxy = (struct proxy)PROXY_INIT;
	client_text(peer, c->address);
	c->client = client_enter(&f->clients, peer);
	c->talk = conn_talk_new(c);
	(void)map_put_u64(&f->conns, c->id, c);
	c->heard_ms = clock_boot_ms();
	TAILQ_INSERT_TAIL(&f->quiet, c, quiet); /* CONN_TALK is 0 */
	stream_ops(s, &ops, c);
	return c;
}

void
conn_begin(struct conn *c)
{
	if (c->secure_port)
		begin_tls(c);
	else
		greet(c);
}

static void
talk_free(struct talk *t)
{
	if (t == NULL)
		return;
	credentials_wipe(&t->who);
	buf_wipe(&t->out);
	free(t);
}

void
conn_free(struct conn *c)
{
	struct front *f = c->front;

	if (c->chan != NULL && c->request != 0)
		ipc_forget(c->chan, c->request);
	front_wait(c, 0);
	conn_sleep_free(c);
	proxy_end(&c->proxy);
	fd_close(c->pair);
	if (c->cut)
		(void)shutdown(stream_fd(c->stream), SHUT_RDWR);
	stream_free(c->stream);
	talk_free(c->talk);
	free(c->user);
	explicit_bzero(c->ticket, sizeof(c->ticket));
	conn_state(c, CONN_CLOSING); /* out of the list */
	client_leave(&f->clients, c->client);
	(void)map_del_u64(&f->conns, c->id);
	free(c);
	front_gone(f);
}
