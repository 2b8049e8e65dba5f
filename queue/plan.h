#ifndef QUEUE_PLAN_H
#define QUEUE_PLAN_H

#include <stdint.h>

#include "common/ipc/message_list.h"

/*
 * plan - from routes to tasks.
 */
struct mail;
struct queue;

/* Every recipient asked about has its answer: make tasks of them. */
void plan_mail(struct queue *q, struct mail *m);

/*
 * Tasks for the bounce daemon: what failed and is not told yet, delays
 * worth a warning, successes asked for. Only when nothing else of the mail
 * is under way. How many tasks were made.
 */
unsigned plan_bounces(struct queue *q, struct mail *m);

#endif
