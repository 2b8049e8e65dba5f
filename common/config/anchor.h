#ifndef COMMON_CONFIG_ANCHOR_H
#define COMMON_CONFIG_ANCHOR_H

#include <stdbool.h>

#include "common/base/buf.h"

/*
 * anchor - the DS and DNSKEY records of a trust anchor file, in the form
 * of a zone file (RFC 1035 §5.1): `;` comments, parentheses over several
 * lines, optional TTL and class. What unbound's root.key and dns-root-data
 * hold.
 */
#define ANCHOR_BYTES_MAX  65536 /* of the file */
#define ANCHOR_RECORD_MAX 4096  /* of one record on one line */

struct anchor_in {
	struct slice rest;
	struct buf line;
};

void anchor_open(struct anchor_in *in, struct slice text);

/*
 * The next DS or DNSKEY record on one line, borrowed until the next call,
 * and its owner; 1, 0 at the end, -1 when the text cannot be read. Other
 * records and $ directives are passed over.
 */
int anchor_next(
    struct anchor_in *in, const char **record, struct slice *owner) MUST_USE;

void anchor_close(struct anchor_in *in);

/* Does name lie at or under zone (case ignored, last dots too)? */
bool anchor_covers(struct slice zone, struct slice name);

#endif
