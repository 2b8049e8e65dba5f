#ifndef ROUTER_FIND_H
#define ROUTER_FIND_H

#include <stdint.h>

#include "common/table/userdb.h"
#include "router/lookup.h"

/*
 * find - what an address is: an alias, a mailbox here, somebody else's, or
 * nothing. In one of our domains these are asked, in this order:
 *
 *	1. virtual-alias-maps    the address, then without its tag
 *	2. alias-maps            the local part, then without its tag
 *	3. mailboxes             the address, then without its tag
 *	4. virtual-alias-maps    @domain, which catches what is left
 *	5. transport-maps        a domain may have users elsewhere too
 *
 * and for others 1, 4 and then the way out. The order of Postfix but for
 * one point: @domain does not hide mailboxes.
 */
struct config;

enum find_kind {
	FIND_VIRTUAL, /* value: the targets */
	FIND_ALIAS,   /* value: the targets; name: of the alias */
	FIND_MAILBOX, /* account */
	FIND_OTHER,   /* not in our domains; to be sent on */
	FIND_UNKNOWN, /* in our domains, and nobody */
	FIND_TROUBLE, /* a table failed or holds nonsense; it is logged */
};

struct found {
	enum find_kind kind;
	struct buf value;             /* freed by find_free() */
	struct userdb_record account; /* home borrowed from value */
	struct slice name;            /* borrowed from the path asked for */
	struct slice tag; /* likewise: what stood behind the delimiter */
};

#define FIND_MAILBOX_ONLY 1U /* look at mailboxes alone */

/* Fill *f, which find_free() empties in any case. */
void find_address(const struct config *c, const struct lookup *lookup,
    const struct path *path, unsigned flags, struct found *f);
void find_free(struct found *f);

/* Are mailboxes of this domain here? */
bool find_is_local(const struct config *c, const char *domain);

#endif
