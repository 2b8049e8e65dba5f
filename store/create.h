#ifndef STORE_CREATE_H
#define STORE_CREATE_H

#include <stdint.h>

#include "common/base/slice.h"

struct account;

/* A UIDVALIDITY that no mailbox of the account has had. */
uint32_t create_uidvalidity(const struct account *a);

/* Under the lock: make a mailbox under a canonical name that is free;
 * uidvalidity 0: a new one. */
int create_folder(struct account *a, struct slice name, unsigned uses,
    uint32_t uidvalidity) MUST_USE;

#endif
