#ifndef STORE_SETTLE_H
#define STORE_SETTLE_H

#include <stdbool.h>

#include "common/base/attr.h"

struct account;
struct record;

/*
 * settle - the directories of mailboxes after a boot, when any of their
 * renames may be undone, and all may have been done long ago. Names have
 * other owners by then, so what counts is whose a directory says it is,
 * and the name the table has for that mailbox now. Private to the library.
 */

/* Is it for settle_record(), and not files_apply(), to redo this type? */
bool settle_redoes(unsigned type);

/*
 * Redo a RENAME or DELETE, of those since the checkpoint in their order,
 * when all of the journal is applied. Harmless where it was done before,
 * and where it is done in part. 0, or -1 when a directory stays misplaced.
 */
int settle_record(struct account *a, const struct record *r) MUST_USE;

#endif
