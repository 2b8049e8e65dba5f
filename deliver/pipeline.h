#ifndef DELIVER_PIPELINE_H
#define DELIVER_PIPELINE_H

#include <stddef.h>

#include "common/ipc/work.h"

/*
 * pipeline - many mails through two syncs.
 *
 *	waiting -> written -(sync)-> published -(sync)-> reported
 *
 * One sync is under way at a time; what is written or published meanwhile
 * rides on the next. A mail alone on a quiet host starts its sync at once;
 * while mail keeps coming syncs are 20 ms apart, each for many.
 * Invariant: a name in drop/new has durable content; a recipient is
 * reported done only when that name is durable too.
 */
struct event_base;
struct pipeline;

/* root: the mail root, borrowed. Dies when it cannot be set up. */
struct pipeline *pipeline_new(struct event_base *base, int root);

/* A whole job, which belongs to the pipeline from now on. */
void pipeline_add(struct pipeline *p, struct work *w);

/* The channel is ending: nobody wants the results of its jobs. */
void pipeline_forget(struct pipeline *p, struct ipc_chan *c);

/* Jobs not reported yet. */
size_t pipeline_jobs(const struct pipeline *p);

/*
 * Give queue no credit back from now on, and call run once, when there is no
 * job left.
 */
void pipeline_when_empty(struct pipeline *p, void (*run)(void *), void *arg);

#endif
