#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

/*
 * log - one line an event, key=value.
 *
 * Every %s (and %.*s) is taken for text of a stranger: it is put between
 * quotes when it holds a space, a quote or '=', control and 8-bit bytes
 * become \xHH, and it is cut at 512 bytes. So a client can neither forge a
 * line nor a key. Formats known: %s %.*s %c %d %i %u %x %ld %lu %lx %lld
 * %llu %llx %zu %zd %jd %ju %%; precision only with
 * %s, width with zero padding for numbers (%02x).
 *
 * The line is `TIME LEVEL PROGRAM[PID]: text`; for syslog and the journal,
 * which add time themselves, `<PRIORITY>PROGRAM[PID]: text` with the mail
 * facility (RFC 5424 §6.2.1).
 */
enum log_level { LOG_DEBUGGING, LOG_INFORM, LOG_WARN, LOG_FAIL };

/*
 * Name this process in its lines. fd is where lines go (2 at first): one
 * write() a line, but for log_hold(). The strings are borrowed for ever.
 */
void log_open(const char *program, int fd, bool with_time);

/*
 * In a child just forked: its lines carry its own pid from here on, and
 * each goes out at once. Call log_flush() before the fork.
 */
void log_forked(void);

/*
 * For a process with a loop: keep lines of this thread below LOG_WARN until
 * log_flush(), at the end of the pass and before a peer is told anything, so
 * that many go out in one write() of at most PIPE_BUF bytes (which no other
 * writer can come between). Warnings take what was kept along at once. Has
 * no effect where each line must be a datagram.
 */
void log_hold(bool on);
void log_flush(void);

/* Lines below this level are dropped; LOG_INFORM at first. */
void log_level(enum log_level least);

void log_debug(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_warn(const char *fmt, ...) PRINTF(1, 2);
void log_error(const char *fmt, ...) PRINTF(1, 2);

/*
 * For what fails again and again: is it time to say so? True at first and
 * then once in ten seconds. *said_ms is the caller's, 0 at first.
 */
bool log_due(int64_t *said_ms);

/* Log as an error and exit(1). For start-up and broken promises. */
NORETURN void log_die(const char *fmt, ...) PRINTF(1, 2);

/*
 * The formatter alone: writes at most cap bytes with the NUL into dst and
 * returns the length. What does not fit is cut.
 */
size_t log_format(char *dst, size_t cap, const char *fmt, va_list ap)
    PRINTF(3, 0);

#endif
