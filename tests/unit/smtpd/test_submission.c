/* Submission: STARTTLS, AUTH, and who may send. */
#include "tests/unit/smtpd/house.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/base/base64.h"
#include "common/tls/stream.h"

#define CLEAR "cleartext-networks = {127.0.0.1}\n"

/* "C: AUTH PLAIN …" of these; \1 stands for NUL. */
static void
auth_plain(struct house *h, const char *message, const char *want)
{
	struct buf b = BUF_INIT(4096);
	struct buf line = BUF_INIT(8192);
	char raw[1024];
	size_t n = strlen(message);

	for (size_t i = 0; i < n; i++)
		raw[i] = message[i] == '\1' ? '\0' : message[i];
	assert_int_equal(base64_encode(&b, slice_of(raw, n)), 0);
	assert_int_equal(
	    buf_printf(&line, "C: AUTH PLAIN %s\nS: %s\n", buf_str(&b), want),
	    0);
	play(h, buf_str(&line));
	buf_free(&b);
	buf_free(&line);
}

static void
nothing_goes_without_a_login(void **state)
{
	struct house *h = house_new(true, CLEAR);

	(void)state;
	play(h, HELLO "C: MAIL FROM:<pip@example.test>\n"
		      "S: 530 5.7.0 Authentication required\n");
	auth_plain(h, "\1pip@example.test\1secret", "235 2.7.0");
	play(h, "C: MAIL FROM:<pip@example.test> AUTH=<>\nS: 250\n"
		"C: RCPT TO:<x@elsewhere.example>\nS: 250 2.1.5\n"
		"C: DATA\nS: 354\nC: Subject: x\nC: \nC: .\nS: 250\n");
	assert_string_equal(h->user, "pip@example.test");
	assert_int_equal(h->source, SOURCE_SUBMISSION);
	assert_non_null(strstr(buf_str(&h->content), " with ESMTPA id "));
	house_free(h);
}

static void
networks_may_send_without_a_login(void **state)
{
	struct house *h = house_new(true, "networks = {127.0.0.0/8}\n");

	(void)state;
	play(h, HELLO ENVELOPE);
	house_client(h, "192.0.2.1", SESSION_SUBMISSION, false);
	play(h, HELLO "C: MAIL FROM:<a@b>\nS: 530 5.7.0\n");
	house_free(h);
}

static void
missing_fields_are_added(void **state)
{
	struct house *h = house_new(true, "networks = {127.0.0.0/8}\n");
	const char *mail;

	(void)state;
	play(h, HELLO ENVELOPE "C: DATA\nS: 354\nC: Subject: x\nC: \nC: body\n"
			       "C: .\nS: 250\n");
	mail = buf_str(&h->content);
	assert_true(slice_istarts(slice_str(mail), SLICE("Received: ")));
	assert_non_null(strstr(mail, "+0000\r\nDate: "));
	assert_non_null(strstr(mail, "+0000\r\nMessage-ID: <"));
	assert_non_null(
	    strstr(mail, "@mail.example.test>\r\nSubject: x\r\n\r\nbody\r\n"));
	assert_int_equal(h->length, h->content.len);
	play(h, ENVELOPE "C: DATA\nS: 354\nC: message-id: <x@y>\n"
			 "C: DATE: today\nC: \nC: .\nS: 250\n");
	mail = buf_str(&h->content);
	assert_non_null(strstr(mail, "+0000\r\nmessage-id: <x@y>\r\nDATE: "
				     "today\r\n\r\n"));
	house_free(h);
}

static void
missing_fields_are_added_to_large_mails(void **state)
{
	struct house *h = house_new(true, "networks = {127.0.0.0/8}\n");
	struct buf file = BUF_INIT(4 << 20);
	char line[100];

	(void)state;
	play(h, HELLO ENVELOPE "C: DATA\nS: 354\nC: Subject: x\nC: \n");
	memset(line, 'a', sizeof(line));
	memcpy(line + 98, "\r\n", 2);
	for (int i = 0; i < 5000; i++)
		house_send(h, line, sizeof(line));
	play(h, "C: .\nS: 250\n");
	assert_int_equal(lseek(h->file, 0, SEEK_SET), 0);
	assert_int_equal(file_read(h->file, &file), 0);
	assert_int_equal(file.len, h->length);
	assert_true(slice_istarts(buf_slice(&file), SLICE("Received: ")));
	assert_non_null(strstr(file.data, "+0000\r\nDate: "));
	assert_non_null(
	    strstr(file.data, "@mail.example.test>\r\nSubject: x\r\n\r\na"));
	buf_free(&file);
	house_free(h);
}

static void
auth_in_all_ways(void **state)
{
	struct house *h = house_new(true, CLEAR);

	(void)state;
	play(h, HELLO "C: AUTH PLAIN\n"
		      "S: 334 \n"
		      "C: AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n"
		      "S: 235 2.7.0\n"
		      "C: AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n"
		      "S: 503 5.5.1\n");
	house_client(h, "127.0.0.1", SESSION_SUBMISSION, false);
	play(h, HELLO "C: auth login\n"
		      "S: 334 VXNlcm5hbWU6\n"
		      "C: cGlwQGV4YW1wbGUudGVzdA==\n"
		      "S: 334 UGFzc3dvcmQ6\n"
		      "C: c2VjcmV0\n"
		      "S: 235 2.7.0\n"
		      "C: EHLO x\n"
		      "S: 250-\n"
		      "C: MAIL FROM:<pip@example.test>\n"
		      "S: 250\n");
	house_client(h, "127.0.0.1", SESSION_SUBMISSION, false);
	play(h, HELLO "C: AUTH LOGIN cGlwQGV4YW1wbGUudGVzdA==\n"
		      "S: 334 UGFzc3dvcmQ6\n"
		      "C: c2VjcmV0\n"
		      "S: 235\n");
	house_free(h);
}

static void
auth_that_is_wrong(void **state)
{
	struct house *h = house_new(true, CLEAR "errors-limit = 100\n");
	char big[13000];

	(void)state;
	play(h, "S: 220\nC: AUTH PLAIN =\nS: 503 5.5.1\n"
		"C: EHLO x\nS: 250-\n"
		"C: AUTH\nS: 501 5.5.4\n"
		"C: AUTH FOO\nS: 504 5.5.4\n"
		"C: AUTH PLAIN !!!\nS: 501 5.5.2\n"
		"C: AUTH PLAIN ==\nS: 501 5.5.2\n"
		"C: AUTH PLAIN\nS: 334\nC: *\nS: 501 5.7.0\n"
		"C: AUTH LOGIN\nS: 334\nC: *\nS: 501 5.7.0\n"
		"C: NOOP\nS: 250\n"
		"C: MAIL FROM:<a@b>\nS: 530\n");
	auth_plain(h, "no nuls", "535 5.7.8");
	auth_plain(h, "\1a\nb\1c", "535 5.7.8");
	auth_plain(h, "\1pip@example.test\1wrong", "535 5.7.8");
	auth_plain(h, "x@y\1pip@example.test\1secret", "535 5.7.8");
	play(h, "C: AUTH PLAIN\nS: 334\n");
	memset(big, 'A', sizeof(big));
	house_send(h, big, sizeof(big));
	play(h, "C: \nS: 500 5.5.6\nC: NOOP\nS: 250\n");
	auth_plain(h, "\1pip@example.test\1secret", "235 2.7.0");
	house_free(h);
}

static void
guessing_ends_the_session(void **state)
{
	struct house *h = house_new(true, CLEAR);

	(void)state;
	play(h, HELLO);
	for (int i = 0; i < 4; i++)
		auth_plain(h, "\1pip@example.test\1wrong", "535 5.7.8");
	auth_plain(h, "\1pip@example.test\1wrong", "421 4.7.0");
	play(h, "S: closed\n");
	house_free(h);
}

static void
without_auth_nobody_is_told_he_is_wrong(void **state)
{
	struct house *h = house_new(true, CLEAR);

	(void)state;
	play(h, HELLO);
	h->auth_silent = true;
	play(h, "C: AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n-:\n");
	ipc_chan_close(h->auth);
	play(h, "S: 454 4.7.0\n"
		"C: AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n"
		"S: 454 4.7.0\n");
	h->auth_silent = false;
	house_connect_auth(h);
	play(h, "C: AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n"
		"S: 235 2.7.0\n");
	house_free(h);
}

static void
a_client_that_leaves_while_auth_thinks(void **state)
{
	struct house *h = house_new(true, CLEAR);

	(void)state;
	play(h, HELLO);
	h->auth_silent = true;
	play(h, "C: AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n-:\n");
	h->smtpd.stopping = false;
	fd_close(h->fd);
	h->fd = -1;
	house_turn(h);
	house_free(h); /* with its request still out */
}

/* -- TLS ---------------------------------------------------------------- */

static struct tls_ctx *server_ctx;
static struct tls_ctx *client_ctx;

static int
make_contexts(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();
	int cert_fd = memfd_create("cert", MFD_CLOEXEC);
	int key_fd = memfd_create("key", MFD_CLOEXEC);
	char err[256];
	FILE *f;

	(void)state;
	assert_true(cert_fd >= 0 && key_fd >= 0);
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
	server_ctx = tls_ctx_server(cert_fd, key_fd, "smtp", err, sizeof(err));
	client_ctx = tls_ctx_client(false, -1, err, sizeof(err));
	assert_non_null(server_ctx);
	assert_non_null(client_ctx);
	X509_free(cert);
	EVP_PKEY_free(key);
	close(cert_fd);
	close(key_fd);
	return 0;
}

static int
free_contexts(void **state)
{
	(void)state;
	tls_ctx_unref(server_ctx);
	tls_ctx_unref(client_ctx);
	return 0;
}

/* A pump between the house's client, who knows no TLS, and the session. */
struct pump {
	struct house *h;
	struct stream *s;
	int fd;
	bool ended;
};

static void
pump_input(void *arg, struct stream *s)
{
	struct pump *p = arg;
	struct buf *in = stream_in(s);

	assert_int_equal(buf_append(&p->h->got, in->data, in->len), 0);
	buf_consume(in, in->len);
}

static void
pump_ended(void *arg, struct stream *s, enum stream_end why)
{
	struct pump *p = arg;

	(void)s;
	(void)why;
	p->ended = true;
}

static const struct stream_ops pump_ops = { .input = pump_input,
	.ended = pump_ended };

/* The client turns to TLS. */
static void
pump_start(struct pump *p, struct house *h)
{
	int fd = dup(h->fd);

	assert_true(fd >= 0);
	*p = (struct pump){ .h = h, .fd = h->fd };
	p->s = stream_new(h->base, fd, 65536, 65536);
	stream_ops(p->s, &pump_ops, p);
	assert_int_equal(stream_starttls_client(p->s, client_ctx, NULL), 0);
	house_turn(h);
}

static void
pump_say(struct pump *p, const char *line, const char *want)
{
	assert_int_equal(stream_write_slice(p->s, slice_str(line)), 0);
	house_turn(p->h);
	if (strncmp(buf_str(&p->h->got), want, strlen(want)) != 0)
		fail_msg("wanted %s, got %s", want, buf_str(&p->h->got));
	buf_free(&p->h->got);
}

static void
starttls_and_all_is_forgotten(void **state)
{
	struct house *h = house_new(true, "");
	struct pump p;

	(void)state;
	h->smtpd.tls = tls_ctx_ref(server_ctx);
	play(h, HELLO "C: AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\n"
		      "S: 538 5.7.11\n"
		      "C: MAIL FROM:<a@b>\n"
		      "S: 530 5.7.0 Must issue a STARTTLS\n"
		      "C: STARTTLS now\n"
		      "S: 501 5.5.4\n"
		      "C: STARTTLS\n"
		      "S: 220 2.0.0\n");
	pump_start(&p, h);
	pump_say(&p, "MAIL FROM:<a@b>\r\n", "503 5.5.1");
	pump_say(
	    &p, "AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", "503 5.5.1");
	pump_say(&p, "EHLO x\r\n", "250-");
	pump_say(&p, "STARTTLS\r\n", "503 5.5.1");
	pump_say(
	    &p, "AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", "235 2.7.0");
	pump_say(&p,
	    "MAIL FROM:<a@b>\r\nRCPT TO:<pip@example.test>\r\nDATA\r\n",
	    "250 2.1.0");
	pump_say(&p, "Subject: x\r\n\r\n.\r\n", "250 2.0.0");
	assert_non_null(strstr(buf_str(&h->content), " with ESMTPSA id "));
	assert_non_null(
	    strstr(buf_str(&h->content), "(using TLSv1.3 with cipher TLS_"));
	/* TLS that ends, then bytes in clear: the end. */
	stream_free(p.s);
	(void)!write(h->fd, "NOOP\r\n", 6);
	house_read(h);
	assert_true(h->closed);
	assert_int_equal(h->smtpd.sessions.count, 0);
	house_free(h);
}

/* CVE-2026-45185: TLS ends inside a chunk, and bytes in clear follow. */
static void
tls_that_ends_inside_a_chunk_ends_the_mail(void **state)
{
	struct house *h = house_new(true, "networks = {127.0.0.0/8}\n");
	struct pump p;

	(void)state;
	h->smtpd.tls = tls_ctx_ref(server_ctx);
	house_client(h, "127.0.0.1", SESSION_SUBMISSIONS, false);
	pump_start(&p, h);
	pump_say(&p, "EHLO x\r\n", "220");
	pump_say(&p, "MAIL FROM:<a@b>\r\nRCPT TO:<pip@example.test>\r\n",
	    "250 2.1.0");
	pump_say(&p, "BDAT 100 LAST\r\nabc", "");
	stream_free(p.s); /* close_notify; the house holds the socket */
	(void)!write(h->fd, "x", 1);
	house_read(h);
	assert_true(h->closed);
	assert_int_equal(h->submits, 0);
	assert_int_equal(h->smtpd.sessions.count, 0);
	house_free(h);
}

static void
auth_begun_and_dropped_many_times(void **state)
{
	struct house *h = house_new(true, CLEAR "errors-limit = 1000\n");

	(void)state;
	play(h, HELLO);
	for (int i = 0; i < 300; i++)
		play(h, "C: AUTH LOGIN\nS: 334\nC: *\nS: 501 5.7.0\n"
			"C: AUTH PLAIN\nS: 334\nC: ?\nS: 501 5.5.2\n");
	auth_plain(h, "\1pip@example.test\1secret", "235 2.7.0");
	house_free(h);
}

static void
tls_from_the_start(void **state)
{
	struct house *h = house_new(true, "");
	struct pump p;

	(void)state;
	h->smtpd.tls = tls_ctx_ref(server_ctx);
	house_client(h, "127.0.0.1", SESSION_SUBMISSIONS, false);
	play(h, "-:\n");
	pump_start(&p, h);
	pump_say(&p, "", "220 mail.example.test");
	pump_say(&p, "EHLO x\r\n", "250-");
	stream_free(p.s);
	house_free(h);
}

static void
commands_behind_starttls_end_the_session(void **state)
{
	struct house *h = house_new(true, "");

	(void)state;
	h->smtpd.tls = tls_ctx_ref(server_ctx);
	play(h, HELLO "P: STARTTLS\nC: NOOP\nS: closed\n");
	house_client(h, "127.0.0.1", SESSION_SUBMISSION, false);
	play(h, HELLO "C: STARTTLS\nS: 220\nC: NOOP\n");
	house_read(h);
	assert_null(strstr(buf_str(&h->got), "250"));
	assert_true(h->closed);
	house_free(h);
}

static void
without_a_certificate_there_is_no_tls(void **state)
{
	struct house *h = house_new(true, "");

	(void)state;
	play(h, HELLO "C: STARTTLS\nS: 454 4.7.0\nC: NOOP\nS: 250\n");
	house_free(h);
}

static void
gone(void *arg)
{
	unsigned *times = arg;

	(*times)++;
}

/* A reload: nobody is sent away, and the end of the last is told once. */
static void
draining_serves_those_who_are_here_to_their_end(void **state)
{
	struct house *h = house_new(false, "");
	unsigned times = 0;

	(void)state;
	h->smtpd.gone = gone;
	h->smtpd.gone_arg = &times;
	play(h, "S: 220\nC: EHLO c.example\nS: 250-\n");
	smtpd_drain(&h->smtpd);
	play(h, "C: NOOP\nS: 250\nC: MAIL FROM:<a@b.example>\nS: 250\n"
		"C: RCPT TO:<pip@example.test>\nS: 250\nC: DATA\nS: 354\n"
		"C: .\nS: 250\n");
	assert_int_equal(h->submits, 1);
	assert_int_equal(times, 0);
	play(h, "C: QUIT\nS: 221\nS: closed\n");
	assert_int_equal(times, 1);
	h->smtpd.gone = NULL;
	house_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_without_a_login),
		cmocka_unit_test(networks_may_send_without_a_login),
		cmocka_unit_test(missing_fields_are_added),
		cmocka_unit_test(missing_fields_are_added_to_large_mails),
		cmocka_unit_test(auth_in_all_ways),
		cmocka_unit_test(auth_that_is_wrong),
		cmocka_unit_test(guessing_ends_the_session),
		cmocka_unit_test(without_auth_nobody_is_told_he_is_wrong),
		cmocka_unit_test(a_client_that_leaves_while_auth_thinks),
		cmocka_unit_test(starttls_and_all_is_forgotten),
		cmocka_unit_test(tls_that_ends_inside_a_chunk_ends_the_mail),
		cmocka_unit_test(auth_begun_and_dropped_many_times),
		cmocka_unit_test(tls_from_the_start),
		cmocka_unit_test(commands_behind_starttls_end_the_session),
		cmocka_unit_test(without_a_certificate_there_is_no_tls),
		cmocka_unit_test(
		    draining_serves_those_who_are_here_to_their_end),
	};

	return cmocka_run_group_tests(tests, make_contexts, free_contexts);
}
