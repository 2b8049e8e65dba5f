#ifndef QUEUE_ROW_H
#define QUEUE_ROW_H

#include "common/base/attr.h"
#include "common/base/buf.h"

/* row - a mail as the administrator sees it. */
struct mail;
struct queue;

/* A flat JSON object. m is hot, or damaged. -1 with errno of buf. */
int row_json(
    const struct queue *q, const struct mail *m, struct buf *b) MUST_USE;

/* The envelope and its recipients as "key: value" lines. m is hot. */
int row_text(
    const struct queue *q, const struct mail *m, struct buf *b) MUST_USE;

#endif
