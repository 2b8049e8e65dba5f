#ifndef STORE_TIDY_H
#define STORE_TIDY_H

struct account;

/* What a closing account still does; errors are logged. */
void tidy_last(struct account *a);

#endif
