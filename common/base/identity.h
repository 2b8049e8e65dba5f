#ifndef COMMON_BASE_IDENTITY_H
#define COMMON_BASE_IDENTITY_H

#include <sys/types.h>

/*
 * Is a directory the one it was last time, or is what should be mounted there
 * not mounted, or something else? A random number says so: STATE/NAME/.identity
 * bears it, and STATE/identity.NAME remembers it.
 */

/*
 * Before the directory is made or used. 0: it is, or nothing is remembered.
 * -1 after logging, with what can be done about it. The directory may be
 * closed to root without capabilities: it is entered as its owner.
 */
int identity_check(const char *state, const char *name);

/*
 * Give the directory its number if it has none, and remember it. Durable
 * afterwards. -1 after logging.
 */
int identity_settle(const char *state, const char *name);

#endif
