#include "common/ipc/proc.h"

#include <string.h>

#include "common/base/attr.h"

static const char *const names[] = {
	[PROC_MASTER] = "master",
	[PROC_SMTPD] = "smtpd",
	[PROC_SUBMISSION] = "submission",
	[PROC_QUEUE] = "queue",
	[PROC_ROUTER] = "router",
	[PROC_RESOLVER] = "resolver",
	[PROC_RELAY] = "relay",
	[PROC_DELIVER] = "deliver",
	[PROC_BOUNCE] = "bounce",
	[PROC_AUTH] = "auth",
	[PROC_IMAPD] = "imapd",
	[PROC_IMAP_USHER] = "imap-usher",
	[PROC_POP3D] = "pop3d",
	[PROC_POP3_USHER] = "pop3-usher",
	[PROC_CLI] = "cli",
};

_Static_assert(ARRAY_LEN(names) == PROC_COUNT, "a name for every process");

const char *
proc_name(enum proc p)
{
	return (unsigned)p < PROC_COUNT ? names[p] : "unknown";
}

enum proc
proc_by_name(const char *name)
{
	for (unsigned i = 0; i < PROC_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum proc)i;
	return PROC_COUNT;
}
