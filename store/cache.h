#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include <stdint.h>

#include "common/base/slice.h"

struct mailbox;

/*
 * cache - what was parsed out of a message, kept as the caller likes it:
 * opaque bytes under (UID, kind). All of it may vanish at any time; then it
 * is made and put again. Sessions share it.
 *
 * version is the caller's parser version: an entry put under another one is
 * not found. Errors are never worth more than a slower answer.
 */
#define CACHE_ENTRY_MAX (1U << 20) /* bytes of an entry */

/*
 * The entry, or -1. The bytes are lent until the next call of this module
 * for the mailbox, or its close.
 */
int cache_get(struct mailbox *mb, uint32_t uid, uint16_t kind, uint16_t version,
    struct slice *entry) MUST_USE;

/*
 * Keep an entry; one that is there is replaced. Written in batches: see
 * cache_flush(). Nothing happens when it is too big or there is no room.
 */
void cache_put(struct mailbox *mb, uint32_t uid, uint16_t kind,
    uint16_t version, struct slice entry);

/* Let other sessions see what was put; account_work() does it too. */
void cache_flush(struct mailbox *mb);

#endif
