#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/*
 * The three clocks. Intervals and timers use clock_boot_ms() (goes on
 * while the machine sleeps, never jumps); what people read uses wall time.
 * The testbed shifts wall and boot time through the shared page set with
 * clock_shift_map(), so that five days take a second in a test; and, by a
 * second number, wall time alone, as when somebody sets the clock.
 */

/* Milliseconds since boot, plus the testbed's shift. */
int64_t clock_boot_ms(void);

/* Wall time, plus the shift. */
void clock_wall(struct timespec *ts);
int64_t clock_wall_s(void);
int64_t clock_wall_us(void);

/*
 * Shift both clocks by the seconds that stand in the file behind fd (eight
 * bytes, host order, mapped shared so that a later change is seen). Test
 * only. Returns 0, or -1 with errno; fd may be closed afterwards.
 */
int clock_shift_map(int fd);

#endif
