#ifndef RELAY_MX_H
#define RELAY_MX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/* mx - the mail servers of a domain in the order to try (RFC 5321 §5.1). */
#define MX_HOSTS_MAX 20 /* the rest, least preferred, is left out */

struct mx_host {
	char name[256];
	uint16_t preference;
};

struct mx {
	struct mx_host hosts[MX_HOSTS_MAX];
	size_t count;
	bool null;   /* RFC 7505: this domain takes no mail */
	bool loops;  /* we are the most preferred ourselves */
	bool single; /* made by mx_single() */
};

/*
 * From the dns_records of a RESOLVED: sorted by preference, in random
 * order within one; from our own host name (self) on everything is cut
 * off, as nobody behind us takes over what we must not send to ourselves.
 */
void mx_read(struct mx *m, struct slice records, const char *self);

/*
 * A name for the set of hosts, the same in whatever order they come: their
 * names in order, with a checksum of all where they do not fit. "" when
 * the hosts did not come from MX records.
 */
#define MX_GROUP_MAX 320
void mx_group(const struct mx *m, char dst[MX_GROUP_MAX]);

/* One host, for a domain without MX records or a host named directly. */
void mx_single(struct mx *m, const char *name);

#endif
