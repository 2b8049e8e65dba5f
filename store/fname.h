#ifndef STORE_FNAME_H
#define STORE_FNAME_H

#include <stdint.h>

#include "common/base/slice.h"

/*
 * Names of message files in cur/:
 *
 *	DATE.ZzoneWid.wm,S=size,U=uid.uidvalidity:2,FLAGS
 *
 * All that a mailbox cannot do without, should everything else be lost.
 * The flags are those of the moment the name was given; it never changes.
 */
#define FNAME_MAX 160 /* bytes, NUL not counted */

struct fname {
	int64_t date_s;
	int16_t zone_min;
	uint64_t id;
	uint64_t size;
	uint32_t uid;
	uint32_t uidvalidity;
	unsigned flags; /* within MESSAGE_FLAGS */
};

/* Write the name and a NUL. */
void fname_format(const struct fname *f, char out[FNAME_MAX + 1]);

/*
 * Parse a name of ours; letters behind ":2," that are not known are passed
 * over. -1 with errno EINVAL for every other name.
 */
int fname_parse(struct slice name, struct fname *f) MUST_USE;

/* The flags behind ":2," of any Maildir name; 0 without. */
unsigned fname_flags(struct slice name);

#endif
