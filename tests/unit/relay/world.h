#ifndef TESTS_UNIT_RELAY_WORLD_H
#define TESTS_UNIT_RELAY_WORLD_H

/*
 * A world around a delivery: scripted mail servers on loopback, a scripted
 * resolver at the end of a real channel, and a note of every result. All
 * of it runs on one event loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "common/tls/ctx.h"
#include "common/tls/stream.h"
#include "relay/delivery.h"
#include "relay/pool.h"
#include "relay/settings.h"
#include "tests/unit/cmocka.h"

#define SERVERS_MAX 4
#define NAMES_MAX   16
#define MAILS_MAX   16
#define RESULTS_MAX 400

/* -- a mail server ----------------------------------------------------------
 */

struct server;

/* What a client of ours has with it. */
struct client {
	struct server *server;
	struct stream *s;
	bool data;
	bool closed; /* it says nothing more */
	unsigned rcpts;
	struct buf content;
};

/*
 * The reply to a line (without CRLF; "" is the greeting, "." the end of
 * data), with its CRLF; NULL: close. Starts with 354 to take content.
 */
typedef const char *script(struct client *c, const char *line);

struct server {
	struct event_base *base;
	struct event *accept;
	int fd;
	uint16_t port;
	script *script;
	struct tls_ctx *tls;
	unsigned connections;
	unsigned quits;
	struct buf lines; /* all commands, '\n' between */
	char *mails[MAILS_MAX];
	size_t mail_count;
	struct client *clients[64];
	size_t client_count;
};

static inline const char *
polite(struct client *c, const char *line)
{
	if (*line == '\0')
		return "220 fake ESMTP\r\n";
	if (strncmp(line, "EHLO", 4) == 0)
		return "250-fake\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
		       "250-DSN\r\n250 SIZE 100000\r\n";
	if (strcmp(line, "DATA") == 0)
		return c->rcpts > 0 ? "354 go\r\n" : "503 no\r\n";
	if (strncmp(line, "RCPT", 4) == 0)
		c->rcpts++;
	if (strncmp(line, "MAIL", 4) == 0 || strcmp(line, "RSET") == 0)
		c->rcpts = 0;
	if (strcmp(line, ".") == 0)
		return "250 2.0.0 taken\r\n";
	if (strcmp(line, "QUIT") == 0)
		return "221 bye\r\n";
	return "250 ok\r\n";
}

static inline void
client_answer(struct client *c, const char *line)
{
	const char *reply = c->server->script(c, line);

	if (reply == NULL) {
		c->closed = true;
		stream_close_after_output(c->s);
		return;
	}
	(void)stream_write(c->s, reply, strlen(reply));
	c->data = strncmp(reply, "354", 3) == 0;
	if (strcmp(line, "STARTTLS") == 0 && strncmp(reply, "220", 3) == 0 &&
	    c->server->tls != NULL)
		assert_int_not_equal(
		    stream_starttls_server(c->s, c->server->tls), -1);
	if (strcmp(line, "QUIT") == 0) {
		c->server->quits++;
		stream_close_after_output(c->s);
	}
}

static inline void
client_content(struct client *c)
{
	struct server *v = c->server;
	size_t len;

	c->data = false;
	assert_true(v->mail_count < MAILS_MAX);
	v->mails[v->mail_count++] = buf_take(&c->content, &len);
	client_answer(c, ".");
}

static inline void
client_line(struct client *c, const char *line)
{
	if (!c->data) {
		assert_int_equal(buf_append_str(&c->server->lines, line), 0);
		assert_int_equal(buf_append_byte(&c->server->lines, '\n'), 0);
		client_answer(c, line);
		return;
	}
	if (strcmp(line, ".") == 0) {
		if (c->content.len == 0)
			assert_int_equal(buf_append_str(&c->content, ""), 0);
		client_content(c);
		return;
	}
	assert_int_equal(
	    buf_append_str(&c->content, line + (line[0] == '.')), 0);
	assert_int_equal(buf_append_str(&c->content, "\r\n"), 0);
}

static inline void
client_input(void *arg, struct stream *s)
{
	struct client *c = arg;
	struct buf *in = stream_in(s);

	for (;;) {
		char *end =
		    in->len == 0 ? NULL : memmem(in->data, in->len, "\r\n", 2);
		char *line;

		if (end == NULL || c->closed)
			return;
		line = slice_dup(slice_of(in->data, (size_t)(end - in->data)));
		buf_consume(in, strlen(line) + 2);
		client_line(c, line);
		free(line);
	}
}

static inline void
client_ended(void *arg, struct stream *s, enum stream_end why)
{
	struct client *c = arg;

	(void)why;
	stream_free(s);
	c->s = NULL;
}

static const struct stream_ops client_ops = { .input = client_input,
	.ended = client_ended };

static inline void
server_accept(evutil_socket_t fd, short what, void *arg)
{
	struct server *v = arg;
	struct client *c = xcalloc(1, sizeof(*c));
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	assert_true(peer >= 0);
	assert_true(v->client_count < 64);
	v->clients[v->client_count++] = c;
	v->connections++;
	c->server = v;
	buf_init(&c->content, 1 << 24);
	c->s = stream_new(v->base, peer, 1 << 20, 1 << 20);
	stream_ops(c->s, &client_ops, c);
	client_answer(c, "");
}

static inline void
server_open(struct server *v, struct event_base *base, const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	memset(v, 0, sizeof(*v));
	v->base = base;
	v->script = polite;
	buf_init(&v->lines, 1 << 20);
	assert_int_equal(inet_pton(AF_INET, address, &a.sin_addr), 1);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(v->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(v->fd, 16), 0);
	assert_int_equal(getsockname(v->fd, (struct sockaddr *)&a, &len), 0);
	v->port = ntohs(a.sin_port);
	v->accept =
	    event_new(base, v->fd, EV_READ | EV_PERSIST, server_accept, v);
	assert_int_equal(event_add(v->accept, NULL), 0);
}

static inline void
server_close(struct server *v)
{
	event_free(v->accept);
	close(v->fd);
	for (size_t i = 0; i < v->client_count; i++) {
		stream_free(v->clients[i]->s);
		buf_free(&v->clients[i]->content);
		free(v->clients[i]);
	}
	for (size_t i = 0; i < v->mail_count; i++)
		free(v->mails[i]);
	buf_free(&v->lines);
}

static inline bool
server_heard(const struct server *v, const char *what)
{
	return strstr(buf_str(&v->lines), what) != NULL;
}

/* -- the world --------------------------------------------------------------
 */

/* What resolver knows; answers to anything else are NXDOMAIN. */
struct known {
	const char *name;
	enum ipc_dns type;
	enum ipc_dns_status status;
	struct {
		uint16_t preference;
		const char *data;
	} records[4];
};

struct result {
	size_t rcpt;
	struct outcome o;
	bool dsn;
};

struct world {
	struct event_base *base;
	struct ipc_chan *to_resolver;
	struct ipc_chan *resolver; /* its end */
	const struct known *known;
	size_t known_count;
	unsigned asked;
	struct settings settings;
	uint64_t converting;
	struct config_list listeners;
	struct pool *pool;
	struct delivery_env env;
	struct work *work; /* the one given last; the delivery's */
	struct result results[RESULTS_MAX];
	size_t result_count;
	unsigned finished;
	struct server server;
	struct server other;
};

static inline void
put_record(struct buf *b, enum ipc_dns type, uint16_t pref, const char *data)
{
	char bytes[16];
	struct ipc_dns_record r = { .preference = pref,
		.data = slice_str(data) };

	if (type == DNS_A) {
		assert_int_equal(inet_pton(AF_INET, data, bytes), 1);
		r.data = slice_of(bytes, 4);
	} else if (type == DNS_AAAA) {
		assert_int_equal(inet_pton(AF_INET6, data, bytes), 1);
		r.data = slice_of(bytes, 16);
	}
	assert_int_equal(ipc_dns_record_put(&r, b), 0);
}

static inline void
on_resolve_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct world *w = arg;
	struct ipc_resolved a = { .status = DNS_NXDOMAIN };
	struct buf records = BUF_INIT(60000);
	struct ipc_resolve_ask m;

	assert_int_equal(ipc_resolve_ask_decode(&m, f->payload), 0);
	w->asked++;
	for (size_t i = 0; i < w->known_count; i++) {
		const struct known *k = &w->known[i];

		if (!slice_ieq(m.name, slice_str(k->name)))
			continue;
		if (a.status == DNS_NXDOMAIN)
			a.status = DNS_NODATA;
		if (m.type != k->type)
			continue;
		a.status = (uint8_t)k->status;
		for (size_t j = 0; j < 4 && k->records[j].data != NULL; j++)
			put_record(&records, k->type, k->records[j].preference,
			    k->records[j].data);
	}
	a.records = buf_slice(&records);
	assert_int_equal(
	    ipc_send_msg(c, resolved, IPC_REPLY, f->request, &a), 0);
	buf_free(&records);
}

static const struct ipc_handler resolver_handlers[] = {
	{ IPC_RESOLVE_ASK, on_resolve_ask },
	{ 0, NULL },
};
static const struct ipc_ops resolver_ops = { .handlers = resolver_handlers };
static const struct ipc_ops asker_ops = { .handlers = NULL };

static inline struct ipc_chan *
world_resolver(void *arg)
{
	struct world *w = arg;

	return w->to_resolver;
}

static inline void
world_result(void *arg, const struct work *work, size_t rcpt,
    const struct outcome *o, bool dsn)
{
	struct world *w = arg;

	(void)work;
	assert_true(w->result_count < RESULTS_MAX);
	w->results[w->result_count++] =
	    (struct result){ .rcpt = rcpt, .o = *o, .dsn = dsn };
}

static inline void
world_finished(void *arg, struct delivery *d)
{
	struct world *w = arg;

	w->finished++;
	delivery_free(d);
}

static inline void
world_open(struct world *w)
{
	int pair[2];
	char err[128];

	memset(w, 0, sizeof(*w));
	log_level(LOG_FAIL);
	w->base = event_base_new();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	w->to_resolver =
	    ipc_chan_new(w->base, pair[0], PROC_RELAY, PROC_RESOLVER, 0);
	w->resolver =
	    ipc_chan_new(w->base, pair[1], PROC_RESOLVER, PROC_RELAY, 0);
	ipc_chan_ops(w->to_resolver, &asker_ops, w);
	ipc_chan_ops(w->resolver, &resolver_ops, w);
	server_open(&w->server, w->base, "127.0.0.1");
	server_open(&w->other, w->base, "127.0.0.1");
	w->settings = (struct settings){ .hostname = "mail.example.test",
		.tls = RELAY_TLS_NONE,
		.connect_ms = 2000,
		.reply_ms = 2000,
		.port = w->server.port,
		.listeners = &w->listeners,
		.user = "",
		.converting = &w->converting };
	w->settings.ports[w->settings.port_count++] = w->server.port;
	w->settings.ports[w->settings.port_count++] = w->other.port;
	w->settings.ctx = tls_ctx_client(false, -1, err, sizeof(err));
	w->pool = pool_new(NULL, NULL);
	w->env = (struct delivery_env){ .base = w->base,
		.settings = &w->settings,
		.pool = w->pool,
		.arg = w,
		.resolver = world_resolver,
		.result = world_result,
		.finished = world_finished };
}

static inline void
world_close(struct world *w)
{
	pool_free(w->pool);
	server_close(&w->server);
	server_close(&w->other);
	ipc_chan_close(w->to_resolver);
	ipc_chan_close(w->resolver);
	settings_free(&w->settings);
	event_base_free(w->base);
}

/* A job for these recipients, ending with NULL. */
static inline struct work *
job(const char *next_hop, const char *content, const char *const *rcpts)
{
	struct work *k = xcalloc(1, sizeof(*k));

	k->fd = -1;
	k->content = slice_str(content);
	k->m = (struct ipc_work){ .kind = WORK_RELAY,
		.job = 1,
		.id = SLICE("QID"),
		.sender = SLICE("pip@example.test"),
		.next_hop = slice_str(next_hop),
		.length = strlen(content) };
	for (; rcpts[k->rcpt_count] != NULL; k->rcpt_count++)
		;
	k->rcpts = xcalloc(k->rcpt_count, sizeof(*k->rcpts));
	for (size_t i = 0; i < k->rcpt_count; i++)
		k->rcpts[i] = (struct ipc_work_rcpt){ .number = (uint32_t)i,
			.address = slice_str(rcpts[i]) };
	return k;
}

/* Run until this many deliveries have finished. */
static inline void
run_until(struct world *w, unsigned finished)
{
	int64_t end = clock_boot_ms() + 20000;

	while (w->finished < finished) {
		if (clock_boot_ms() > end)
			fail_msg("not finished; the server heard:\n%s",
			    buf_str(&w->server.lines));
		assert_int_not_equal(event_base_loop(w->base, EVLOOP_ONCE), -1);
	}
}

static inline void
deliver(struct world *w, struct work *k)
{
	assert_non_null(delivery_new(&w->env, k, NULL));
	run_until(w, w->finished + 1);
}

/* One mail for bob@remote.test by this next hop. */
static inline void
deliver_one(struct world *w, const char *next_hop)
{
	static const char *const bob[] = { "bob@remote.test", NULL };

	deliver(w, job(next_hop, "Subject: x\r\n\r\nText\r\n", bob));
}

/* "[127.0.0.1]:PORT" of a server. */
static inline const char *
at(const struct server *v)
{
	static char text[64];

	(void)snprintf(text, sizeof(text), "[127.0.0.1]:%u", v->port);
	return text;
}

static inline void
expect_one(const struct world *w, enum ipc_status status, const char *enhanced)
{
	assert_int_equal(w->result_count, 1);
	if (w->results[0].o.status != status ||
	    strcmp(w->results[0].o.enhanced, enhanced) != 0)
		fail_msg("status %d %s: %s", (int)w->results[0].o.status,
		    w->results[0].o.enhanced, w->results[0].o.text);
}

static inline int
world_memfd(void)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* A server's context with a certificate of its own making. */
static inline struct tls_ctx *
world_server_ctx(void)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();
	int cert_fd = world_memfd();
	int key_fd = world_memfd();
	struct tls_ctx *ctx;
	char err[256] = "";
	FILE *f;

	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	f = fdopen(dup(cert_fd), "w");
	assert_int_equal(PEM_write_X509(f, cert), 1);
	assert_int_equal(fclose(f), 0);
	f = fdopen(dup(key_fd), "w");
	assert_int_equal(
	    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
	ctx = tls_ctx_server(cert_fd, key_fd, NULL, err, sizeof(err));
	if (ctx == NULL)
		fail_msg("%s", err);
	X509_free(cert);
	EVP_PKEY_free(key);
	close(cert_fd);
	close(key_fd);
	return ctx;
}

/* -- the world of the test that runs -------------------------------------- */

static struct world world;

static inline int
setup(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
