#ifndef COMMON_IPC_PROC_H
#define COMMON_IPC_PROC_H

#include <stdint.h>

/*
 * Every kind of process there is. The number is part of the IPC format
 * between programs of one installation; new ones go to the end.
 */
enum proc {
	PROC_MASTER = 0,
	PROC_SMTPD = 1,
	PROC_SUBMISSION = 2,
	PROC_QUEUE = 3,
	PROC_ROUTER = 4,
	PROC_RESOLVER = 5,
	PROC_RELAY = 6,
	PROC_DELIVER = 7,
	PROC_BOUNCE = 8,
	PROC_AUTH = 9,
	PROC_IMAPD = 10,
	PROC_IMAP_USHER = 11,
	PROC_POP3D = 12,
	PROC_POP3_USHER = 13,
	PROC_CLI = 14, /* the administrator's command on a control socket */
	PROC_COUNT
};

#define PROC_BIT(p) (1U << (unsigned)(p))

/* "smtpd", "imap-usher" …; "unknown" for a number without a process. */
const char *proc_name(enum proc p);

/* The process of that name, or PROC_COUNT. */
enum proc proc_by_name(const char *name);

#endif
