#ifndef CLI_LOGLINE_H
#define CLI_LOGLINE_H

#include "common/base/buf.h"

/*
 * logline - lines as common/base/log writes them, taken apart again. Pure.
 * `TIME LEVEL PROGRAM[PID]: key=value …`, or as journalctl and syslog show
 * them, with other things before PROGRAM[PID].
 */
struct logline {
	struct slice head; /* before PROGRAM: time, level, host */
	struct slice program;
	struct slice pid;
	struct slice text; /* key=value … */
};

/* False when it is no line of ours. */
bool logline_parse(struct slice line, struct logline *l) MUST_USE;

/*
 * The next pair of *rest, cut off. The value is appended to value with
 * quotes and \xHH undone. False at the end; words without '=', or with
 * nothing before it, are skipped.
 */
bool logline_next(
    struct slice *rest, struct slice *key, struct buf *value) MUST_USE;

#endif
