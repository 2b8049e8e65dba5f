#ifndef QUEUE_RETIRE_H
#define QUEUE_RETIRE_H

#include <stdbool.h>

/*
 * retire - segments that are not used again: one whose sync failed, or of
 * another size than configured.
 *
 * Free segments stand on the disk as they were until they are used anew, and
 * a recovery reads those that the newest head counts. What became of their
 * mails may be told in a later one: so its file must not go before a segment
 * begun later says, on the disk, that neither counts. It is doomed until
 * then.
 */
struct log;
struct seg;

/* May it be used again? */
bool retire_spares(const struct log *l, const struct seg *s);

/* Remove the file and free s. */
void retire_now(struct log *l, struct seg *s);

/* It is out of the log's lists: remove it when that does no harm. */
void retire_later(struct log *l, struct seg *s);

/* The head of s is durable: those it does not count are removed. */
void retire_doomed(struct log *l, const struct seg *s);

#endif
