#ifndef QUEUE_LIMITS_H
#define QUEUE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/heap.h"

/*
 * limits - what one destination, or several with the same mail servers, may
 * do at a time: what is configured for them, and what was learnt (sched.c).
 */
struct dest;
struct sched;
struct task;
TAILQ_HEAD(dest_list, dest);

#define LIMITS_WINDOW_FIRST 5.0 /* tasks, before anything is learnt */

struct limits {
	struct heap_node wake; /* when something changes by itself; first */
	struct dest_list members;
	unsigned member_count;
	double window;
	double window_max;
	unsigned active;
	unsigned failures;        /* to connect, in a row */
	bool dead;                /* until until_ms; then it is probed */
	const struct task *probe; /* of a member, while it is sent */
	int64_t dead_wait_ms;     /* how long it was dead last */
	int64_t until_ms;         /* dead, or asked to be slow, until then */
	int64_t gap_ms;           /* between two tasks; 0: none */
	int64_t next_ms;          /* the next one not before */
	char *group;              /* owned; NULL: of one destination */
};

/* Of nobody yet. */
struct limits *limits_new(void) MUST_USE;

/* A destination that has none shares these; what it sent counts there. */
void limits_join(const struct sched *s, struct limits *l, struct dest *d);

/*
 * It shares them no longer, nor does what it sent count there; the last one
 * frees them. Otherwise more may be sent by those that stay.
 */
void limits_leave(struct sched *s, struct dest *d);

/*
 * Set what is configured for the members: the strictest, or where none has
 * limits of its own, those of all. Joining and leaving sees to it.
 */
void limits_configure(const struct sched *s, struct limits *l);

/* May something be sent now? */
bool limits_allow(const struct limits *l, int64_t now_ms);

#endif
