#ifndef COMMON_TLS_CTX_H
#define COMMON_TLS_CTX_H

#include <stdbool.h>

#include "common/base/buf.h"

/*
 * ctx - what TLS connections of one kind share. Counted: connections hold
 * it, so a reload can put a new one in place while old ones go on.
 */
struct tls_ctx;

/*
 * For servers: certificate chain and key in PEM, read from descriptors at
 * offset 0 (both stay open). alpn: "imap", "pop3", "smtp" (RFC 7301; a
 * client that offers only others is refused), or NULL. TLS 1.2 and up.
 * NULL with a message in err (cap bytes).
 */
struct tls_ctx *tls_ctx_server(
    int cert_fd, int key_fd, const char *alpn, char *err, size_t cap) MUST_USE;

/*
 * For clients: opportunistic (any certificate is fine) or verifying
 * against the PEM roots in ca_fd (-1: none).
 */
struct tls_ctx *tls_ctx_client(
    bool verify, int ca_fd, char *err, size_t cap) MUST_USE;

/* Give up one reference; NULL is fine. */
void tls_ctx_unref(struct tls_ctx *ctx);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *ctx);

#endif
