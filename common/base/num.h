#ifndef COMMON_BASE_NUM_H
#define COMMON_BASE_NUM_H

#include <stdint.h>

#include "common/base/slice.h"

/*
 * Decimal number: digits only, nothing before or behind. Returns 0, or -1
 * with errno EINVAL (no digits, other bytes) or ERANGE (over max).
 */
int num_parse(struct slice s, uint64_t max, uint64_t *v) MUST_USE;

/*
 * A size "10M": digits and K, M or G (powers of 1024). A time "4h": digits
 * and s, m, h, d, w; the result in seconds. Errors as num_parse().
 */
int num_parse_size(struct slice s, uint64_t max, uint64_t *v) MUST_USE;
int num_parse_time(struct slice s, uint64_t max_s, uint64_t *v_s) MUST_USE;

#endif
