#ifndef COMMON_BASE_RAND_H
#define COMMON_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the kernel's generator; ends the process when it has none. */
void rand_bytes(void *p, size_t n);
uint64_t rand_u64(void);

/* Even over [0, limit); limit > 0. */
uint64_t rand_below(uint64_t limit);

#endif
