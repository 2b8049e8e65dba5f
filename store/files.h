#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <stdbool.h>

#include "store/fname.h"
#include "store/record.h"

struct account;
struct folder;

/*
 * files - what a record means for files and directories. Private to the
 * library. Everything here may be done again: a step that was done before
 * is passed over, so a killed writer's record is finished by the next one,
 * and after a power cut all recent records are gone through again: but for
 * those that move directories, which may have other owners by then
 * (settle.h).
 */

/* Do records of this type move files? */
bool files_needed(unsigned type);

/* Do what r says; tries everything, then 0 or -1 and the first errno. */
int files_apply(struct account *a, const struct record *r) MUST_USE;

/* Name of the file of an item in its mailbox. */
void files_item_name(
    const struct item *item, uint32_t uidvalidity, char name[FNAME_MAX + 1]);

/*
 * Remove an expunged file from the directory cur, or keep it in expunged/
 * for the retention time. 0 also when it is not there.
 */
int files_remove(struct account *a, int cur, const char *name) MUST_USE;

/*
 * The same for a file whose expunge is only concluded, not known: it is
 * kept for two weeks, whatever the retention time.
 */
int files_set_aside(struct account *a, int cur, const char *name) MUST_USE;

/*
 * Remove what lies in expunged/: a file or the directory of a mailbox, at
 * most *room files of it. 0, 1 when there is more, or -1.
 */
int files_remove_tree(int dir, const char *name, size_t *room) MUST_USE;

/*
 * The directory path below mail/ of the deleted mailbox id goes to expunged/.
 * 0 also when it is not there.
 */
int files_bury(struct account *a, const char *path, uint32_t id) MUST_USE;

/*
 * Is the directory path below mail/ that of mailbox id, which has or had this
 * name? Another one may have the name by now, so without `records` to say, it
 * is only while nobody else claims it. 1, 0, or -1 where want keeps that from
 * being told.
 */
int files_belong(const struct account *a, const char *path, struct slice name,
    uint32_t id) MUST_USE;

/* The directories of a new mailbox. What exists is left. */
int files_make_folder(struct account *a, const struct folder *f) MUST_USE;

#endif
