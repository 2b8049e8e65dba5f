#ifndef STORE_TIDY_H
#define STORE_TIDY_H

#include "common/base/attr.h"

struct account;

/* Remove old files from the two tmp directories: once a boot. */
void tidy_litter(struct account *a);

/* What sessions before left undone is this one's. */
void tidy_first(struct account *a);

/*
 * Wait until all file operations of records up to now are on the disk:
 * recovery need not go through them again. Not under the lock.
 */
int tidy_checkpoint(struct account *a) MUST_USE;

/* What a closing account still does; errors are logged. */
void tidy_last(struct account *a);

#endif
