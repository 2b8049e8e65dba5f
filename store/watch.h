#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include "store/account.h"

struct mailbox;

/*
 * watch - a descriptor that becomes readable when mailbox_refresh() would
 * find something: a new drop, or a change by another session in this
 * mailbox only. For IDLE.
 *
 * Inside a chroot the working directory must be the home (there is no
 * /proc to name it by). Fails with EMFILE when the user has no inotify
 * instance left: poll every few seconds then.
 */

/* The descriptor, non-blocking, close-on-exec; the caller closes it. */
int watch_open(struct account *a, struct mailbox *mb) MUST_USE;

/* Read away what made it readable; call before mailbox_refresh(). */
void watch_drain(int fd);

#endif
