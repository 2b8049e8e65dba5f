#include "common/tls/stream.h"

#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/rand.h"
#include "common/tls/ctx.h"

/* One end of a conversation and what happened to it. */
struct side {
	struct event_base *base;
	struct stream *s; /* NULL once freed */
	struct buf got;
	enum stream_end why;
	unsigned inputs;
	unsigned drains;
	unsigned ends;
	unsigned readies;
	bool free_in_input;
	bool free_in_end;
	bool keep;            /* leave input in the stream */
	bool take_in_drained; /* what was kept */
	bool bye_in_input;
	struct tls_ctx *starttls;
	int dropped;
};

static void
side_input(void *arg, struct stream *s)
{
	struct side *x = arg;
	struct buf *in = stream_in(s);

	x->inputs++;
	if (x->starttls != NULL && in->len >= 9) {
		struct tls_ctx *ctx = x->starttls;

		x->starttls = NULL;
		buf_consume(in, 9);
		assert_int_equal(stream_write(s, "220 go\r\n", 8), 0);
		x->dropped = stream_starttls_server(s, ctx);
		return;
	}
	if (x->free_in_input) {
		stream_free(s);
		x->s = NULL;
		return;
	}
	if (x->bye_in_input && in->len > 0) {
		buf_consume(in, in->len);
		assert_int_equal(stream_write(s, "221 bye\r\n", 9), 0);
		stream_close_after_output(s);
		return;
	}
	if (x->keep)
		return;
	assert_int_equal(buf_append(&x->got, in->data, in->len), 0);
	buf_consume(in, in->len);
}

static void
side_drained(void *arg, struct stream *s)
{
	struct side *x = arg;

	x->drains++;
	if (!x->take_in_drained)
		return;
	x->keep = false;
	side_input(arg, s);
}

static void
side_ended(void *arg, struct stream *s, enum stream_end why)
{
	struct side *x = arg;

	x->ends++;
	x->why = why;
	if (x->free_in_end) {
		stream_free(s);
		x->s = NULL;
	}
}

static void
side_ready(void *arg, struct stream *s)
{
	struct side *x = arg;

	(void)s;
	x->readies++;
}

static const struct stream_ops ops = { side_input, side_drained, side_ended,
	side_ready };

struct pair {
	struct event_base *base;
	struct side a;
	struct side b;
};

static void
pair_open(struct pair *p, size_t in_max, size_t out_max)
{
	int fds[2];

	*p = (struct pair){ .base = event_base_new() };
	assert_non_null(p->base);
	assert_int_equal(
	    socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
	    0);
	p->a.s = stream_new(p->base, fds[0], in_max, out_max);
	p->b.s = stream_new(p->base, fds[1], in_max, out_max);
	assert_non_null(p->a.s);
	assert_non_null(p->b.s);
	stream_ops(p->a.s, &ops, &p->a);
	stream_ops(p->b.s, &ops, &p->b);
	buf_init(&p->a.got, 8 << 20);
	buf_init(&p->b.got, 8 << 20);
}

static void
pair_close(struct pair *p)
{
	stream_free(p->a.s);
	stream_free(p->b.s);
	buf_free(&p->a.got);
	buf_free(&p->b.got);
	event_base_free(p->base);
}

/* Let the loop turn until nothing is left to do at once. */
static void
turn(struct pair *p)
{
	for (int i = 0; i < 50; i++)
		(void)event_base_loop(p->base, EVLOOP_NONBLOCK);
}

static void
write_str(struct stream *s, const char *text)
{
	assert_int_equal(stream_write_slice(s, slice_str(text)), 0);
}

/* -- plain -------------------------------------------------------------- */

static void
bytes_pass_both_ways(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	write_str(p.a.s, "hel");
	write_str(p.a.s, "lo");
	assert_int_equal(stream_printf(p.b.s, "%d!", 42), 0);
	turn(&p);
	assert_string_equal(buf_str(&p.b.got), "hello");
	assert_string_equal(buf_str(&p.a.got), "42!");
	assert_int_equal(p.b.inputs, 1); /* two writes, one call */
	assert_int_equal(p.a.drains, 1);
	assert_int_equal(stream_backlog(p.a.s), 0);
	pair_close(&p);
}

static void
full_input_stops_reading_until_there_is_room(void **state)
{
	struct pair p;
	char text[10000] = { 0 };

	(void)state;
	pair_open(&p, 4096, 65536);
	p.b.keep = true;
	assert_int_equal(stream_write(p.a.s, text, sizeof(text)), 0);
	turn(&p);
	assert_int_equal(stream_in(p.b.s)->len, 4096);
	p.b.keep = false;
	buf_consume(stream_in(p.b.s), 4096);
	turn(&p);
	assert_int_equal(p.b.got.len, sizeof(text) - 4096);
	pair_close(&p);
}

/* As smtpd does: no more commands until the replies have left. */
static void
room_made_while_output_leaves_is_read_into(void **state)
{
	struct pair p;
	size_t n = 3 << 20; /* more than the socket holds */
	char *text = calloc(1, n);

	(void)state;
	assert_non_null(text);
	pair_open(&p, 4096, 4 << 20);
	p.b.keep = true;
	p.b.take_in_drained = true;
	stream_pause(p.a.s, true);
	assert_int_equal(stream_write(p.b.s, text, n), 0);
	assert_int_equal(stream_write(p.a.s, text, 10000), 0);
	turn(&p);
	assert_int_equal(p.b.drains, 0);
	stream_pause(p.a.s, false);
	for (int i = 0; i < 200 && p.b.drains == 0; i++)
		turn(&p);
	assert_int_equal(p.b.drains, 1);
	turn(&p);
	assert_int_equal(p.b.got.len, 10000);
	pair_close(&p);
	free(text);
}

static void
pause_holds_input_back(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	stream_pause(p.b.s, true);
	write_str(p.a.s, "x");
	turn(&p);
	assert_int_equal(p.b.inputs, 0);
	stream_pause(p.b.s, false);
	turn(&p);
	assert_string_equal(buf_str(&p.b.got), "x");
	pair_close(&p);
}

static void
again_calls_input_without_new_bytes(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	stream_again(p.b.s);
	turn(&p);
	assert_int_equal(p.b.inputs, 1);
	pair_close(&p);
}

static void
too_much_output_ends_the_stream(void **state)
{
	struct pair p;
	char text[2000] = { 0 };

	(void)state;
	pair_open(&p, 4096, 4000);
	assert_int_equal(stream_write(p.a.s, text, sizeof(text)), 0);
	assert_int_equal(stream_write(p.a.s, text, sizeof(text)), 0);
	assert_int_equal(stream_write(p.a.s, "x", 1), -1);
	assert_int_equal(p.a.ends, 0); /* not from inside our call */
	turn(&p);
	assert_int_equal(p.a.ends, 1);
	assert_int_equal(p.a.why, STREAM_OVERFLOW);
	pair_close(&p);
}

static void
a_slow_reader_gets_everything_in_the_end(void **state)
{
	struct pair p;
	size_t n = 3 << 20;
	char *text = calloc(1, n);

	(void)state;
	assert_non_null(text);
	rand_bytes(text, n);
	pair_open(&p, 4096, 4 << 20);
	assert_int_equal(stream_write(p.a.s, text, n), 0);
	for (int i = 0; i < 200 && p.b.got.len < n; i++)
		turn(&p);
	assert_int_equal(p.b.got.len, n);
	assert_memory_equal(p.b.got.data, text, n);
	assert_int_equal(p.a.drains, 1);
	pair_close(&p);
	free(text);
}

static void
end_of_file_comes_after_the_last_bytes(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	write_str(p.a.s, "bye");
	stream_close_after_output(p.a.s);
	p.a.free_in_end = true;
	turn(&p);
	assert_null(p.a.s);
	assert_string_equal(buf_str(&p.b.got), "bye");
	assert_int_equal(p.b.ends, 1);
	assert_int_equal(p.b.why, STREAM_EOF);
	pair_close(&p);
}

static void
output_still_goes_out_after_the_peers_half_close(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	write_str(p.a.s, "QUIT\r\n");
	turn(&p);
	assert_int_equal(shutdown(stream_fd(p.a.s), SHUT_WR), 0);
	turn(&p);
	assert_int_equal(p.b.ends, 1);
	assert_int_equal(p.b.why, STREAM_EOF);
	write_str(p.b.s, "221 bye\r\n");
	stream_close_after_output(p.b.s);
	turn(&p);
	assert_string_equal(buf_str(&p.a.got), "221 bye\r\n");
	assert_int_equal(p.b.ends, 2);
	pair_close(&p);
}

static void
closing_waits_for_a_peer_that_still_sends(void **state)
{
	struct pair p;
	char text[3000] = { 0 };

	(void)state;
	pair_open(&p, 2000, 65536);
	p.b.keep = true;
	assert_int_equal(stream_write(p.a.s, text, sizeof(text)), 0);
	turn(&p);
	write_str(p.b.s, "421 enough\r\n");
	stream_close_after_output(p.b.s);
	turn(&p);
	assert_string_equal(buf_str(&p.a.got), "421 enough\r\n");
	assert_int_equal(p.b.ends, 0); /* lingers */
	stream_free(p.a.s);
	p.a.s = NULL;
	turn(&p);
	assert_int_equal(p.b.ends, 1);
	pair_close(&p);
}

static void
on_alarm(evutil_socket_t fd, short what, void *arg)
{
	bool *rung = arg;

	(void)fd;
	(void)what;
	*rung = true;
}

/* How often the loop wakes for something in the next ms milliseconds. */
static unsigned
wakes_within(struct pair *p, int ms)
{
	struct timeval tv = { .tv_usec = ms * 1000 };
	bool rung = false;
	unsigned wakes = 0;

	assert_int_equal(
	    event_base_once(p->base, -1, EV_TIMEOUT, on_alarm, &rung, &tv), 0);
	while (!rung) {
		(void)event_base_loop(p->base, EVLOOP_ONCE);
		wakes++;
	}
	return wakes;
}

/* What it sends then, or that it has ended, must not be looked at for ever. */
static void
closing_sleeps_while_its_output_cannot_go(void **state)
{
	struct pair p;
	char *text = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(text);
	for (int end = 0; end < 2; end++) {
		pair_open(&p, 4096, 1 << 20);
		stream_pause(p.a.s, true);
		assert_int_equal(stream_write(p.b.s, text, 1 << 20), 0);
		stream_close_after_output(p.b.s);
		turn(&p);
		assert_int_not_equal(stream_backlog(p.b.s), 0);
		if (end)
			assert_int_equal(
			    shutdown(stream_fd(p.a.s), SHUT_WR), 0);
		else
			write_str(p.a.s, "NOOP\r\n");
		assert_true(wakes_within(&p, 30) < 10);
		stream_pause(p.a.s, false);
		for (int i = 0; i < 100 && p.a.got.len < 1 << 20; i++)
			turn(&p);
		assert_int_equal(p.a.got.len, 1 << 20);
		pair_close(&p);
	}
	free(text);
}

static void
a_deadline_passes_and_can_be_moved(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	stream_deadline(p.a.s, clock_boot_ms() + 5);
	stream_deadline(p.a.s, clock_boot_ms() + 3600000);
	stream_deadline(p.b.s, clock_boot_ms() + 15);
	while (p.b.ends == 0)
		(void)event_base_loop(p.base, EVLOOP_ONCE);
	assert_int_equal(p.b.why, STREAM_TIMEOUT);
	assert_int_equal(p.a.ends, 0);
	/* The stream works on: there may be something to say. */
	write_str(p.b.s, "421 4.4.2\r\n");
	turn(&p);
	assert_string_equal(buf_str(&p.a.got), "421 4.4.2\r\n");
	pair_close(&p);
}

static void
streams_can_be_freed_inside_callbacks(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	p.b.free_in_input = true;
	p.a.free_in_end = true;
	write_str(p.a.s, "x");
	turn(&p);
	assert_null(p.b.s);
	assert_null(p.a.s);
	pair_close(&p);
}

static void
a_plain_socket_can_be_given_away(void **state)
{
	struct pair p;
	int fd;

	(void)state;
	pair_open(&p, 4096, 4096);
	write_str(p.a.s, "x");
	fd = stream_release(p.a.s);
	assert_true(fd >= 0);
	p.a.s = NULL;
	turn(&p);
	assert_string_equal(buf_str(&p.b.got), "x");
	close(fd);
	pair_close(&p);
}

static void
a_reset_is_an_error(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 4096, 4096);
	p.b.keep = true;
	write_str(p.a.s, "x");
	turn(&p);
	stream_free(p.a.s);
	p.a.s = NULL;
	write_str(p.b.s, "y");
	turn(&p);
	assert_int_equal(p.b.ends, 1);
	assert_int_equal(p.b.why, STREAM_ERROR);
	assert_non_null(stream_error(p.b.s));
	pair_close(&p);
}

/* -- TLS ---------------------------------------------------------------- */

static struct tls_ctx *server_ctx;
static struct tls_ctx *client_ctx;
static struct tls_ctx *strict_ctx;

static int
memfd(void)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
make_certificate(int cert_fd, int key_fd)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *san;
	FILE *f;

	assert_non_null(key);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	assert_int_equal(X509_set_version(cert, 2), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_int_equal(
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)"mx.example.test", -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(cert, name), 1);
	san = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, "DNS:mx.example.test");
	assert_non_null(san);
	assert_int_equal(X509_add_ext(cert, san, -1), 1);
	X509_EXTENSION_free(san);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	f = fdopen(dup(cert_fd), "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	assert_int_equal(fclose(f), 0);
	f = fdopen(dup(key_fd), "w");
	assert_non_null(f);
	assert_int_equal(
	    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(f), 0);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int
make_contexts(void **state)
{
	int cert = memfd();
	int key = memfd();
	char err[256];

	(void)state;
	make_certificate(cert, key);
	server_ctx = tls_ctx_server(cert, key, "smtp", err, sizeof(err));
	client_ctx = tls_ctx_client(false, -1, err, sizeof(err));
	strict_ctx = tls_ctx_client(true, cert, err, sizeof(err));
	assert_non_null(server_ctx);
	assert_non_null(client_ctx);
	assert_non_null(strict_ctx);
	assert_null(tls_ctx_server(key, cert, NULL, err, sizeof(err)));
	close(cert);
	close(key);
	return 0;
}

static int
free_contexts(void **state)
{
	(void)state;
	tls_ctx_unref(server_ctx);
	tls_ctx_unref(client_ctx);
	tls_ctx_unref(strict_ctx);
	return 0;
}

static void
pair_open_tls(struct pair *p, size_t in_max, size_t out_max,
    struct tls_ctx *client, const char *name)
{
	pair_open(p, in_max, out_max);
	assert_int_equal(stream_starttls_server(p->a.s, server_ctx), 0);
	assert_int_equal(stream_starttls_client(p->b.s, client, name), 0);
}

static void
tls_from_the_start_carries_bytes(void **state)
{
	struct pair p;

	(void)state;
	pair_open_tls(&p, 65536, 65536, client_ctx, "mx.example.test");
	write_str(p.a.s, "220 hello\r\n"); /* waits for the handshake */
	turn(&p);
	assert_int_equal(p.a.readies, 1);
	assert_int_equal(p.b.readies, 1);
	assert_string_equal(buf_str(&p.b.got), "220 hello\r\n");
	assert_string_equal(stream_tls_version(p.a.s), "TLSv1.3");
	assert_non_null(stream_tls_cipher(p.a.s));
	assert_false(stream_tls_verified(p.b.s));
	write_str(p.b.s, "EHLO x\r\n");
	turn(&p);
	assert_string_equal(buf_str(&p.a.got), "EHLO x\r\n");
	assert_int_equal(stream_release(p.a.s), -1);
	p.b.free_in_end = true;
	stream_close_after_output(p.b.s);
	turn(&p);
	assert_int_equal(p.a.ends, 1);
	assert_int_equal(p.a.why, STREAM_EOF);
	pair_close(&p);
}

/* Of that epoll says nothing. */
static void
what_openssl_keeps_is_read_too(void **state)
{
	struct pair p;
	char text[6000] = { 0 };

	(void)state;
	pair_open_tls(&p, 4096, 65536, client_ctx, NULL);
	turn(&p);
	stream_pause(p.b.s, true);
	write_str(p.a.s, "one ");
	turn(&p);
	write_str(p.a.s, "two");
	turn(&p);
	assert_int_equal(p.b.got.len, 0);
	stream_pause(p.b.s, false); /* two records, read at once */
	turn(&p);
	assert_string_equal(buf_str(&p.b.got), "one two");
	/* a record for which there is no room */
	assert_int_equal(stream_write(p.a.s, text, sizeof(text)), 0);
	turn(&p);
	assert_int_equal(p.b.got.len, 7 + sizeof(text));
	pair_close(&p);
}

static void
tls_moves_megabytes(void **state)
{
	struct pair p;
	size_t n = 3 << 20;
	char *text = calloc(1, n);

	(void)state;
	assert_non_null(text);
	rand_bytes(text, n);
	pair_open_tls(&p, 20000, 4 << 20, client_ctx, NULL);
	assert_int_equal(stream_write(p.a.s, text, n), 0);
	assert_int_equal(stream_write(p.b.s, text, n), 0);
	for (int i = 0; i < 200; i++)
		turn(&p);
	assert_int_equal(p.b.got.len, n);
	assert_int_equal(p.a.got.len, n);
	assert_memory_equal(p.b.got.data, text, n);
	assert_memory_equal(p.a.got.data, text, n);
	pair_close(&p);
	free(text);
}

static void
a_known_certificate_verifies_by_name(void **state)
{
	struct pair p;

	(void)state;
	pair_open_tls(&p, 65536, 65536, strict_ctx, "mx.example.test");
	turn(&p);
	assert_true(stream_tls_verified(p.b.s));
	pair_close(&p);
	pair_open_tls(&p, 65536, 65536, strict_ctx, "other.example.test");
	turn(&p);
	assert_int_equal(p.b.readies, 0);
	assert_int_equal(p.b.why, STREAM_ERROR);
	assert_int_equal(p.a.why, STREAM_ERROR);
	pair_close(&p);
}

static void
starttls_throws_away_what_came_with_it(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 65536, 65536);
	p.a.starttls = server_ctx;
	write_str(p.b.s, "STARTTLS\nRSET\r\n");
	turn(&p);
	assert_int_equal(p.a.dropped, 6);
	assert_string_equal(buf_str(&p.b.got), "220 go\r\n");
	assert_int_equal(stream_starttls_client(p.b.s, client_ctx, NULL), 0);
	turn(&p);
	assert_int_equal(p.a.readies, 1);
	assert_int_equal(p.a.got.len, 0);
	pair_close(&p);
}

static void
rubbish_instead_of_a_handshake_ends_the_stream(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 65536, 65536);
	assert_int_equal(stream_starttls_server(p.a.s, server_ctx), 0);
	write_str(p.b.s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	turn(&p);
	assert_int_equal(p.a.ends, 1);
	assert_int_equal(p.a.why, STREAM_ERROR);
	pair_close(&p);
}

static void
a_cleartext_byte_inside_tls_ends_the_stream(void **state)
{
	struct pair p;

	(void)state;
	pair_open_tls(&p, 65536, 65536, client_ctx, NULL);
	turn(&p);
	assert_int_equal(
	    write(stream_fd(p.b.s), "QUIT\r\nQUIT\r\nQUIT\r\n", 18), 18);
	turn(&p);
	assert_int_equal(p.a.ends, 1);
	assert_int_equal(p.a.why, STREAM_ERROR);
	assert_int_equal(p.a.got.len, 0);
	pair_close(&p);
}

static void
closing_does_not_wait_for_a_handshake(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, 65536, 65536);
	assert_int_equal(stream_starttls_server(p.a.s, server_ctx), 0);
	turn(&p);
	stream_close_after_output(p.a.s);
	turn(&p);
	assert_int_equal(p.a.ends, 1);
	assert_int_equal(p.a.why, STREAM_EOF);
	pair_close(&p);
}

/* It ended its side, and then it is gone: nothing more goes out. */
static void
words_for_a_peer_that_is_gone_end_the_stream(void **state)
{
	struct pair p;

	(void)state;
	pair_open_tls(&p, 65536, 65536, client_ctx, NULL);
	turn(&p);
	stream_free(p.b.s);
	p.b.s = NULL;
	turn(&p);
	assert_int_equal(p.a.ends, 1);
	assert_int_equal(p.a.why, STREAM_EOF);
	write_str(p.a.s, "221 bye\r\n");
	stream_close_after_output(p.a.s);
	turn(&p);
	assert_int_equal(p.a.ends, 2);
	assert_int_equal(p.a.why, STREAM_ERROR);
	pair_close(&p);
}

static void
the_last_words_reach_a_client_that_has_said_goodbye(void **state)
{
	struct pair p;

	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		pair_open(&p, 65536, 65536);
		if (tls) {
			assert_int_equal(
			    stream_starttls_server(p.a.s, server_ctx), 0);
			assert_int_equal(
			    stream_starttls_client(p.b.s, client_ctx, NULL), 0);
			turn(&p);
		}
		p.a.bye_in_input = true;
		write_str(p.b.s, "QUIT\r\n");
		stream_close_after_output(p.b.s);
		turn(&p);
		assert_int_equal(p.a.ends, 1);
		assert_int_equal(p.a.why, STREAM_EOF);
		pair_close(&p);
	}
}

/*
 * Two streams with a wire between them that carries one byte a turn: every
 * record, and the handshake, comes in the smallest pieces there are.
 */
static void
one_byte_at_a_time(void **state)
{
	struct pair p;
	struct pair q;
	char byte;

	(void)state;
	pair_open(&p, 65536, 65536);
	pair_open(&q, 65536, 65536);
	/* p.a <-> p.b's socket <-> us <-> q.a's socket <-> q.b */
	stream_pause(p.b.s, true);
	stream_pause(q.a.s, true);
	assert_int_equal(stream_starttls_server(p.a.s, server_ctx), 0);
	assert_int_equal(stream_starttls_client(q.b.s, client_ctx, NULL), 0);
	write_str(p.a.s, "220 x\r\n");
	write_str(q.b.s, "EHLO y\r\n");
	for (int i = 0; i < 6000; i++) {
		(void)event_base_loop(p.base, EVLOOP_NONBLOCK);
		(void)event_base_loop(q.base, EVLOOP_NONBLOCK);
		if (read(stream_fd(p.b.s), &byte, 1) == 1)
			assert_int_equal(write(stream_fd(q.a.s), &byte, 1), 1);
		if (read(stream_fd(q.a.s), &byte, 1) == 1)
			assert_int_equal(write(stream_fd(p.b.s), &byte, 1), 1);
	}
	assert_string_equal(buf_str(&p.a.got), "EHLO y\r\n");
	assert_string_equal(buf_str(&q.b.got), "220 x\r\n");
	pair_close(&p);
	pair_close(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_both_ways),
		cmocka_unit_test(full_input_stops_reading_until_there_is_room),
		cmocka_unit_test(room_made_while_output_leaves_is_read_into),
		cmocka_unit_test(pause_holds_input_back),
		cmocka_unit_test(again_calls_input_without_new_bytes),
		cmocka_unit_test(too_much_output_ends_the_stream),
		cmocka_unit_test(a_slow_reader_gets_everything_in_the_end),
		cmocka_unit_test(end_of_file_comes_after_the_last_bytes),
		cmocka_unit_test(
		    output_still_goes_out_after_the_peers_half_close),
		cmocka_unit_test(closing_waits_for_a_peer_that_still_sends),
		cmocka_unit_test(closing_sleeps_while_its_output_cannot_go),
		cmocka_unit_test(a_deadline_passes_and_can_be_moved),
		cmocka_unit_test(streams_can_be_freed_inside_callbacks),
		cmocka_unit_test(a_plain_socket_can_be_given_away),
		cmocka_unit_test(a_reset_is_an_error),
		cmocka_unit_test(tls_from_the_start_carries_bytes),
		cmocka_unit_test(what_openssl_keeps_is_read_too),
		cmocka_unit_test(tls_moves_megabytes),
		cmocka_unit_test(a_known_certificate_verifies_by_name),
		cmocka_unit_test(starttls_throws_away_what_came_with_it),
		cmocka_unit_test(
		    rubbish_instead_of_a_handshake_ends_the_stream),
		cmocka_unit_test(a_cleartext_byte_inside_tls_ends_the_stream),
		cmocka_unit_test(
		    the_last_words_reach_a_client_that_has_said_goodbye),
		cmocka_unit_test(closing_does_not_wait_for_a_handshake),
		cmocka_unit_test(words_for_a_peer_that_is_gone_end_the_stream),
		cmocka_unit_test(one_byte_at_a_time),
	};

	return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
