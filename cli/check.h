#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "common/base/buf.h"

struct config;

/* Room for all that can be wrong with one configuration. */
#define CHECK_TEXT_MAX (1024 * 1024)

/*
 * Look at what the configuration names: tables, certificate and key, trust
 * anchor, users. A line for each problem in problems and for each oddity in
 * notes. -1 when there is no more room for them.
 */
int check_places(
    const struct config *c, struct buf *problems, struct buf *notes) MUST_USE;

#endif
