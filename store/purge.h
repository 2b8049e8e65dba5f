#ifndef STORE_PURGE_H
#define STORE_PURGE_H

#include <stdbool.h>

struct account;

/*
 * purge - removing what is in expunged/ longer than the retention time.
 * Private to the library. Once an hour, whoever is there, and when a mailbox
 * was deleted.
 */
bool purge_due(const struct account *a);

/* Remove some: 1 when there may be more, else 0. Errors are logged. */
int purge_step(struct account *a);

/* Release what a purge that is not done has open. */
void purge_stop(struct account *a);

#endif
