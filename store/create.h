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

/*
 * Under the lock: the mailboxes of a new home, INBOX and those for drafts,
 * sent mail, junk and trash, subscribed, all in one record: a crash leaves
 * all or none. INBOX apart, those whose directory is there are left out.
 */
int create_first(struct account *a) MUST_USE;

/* The special use a mailbox has by its name, if no other one has it; or 0. */
unsigned create_use(const struct account *a, struct slice name);

#endif
