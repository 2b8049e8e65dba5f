#ifndef RESOLVER_NAME_H
#define RESOLVER_NAME_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/ipc/messages.h"
#include "resolver/answer.h"

/*
 * name - what may be asked. Turns the name of a RESOLVE_ASK into the one
 * put to the DNS: international names in their ASCII form (RFC 5891), an
 * IP address asked for its PTR as in-addr.arpa or ip6.arpa (RFC 1035
 * §3.5, RFC 3596 §2.5), one dot at the end left out, letters small.
 * Returns 0, or -1 when no such name can exist.
 */
int name_ask(
    char dst[DNS_NAME_MAX], struct slice name, enum ipc_dns type) MUST_USE;

#endif
