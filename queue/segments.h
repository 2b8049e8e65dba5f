#ifndef QUEUE_SEGMENTS_H
#define QUEUE_SEGMENTS_H

#include "common/base/attr.h"

/*
 * segments - which segments the log has: makes them, chooses the one that
 * is written to, and frees them (one alone: seg.h).
 *
 * Invariants:
 *  - Segments are freed oldest first and used again in that order; so what
 *    recovery finds is always all records from some point on. One that is
 *    not to be used again is doomed: its file stays until a segment begun
 *    later says on the disk that it does not count.
 *  - When only the active segment is left, no new mail may come: its room
 *    is for results and for emptying the oldest segment.
 */
#define SEGMENTS_READY 2U /* free segments kept at hand */
#define SEGMENTS_MAX   8U
#define SEGMENTS_LIMIT 32U /* when all are in use and nothing can go on */

struct log;
struct seg;

/* A segment found at start, sealed (in order of number) or free. */
void segments_add_sealed(struct log *l, struct seg *s);
void segments_add_free(struct log *l, struct seg *s);

/*
 * Make segments until mail can be taken, waiting for the disk: at the first
 * start. 0, or -1 with errno when there is no room.
 */
int segments_make_first(struct log *l) MUST_USE;

/*
 * Seal the active segment and begin the next free one; l->active is NULL
 * when there is none.
 */
void segments_switch(struct log *l);

/*
 * The segment records go to now or next, or the last one before that: what
 * they are tied to. NULL when there is no segment at all.
 */
struct seg *segments_current(struct log *l);

/* The last mail left s. */
void segments_untied(struct log *l, struct seg *s);

/* Free what can be freed, make or empty segments where they run short. */
void segments_maintain(struct log *l);

#endif
