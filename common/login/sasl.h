#ifndef COMMON_LOGIN_SASL_H
#define COMMON_LOGIN_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/slice.h"

/*
 * sasl - the server's side of PLAIN (RFC 4616) and LOGIN, and what a client
 * says it is. Pure: base64 in, credentials out.
 */
#define LOGIN_NAME_MAX   320
#define LOGIN_SECRET_MAX 1024

/* Wiped by credentials_wipe(), which every owner calls after use. */
struct credentials {
	char authzid[LOGIN_NAME_MAX + 1]; /* "" : the same as user */
	char user[LOGIN_NAME_MAX + 1];
	char secret[LOGIN_SECRET_MAX + 1];
	size_t secret_len;
};

/*
 * Copy a name or a secret in. -1 when it is too long or cannot be one: a
 * name is UTF-8 without control characters and not empty, a secret holds no
 * NUL.
 */
int credentials_user(struct credentials *who, struct slice user) MUST_USE;
int credentials_secret(struct credentials *who, struct slice secret) MUST_USE;
void credentials_wipe(struct credentials *who);

enum sasl_mechanism { SASL_NONE, SASL_PLAIN, SASL_LOGIN };

struct sasl {
	enum sasl_mechanism mechanism;
	bool has_user; /* LOGIN: the name has come */
};

enum sasl_result {
	SASL_DONE,      /* who is filled */
	SASL_CHALLENGE, /* send sasl_challenge(), feed the answer */
	SASL_CANCELLED, /* the client sent "*" */
	SASL_BAD,       /* not base64 */
	SASL_REFUSED,   /* can be nobody's credentials: a failed login */
};

/* What CAPABILITY, CAPA and EHLO name, in our order of preference. */
#define SASL_MECHANISMS "PLAIN LOGIN"

/* Begin anew. False when we do not know the mechanism. */
bool sasl_begin(struct sasl *s, struct slice mechanism) MUST_USE;

/* The challenge that is due now, in base64; may be "". */
const char *sasl_challenge(const struct sasl *s);

/*
 * One response line in base64, without its CRLF. After anything but
 * SASL_CHALLENGE the exchange is over.
 */
enum sasl_result sasl_respond(
    struct sasl *s, struct slice line, struct credentials *who) MUST_USE;

/* The same for an initial response, where "=" is the empty one (RFC 4959). */
enum sasl_result sasl_initial(
    struct sasl *s, struct slice line, struct credentials *who) MUST_USE;

#endif
