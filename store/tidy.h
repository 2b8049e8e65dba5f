#ifndef STORE_TIDY_H
#define STORE_TIDY_H

struct account;

/* Remove old files from the two tmp directories: once a boot. */
void tidy_litter(struct account *a);

/* What sessions before left undone is this one's. */
void tidy_first(struct account *a);

/* What a closing account still does; errors are logged. */
void tidy_last(struct account *a);

#endif
