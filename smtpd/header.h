#ifndef SMTPD_HEADER_H
#define SMTPD_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * header - looks at a mail's header while it comes in, a piece at a time:
 * its size, how many hosts have passed it on, which fields are there. Lines
 * end with CRLF (the receiver saw to it). Pure.
 */
#define HEADER_NAME_MAX 12 /* longest name looked for, and its colon */

struct header_scan {
	uint64_t bytes;    /* of the header so far, its empty line included */
	unsigned received; /* Received fields */
	bool has_date;
	bool has_message_id;
	bool done;    /* the empty line has come */
	bool in_line; /* the rest of this line does not matter */
	uint8_t n;    /* bytes in name */
	char name[HEADER_NAME_MAX];
};

void header_scan(struct header_scan *h, struct slice piece);

#endif
