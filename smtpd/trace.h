#ifndef SMTPD_TRACE_H
#define SMTPD_TRACE_H

#include <stdbool.h>
#include <time.h>

#include "common/base/buf.h"

/*
 * trace - the fields we put in front of a mail: Received (RFC 5321 §4.4,
 * protocol names of RFC 3848 and 6531 §4.3), and on submission a Date and a
 * Message-ID where the client left them out (RFC 6409 §8). Pure.
 */
struct trace {
	const char *helo;    /* as given; NULL: none */
	const char *name;    /* of the client by DNS, NULL: not known */
	const char *address; /* IPv4 or IPv6 in text */
	const char *host;    /* our name */
	const char *id;
	const char *tls_version; /* NULL without TLS */
	const char *tls_cipher;
	const char *recipient; /* the only one; NULL: several */
	bool esmtp;
	bool authenticated;
	bool utf8;
	time_t when; /* wall seconds */
};

/* Append the Received field. Errors as buf_append(). */
int trace_received(struct buf *b, const struct trace *t) MUST_USE;

/* Append the fields that are missing; random: 16 bytes nobody knows. */
int trace_date(struct buf *b, time_t when) MUST_USE;
int trace_message_id(
    struct buf *b, const char random[16], const char *host) MUST_USE;

/* "ESMTPSA" and the like. */
const char *trace_protocol(const struct trace *t);

#endif
