#ifndef RESOLVER_ANSWER_H
#define RESOLVER_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/ipc/messages.h"

/*
 * answer - what a DNS response says to one question (RFC 1035 §4). The
 * packet is a stranger's: records that lie about their length, hold names
 * that are no host names or exceed the limits are left out, a packet that
 * cannot be read is a temporary failure. Nothing is believed beyond the
 * chain of aliases that starts at the question's name.
 */
#define ANSWER_RECORDS_MAX 100   /* of the wanted type; the rest is left out */
#define ANSWER_BYTES_MAX   60000 /* of all records together, as encoded */
#define ANSWER_ALIASES_MAX 12    /* CNAMEs followed */
#define ANSWER_TTL_MAX     86400
#define ANSWER_TTL_NONE    60 /* where no record says how long */

/* Longest name as text with its NUL, without the last dot. */
#define DNS_NAME_MAX 254

struct answer {
	enum ipc_dns_status status;
	uint32_t ttl_s;
	size_t count;
	struct buf records; /* ipc_dns_record, one after the other; owned */
};

/*
 * Read a packet of len bytes that answers name (text, any case, no last
 * dot) and type. *a is filled in every case and wants answer_free(). With
 * DNS_OK there are records, but that MX records which are all left out
 * are DNS_OK with none: the name has some.
 */
void answer_read(
    struct answer *a, struct slice packet, const char *name, enum ipc_dns type);

void answer_free(struct answer *a);

/* The type's number in the DNS, 0 for none. */
uint16_t answer_rrtype(enum ipc_dns type);

/*
 * Read the name that begins at *at, pointers followed (RFC 1035 §4.1.4),
 * into dst: lower case, dots between labels, "." for the root, bytes that
 * no host name has as '?'. *at moves behind it. *host tells whether it
 * could name a host (letters, digits, '-' and '_'; last label not only
 * digits). False when it cannot be read.
 */
bool answer_name(
    struct slice packet, size_t *at, char dst[DNS_NAME_MAX], bool *host);

#endif
