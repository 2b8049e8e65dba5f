#ifndef COMMON_EVENT_ACCEPTOR_H
#define COMMON_EVENT_ACCEPTOR_H

#include "common/base/attr.h"

/*
 * acceptor - connections of the administrator's command, which are root's;
 * others are closed. While there is no descriptor for one its socket is not
 * looked at for a while: who waits keeps it readable.
 */
struct acceptor;
struct event_base;

/*
 * take(arg, fd): one has come, non-blocking, and fd is the callee's. listener
 * is borrowed. NULL when it cannot be waited for.
 */
struct acceptor *acceptor_new(struct event_base *base, int listener,
    void (*take)(void *arg, int fd), void *arg) MUST_USE;

/* NULL is fine. */
void acceptor_free(struct acceptor *a);

#endif
