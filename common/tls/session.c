#include "common/tls/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/tls/ctx.h"

struct tls_session {
	SSL *ssl;
	struct tls_ctx *ctx; /* a reference */
	struct tls_socket socket;
	const char *error;
	bool up; /* the handshake has succeeded */
	bool broken;
};

static bool
session_set_bio(struct tls_session *t)
{
	BIO *bio = BIO_new(t->ctx->socket);

	if (bio == NULL)
		return false;
	BIO_set_data(bio, &t->socket);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio); /* takes our one reference */
	return true;
}

/* SNI carries host names only (RFC 6066 §3), a certificate both. */
static bool
session_set_name(SSL *ssl, const char *name)
{
	struct in6_addr addr;
	/* OpenSSL's macro casts const away; it only copies the name. */
	char *sni = (char *)(uintptr_t)name;

	if (inet_pton(AF_INET, name, &addr) == 1 ||
	    inet_pton(AF_INET6, name, &addr) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(
			   SSL_get0_param(ssl), name) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, sni) == 1 &&
	       SSL_set1_host(ssl, name) == 1;
}

struct tls_session *
tls_session_new(struct tls_ctx *ctx, int fd, bool server, const char *name)
{
	struct tls_session *t = xcalloc(1, sizeof(*t));

	t->ctx = tls_ctx_ref(ctx);
	t->socket.fd = fd;
	t->error = "TLS";
	t->ssl = SSL_new(ctx->ssl);
	t->socket.ssl = t->ssl;
	if (t->ssl == NULL || !session_set_bio(t))
		goto fail;
	if (name != NULL && *name != '\0' && !session_set_name(t->ssl, name))
		goto fail;
	if (server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
fail:
	ERR_clear_error();
	tls_session_free(t);
	return NULL;
}

void
tls_session_free(struct tls_session *t)
{
	if (t == NULL)
		return;
	if (t->ssl != NULL)
		tls_session_shutdown(t);
	SSL_free(t->ssl);
	tls_ctx_unref(t->ctx);
	free(t);
}

void
tls_session_shutdown(struct tls_session *t)
{
	if (!t->up || t->broken ||
	    (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return;
	/* Once is enough: the peer's answer is not waited for. */
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

static const char *
session_why(const struct tls_session *t, int saved)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);
	long verify = SSL_get_verify_result(t->ssl);

	if (verify != X509_V_OK && t->ctx->verify && !t->up)
		return X509_verify_cert_error_string(verify);
	if (code != 0 && reason != NULL)
		return reason;
	return saved != 0 ? strerrordesc_np(saved) : "TLS failure";
}

/* What an SSL_ call that returned rc <= 0 means. */
static enum tls_result
session_result(struct tls_session *t, int rc, int saved)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default: /* SSL_ERROR_SSL, SSL_ERROR_SYSCALL: no way on */
		t->error = session_why(t, saved);
		t->broken = true;
		ERR_clear_error();
		return TLS_FAILED;
	}
}

static void
session_begin(void)
{
	ERR_clear_error();
	errno = 0;
}

enum tls_result
tls_session_handshake(struct tls_session *t)
{
	enum tls_result r;
	int rc;

	session_begin();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1) {
		t->up = true;
		return TLS_OK;
	}
	r = session_result(t, rc, errno);
	if (r == TLS_CLOSED) {
		t->error = "closed during the TLS handshake";
		r = TLS_FAILED;
	}
	return r;
}

enum tls_result
tls_session_read(struct tls_session *t, void *p, size_t n, size_t *done)
{
	int rc;

	session_begin();
	rc = SSL_read_ex(t->ssl, p, n, done);
	return rc == 1 ? TLS_OK : session_result(t, rc, errno);
}

enum tls_result
tls_session_write(struct tls_session *t, const void *p, size_t n, size_t *done)
{
	enum tls_result r;
	int saved;
	int rc;

	session_begin();
	rc = SSL_write_ex(t->ssl, p, n, done);
	saved = errno;
	if (rc == 1)
		return TLS_OK;
	r = session_result(t, rc, saved);
	if (r != TLS_CLOSED)
		return r;
	/* The peer had ended its side; now it takes nothing any more. */
	t->error = saved != 0 ? strerrordesc_np(saved) : "closed";
	t->broken = true;
	return TLS_FAILED;
}

bool
tls_session_more(const struct tls_session *t)
{
	return !t->socket.emptied || SSL_has_pending(t->ssl) == 1;
}

const char *
tls_session_error(const struct tls_session *t)
{
	return t->error;
}

const char *
tls_session_version(const struct tls_session *t)
{
	return t->up ? SSL_get_version(t->ssl) : NULL;
}

const char *
tls_session_cipher(const struct tls_session *t)
{
	return t->up ? SSL_get_cipher_name(t->ssl) : NULL;
}

bool
tls_session_verified(const struct tls_session *t)
{
	X509 *peer;

	if (!t->up)
		return false;
	peer = SSL_get0_peer_certificate(t->ssl);
	return peer != NULL && SSL_get_verify_result(t->ssl) == X509_V_OK;
}
