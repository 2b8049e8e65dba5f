#ifndef MASTER_BACKOFF_H
#define MASTER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/* How long a process that has ended waits for its next start. */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   30000
#define STEADY_MS        60000 /* lived so long: its past is forgotten */
#define RENEWAL_MS       1000  /* an end of its own will: so long will do */

/* A life that is over. */
struct life {
	int64_t lived_ms;
	bool own_will; /* said so, and ended without an error */
};

/*
 * Milliseconds to wait. failures: of the lives before, in a row; brought up
 * to date.
 */
uint32_t backoff_ms(const struct life *l, unsigned *failures);

#endif
