#ifndef COMMON_IPC_EXPECT_H
#define COMMON_IPC_EXPECT_H

#include <stdint.h>

#include "common/base/attr.h"
#include "common/ipc/chan.h"

/*
 * expect - who waits for the answer of which request: a part of a channel.
 */
struct map;

/* A new number, above *last (0 is none), for an answer to come. */
uint32_t expect_add(struct map *expects, uint32_t *last, ipc_answer *answer,
    void *arg) MUST_USE;

/* Nobody waits for it any more. */
void expect_forget(struct map *expects, uint32_t request);

/* Give a reply to the one who waits for it; it may be forgotten. */
void expect_answer(struct map *expects, struct ipc_frame *f);

/* All who wait are told that nothing will come. */
void expect_fail_all(struct map *expects);

#endif
