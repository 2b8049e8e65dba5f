#ifndef COMMON_TLS_SESSION_H
#define COMMON_TLS_SESSION_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/base/attr.h"

/*
 * session - OpenSSL on one non-blocking socket; what stream.c needs of it
 * and nobody else includes. Never blocks, never raises SIGPIPE.
 */
struct tls_ctx {
	SSL_CTX *ssl;
	BIO_METHOD *socket; /* sends with MSG_NOSIGNAL */
	const char *alpn;   /* borrowed; NULL: any */
	bool verify;
	unsigned refs;
};

/* What the BIO works on. */
struct tls_socket {
	const SSL *ssl;
	int fd;
	bool emptied; /* the last read got less than it had room for */
};

struct tls_session; /* private */

enum tls_result {
	TLS_OK = 0,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_CLOSED, /* close_notify, or the transport has ended */
	TLS_FAILED, /* tls_session_error() says why */
};

/*
 * A session on fd, which stays the caller's. server: we answer the
 * handshake. name (client, may be NULL): for SNI, and what a certificate is
 * checked against. NULL when OpenSSL refuses. Holds a reference of ctx.
 */
struct tls_session *tls_session_new(
    struct tls_ctx *ctx, int fd, bool server, const char *name) MUST_USE;

/* Tries to send close_notify, then releases; NULL is fine. */
void tls_session_free(struct tls_session *t);

enum tls_result tls_session_handshake(struct tls_session *t) MUST_USE;

/* At most n bytes; *done says how many on TLS_OK (more than 0). */
enum tls_result tls_session_read(
    struct tls_session *t, void *p, size_t n, size_t *done) MUST_USE;
enum tls_result tls_session_write(
    struct tls_session *t, const void *p, size_t n, size_t *done) MUST_USE;

/*
 * May there be more to read that the kernel would not tell of? What it tells
 * of has come since.
 */
bool tls_session_more(const struct tls_session *t);

/* Send close_notify if the session is in a state to. */
void tls_session_shutdown(struct tls_session *t);

const char *tls_session_error(const struct tls_session *t);
const char *tls_session_version(const struct tls_session *t);
const char *tls_session_cipher(const struct tls_session *t);
bool tls_session_verified(const struct tls_session *t);

#endif
