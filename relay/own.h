#ifndef RELAY_OWN_H
#define RELAY_OWN_H

#include <stddef.h>

#include "common/base/attr.h"
#include "relay/target.h"

/*
 * own - the addresses of this host, without netlink: a kernel interface that
 * large is better closed to the whole house. Needs /proc, so before the walls.
 */

/*
 * At most max of them; how many. What cannot be had is logged and missing:
 * only loopback is known as ours then, and mail still goes.
 */
size_t own_addresses(union target_address *own, size_t max) MUST_USE;

#endif
