#ifndef SMTPD_LISTEN_H
#define SMTPD_LISTEN_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

/*
 * listen - takes connections off the listeners, many at a time, and stops
 * for a moment when descriptors run out.
 */
struct daemon;
struct event;
struct smtpd;

struct listen {
	struct daemon *daemon;
	struct smtpd *smtpd;
	struct event **events; /* owned; one a listener */
	size_t count;
	unsigned batch;    /* connections to take at once, as it has proved */
	unsigned wait;     /* as often only one, before two are tried */
	unsigned patience; /* what wait begins with */
	struct event *again;
	int64_t failed_log_ms; /* when accept() last failed aloud */
};

/* Begin to accept. 0, or -1 when there is no memory. */
int listen_start(struct listen *l, struct daemon *d, struct smtpd *s) MUST_USE;

/* Accept no more. */
void listen_stop(struct listen *l);

#endif
