#include "common/tls/ctx.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tls/session.h"

#define PEM_FILE_MAX (size_t)(4 * 1024 * 1024)

/*
 * TLS 1.3, best first: what every client must know (RFC 8446 §9.1) leads,
 * as its hash takes half the time of SHA-384 in a handshake.
 */
#define SUITES                                                                 \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"                       \
	"TLS_CHACHA20_POLY1305_SHA256"

static void
ctx_complain(char *err, size_t cap, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	(void)snprintf(err, cap, "%s: %s", what,
	    reason != NULL ? reason : "no such data in the file");
	ERR_clear_error();
}

/* All of the file behind fd, whatever its offset is. */
static int
ctx_read_file(int fd, struct buf *b)
{
	if (file_pread(fd, b) == -1)
		return -1;
	if (b->len == 0) {
		errno = ENODATA;
		return -1;
	}
	return 0;
}

/* A key with a passphrase is refused: nobody is there to be asked. */
static int
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type */
ctx_no_passphrase(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

/* A BIO over the file's content, which b then holds. */
static BIO *
ctx_open_pem(int fd, struct buf *b, char *err, size_t cap)
{
	if (ctx_read_file(fd, b) == -1) {
		(void)snprintf(
		    err, cap, "cannot read the file: %s", strerror(errno));
		return NULL;
	}
	return BIO_new_mem_buf(b->data, (int)b->len);
}

/* Our certificate first, then those that lead to the root. */
static bool
ctx_add_chain(SSL_CTX *ssl, BIO *pem)
{
	X509 *cert = PEM_read_bio_X509_AUX(pem, NULL, ctx_no_passphrase, NULL);
	bool ok;

	if (cert == NULL)
		return false;
	ok = SSL_CTX_use_certificate(ssl, cert) == 1;
	X509_free(cert);
	while (ok) {
		cert = PEM_read_bio_X509(pem, NULL, ctx_no_passphrase, NULL);
		if (cert == NULL)
			break;
		ok = SSL_CTX_add0_chain_cert(ssl, cert) == 1;
		if (!ok)
			X509_free(cert);
	}
	if (ok)
		ERR_clear_error(); /* the end of the file is no error */
	return ok;
}

static int
ctx_load_chain(SSL_CTX *ssl, int fd, char *err, size_t cap)
{
	struct buf text = BUF_INIT(PEM_FILE_MAX);
	BIO *pem = ctx_open_pem(fd, &text, err, cap);
	int rc = -1;

	if (pem == NULL)
		goto out;
	if (!ctx_add_chain(ssl, pem)) {
		ctx_complain(err, cap, "certificate");
		goto out;
	}
	rc = 0;
out:
	BIO_free(pem);
	buf_free(&text);
	return rc;
}

static int
ctx_load_key(SSL_CTX *ssl, int fd, char *err, size_t cap)
{
	struct buf text = BUF_INIT(PEM_FILE_MAX);
	BIO *pem = ctx_open_pem(fd, &text, err, cap);
	EVP_PKEY *key = NULL;
	int rc = -1;

	if (pem == NULL)
		goto out;
	key = PEM_read_bio_PrivateKey(pem, NULL, ctx_no_passphrase, NULL);
	if (key == NULL || SSL_CTX_use_PrivateKey(ssl, key) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1) {
		ctx_complain(err, cap, "key");
		goto out;
	}
	rc = 0;
out:
	EVP_PKEY_free(key);
	BIO_free(pem);
	buf_wipe(&text);
	return rc;
}

/*
 * RFC 7301 §3.2. The client's list is protocol names, each with its length
 * before it. A list without ours is refused: it was meant for another
 * server with the same certificate.
 */
static int
/* NOLINTNEXTLINE(readability-function-size): OpenSSL's type */
ctx_select_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *arg)
{
	const struct tls_ctx *ctx = arg;
	size_t want = strlen(ctx->alpn);

	(void)ssl;
	for (unsigned i = 0; i < inlen && in[i] <= inlen - i - 1;
	     i += 1U + in[i]) {
		if (in[i] != want || memcmp(in + i + 1, ctx->alpn, want) != 0)
			continue;
		*out = in + i + 1;
		*outlen = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/*
 * Nobody waits for a ticket: it goes with what is said next, or by itself
 * in a fifth of a second.
 */
static int
ctx_send_flags(const struct tls_socket *s)
{
	if (SSL_get_state(s->ssl) == TLS_ST_SW_SESSION_TICKET)
		return MSG_NOSIGNAL | MSG_MORE;
	return MSG_NOSIGNAL;
}

static int
ctx_bio_write(BIO *bio, const char *p, int n)
{
	const struct tls_socket *s = BIO_get_data(bio);
	int flags = ctx_send_flags(s);
	ssize_t k;

	do
		k = send(s->fd, p, (size_t)n, flags);
	while (k == -1 && errno == EINTR);
	BIO_clear_retry_flags(bio);
	if (k == -1 && errno == EAGAIN)
		BIO_set_retry_write(bio);
	return (int)k;
}

static int
ctx_bio_read(BIO *bio, char *p, int n)
{
	struct tls_socket *s = BIO_get_data(bio);
	ssize_t k;

	do
		k = recv(s->fd, p, (size_t)n, 0);
	while (k == -1 && errno == EINTR);
	s->emptied = k < n;
	BIO_clear_retry_flags(bio);
	if (k == -1 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	if (k == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)k;
}

static long
ctx_bio_ctrl(BIO *bio, int what, long num, void *p)
{
	(void)num;
	(void)p;
	switch (what) {
	case BIO_CTRL_FLUSH:
	case BIO_CTRL_DUP:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default: /* OpenSSL's own list; what we do not know is 0 */
		return 0;
	}
}

static bool
ctx_make_bio_method(struct tls_ctx *ctx)
{
	int type = BIO_get_new_index();

	if (type == -1)
		return false;
	ctx->socket =
	    BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "wemmick socket");
	return ctx->socket != NULL &&
	       BIO_meth_set_write(ctx->socket, ctx_bio_write) == 1 &&
	       BIO_meth_set_read(ctx->socket, ctx_bio_read) == 1 &&
	       BIO_meth_set_ctrl(ctx->socket, ctx_bio_ctrl) == 1;
}

static struct tls_ctx *
ctx_new(const SSL_METHOD *method, char *err, size_t cap)
{
	struct tls_ctx *ctx = xcalloc(1, sizeof(*ctx));

	/*
	 * Everything OpenSSL may look up in files is looked up now: later
	 * there is no file system.
	 */
	ctx->refs = 1;
	if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG |
				 OPENSSL_INIT_LOAD_SSL_STRINGS |
				 OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
		NULL) != 1 ||
	    !ctx_make_bio_method(ctx))
		goto fail;
	ctx->ssl = SSL_CTX_new(method);
	if (ctx->ssl == NULL ||
	    SSL_CTX_set_min_proto_version(ctx->ssl, TLS1_2_VERSION) != 1)
		goto fail;
	(void)SSL_CTX_set_options(ctx->ssl,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_SINGLE_ECDH_USE);
	/* Our chain is in the file: no search for one at each handshake. */
	(void)SSL_CTX_set_mode(ctx->ssl,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx->ssl, 1);
	(void)SSL_CTX_set_session_cache_mode(ctx->ssl, SSL_SESS_CACHE_OFF);
	return ctx;
fail:
	ctx_complain(err, cap, "OpenSSL");
	tls_ctx_unref(ctx);
	return NULL;
}

struct tls_ctx *
tls_ctx_server(int cert_fd, int key_fd, const char *alpn, char *err, size_t cap)
{
	struct tls_ctx *ctx = ctx_new(TLS_server_method(), err, cap);
	/* A ticket of one service is worth nothing at another. */
	const char *id = alpn == NULL ? "wemmick" : alpn;

	if (ctx == NULL)
		return NULL;
	(void)SSL_CTX_set_options(ctx->ssl,
	    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_dh_auto(ctx->ssl, 1);
	(void)SSL_CTX_set_num_tickets(ctx->ssl, 1);
	if (SSL_CTX_set_session_id_context(ctx->ssl, (const unsigned char *)id,
		(unsigned)strlen(id)) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx->ssl, SUITES) != 1 ||
	    SSL_CTX_set_cipher_list(ctx->ssl, "DEFAULT:!aNULL:!eNULL") != 1) {
		ctx_complain(err, cap, "OpenSSL");
		goto fail;
	}
	if (ctx_load_chain(ctx->ssl, cert_fd, err, cap) == -1 ||
	    ctx_load_key(ctx->ssl, key_fd, err, cap) == -1)
		goto fail;
	ctx->alpn = alpn;
	if (alpn != NULL)
		SSL_CTX_set_alpn_select_cb(ctx->ssl, ctx_select_alpn, ctx);
	return ctx;
fail:
	tls_ctx_unref(ctx);
	return NULL;
}

static int
ctx_load_roots(SSL_CTX *ssl, int fd, char *err, size_t cap)
{
	struct buf text = BUF_INIT(PEM_FILE_MAX);
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	BIO *pem = ctx_open_pem(fd, &text, err, cap);
	int rc = -1;
	X509 *cert;

	if (pem == NULL)
		goto out;
	while ((cert = PEM_read_bio_X509(pem, NULL, ctx_no_passphrase, NULL)) !=
	       NULL) {
		if (X509_STORE_add_cert(store, cert) == 1)
			rc = 0;
		X509_free(cert);
	}
	if (rc == -1)
		ctx_complain(err, cap, "roots");
	ERR_clear_error();
out:
	BIO_free(pem);
	buf_free(&text);
	return rc;
}

struct tls_ctx *
tls_ctx_client(bool verify, int ca_fd, char *err, size_t cap)
{
	struct tls_ctx *ctx = ctx_new(TLS_client_method(), err, cap);
	/* Opportunistic: a weak key still beats clear text (RFC 7435). */
	const char *ciphers = verify ? "DEFAULT:!aNULL:!eNULL"
				     : "DEFAULT:!aNULL:!eNULL:@SECLEVEL=1";

	if (ctx == NULL)
		return NULL;
	ctx->verify = verify;
	if (SSL_CTX_set_cipher_list(ctx->ssl, ciphers) != 1) {
		ctx_complain(err, cap, "OpenSSL");
		goto fail;
	}
	if (ca_fd != -1 && ctx_load_roots(ctx->ssl, ca_fd, err, cap) == -1)
		goto fail;
	SSL_CTX_set_verify(
	    ctx->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	return ctx;
fail:
	tls_ctx_unref(ctx);
	return NULL;
}

void
tls_ctx_unref(struct tls_ctx *ctx)
{
	if (ctx == NULL || --ctx->refs > 0)
		return;
	SSL_CTX_free(ctx->ssl);
	BIO_meth_free(ctx->socket);
	free(ctx);
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *ctx)
{
	ctx->refs++;
	return ctx;
}
