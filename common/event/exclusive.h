#ifndef COMMON_EVENT_EXCLUSIVE_H
#define COMMON_EVENT_EXCLUSIVE_H

#include "common/base/attr.h"

/*
 * exclusive - a listener shared by several processes wakes one of them.
 *
 * libevent 2.1 knows no EPOLLEXCLUSIVE and keeps its epoll descriptor to
 * itself; so the descriptor is found out when the base is made, and the
 * listener added to it a second time, exclusively. Where that cannot be
 * done all processes wake, as they did before.
 *
 * A process that was woken and does not accept keeps the others asleep: who
 * stops accepting takes what is there first.
 */
struct event;
struct event_base;
struct event_config;

/* A new base, or NULL; *epoll is its descriptor, or may be another's. */
struct event_base *exclusive_base(
    const struct event_config *cfg, int *epoll) MUST_USE;

/* event_add() without a timeout, for an EV_READ of a listener. */
int exclusive_add(struct event *e, int epoll) MUST_USE;

#endif
