#ifndef ROUTER_TARGET_H
#define ROUTER_TARGET_H

#include "common/base/buf.h"

/*
 * target - the right-hand side of an alias, cut into its targets. Pure.
 * Commas and white space stand between them, quotes hold them together;
 * `|command` and `:include:` reach to the next comma.
 */
enum target_kind {
	TARGET_END,
	TARGET_ADDRESS, /* user@domain, or user alone */
	TARGET_DOMAIN,  /* @domain: the same local part there */
	TARGET_LITERAL, /* \user: the mailbox, whatever the aliases say */
	TARGET_COMMAND, /* |command */
	TARGET_FILE,    /* /path */
	TARGET_INCLUDE, /* :include:/path */
};

/*
 * Cut the next target off *rest. text is borrowed from *rest, without the
 * angle brackets, the backslash, or quotes around all of it.
 */
enum target_kind target_next(struct slice *rest, struct slice *text) MUST_USE;

#endif
