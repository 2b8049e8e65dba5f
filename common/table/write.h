#ifndef COMMON_TABLE_WRITE_H
#define COMMON_TABLE_WRITE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/table/table.h"

/*
 * write - making Berkeley DB tables, for the administrator's command. No
 * daemon changes a table.
 *
 * A new file is written aside, synced and renamed, so readers and crashes
 * see the old table or all of the new. Keys and values get the NUL behind
 * them that Postfix expects. One writer a directory: a second one waits.
 */
struct table_writer;

/*
 * Begin to write path (its directory must exist). NULL with a message in
 * err when that fails, or when root would write in a directory that
 * belongs to, or is open to, somebody else.
 */
struct table_writer *table_writer_open(
    const char *path, bool btree, char err[512]) MUST_USE;

/*
 * Add an entry; the key is put in lower case. 0, 1 when the key is there
 * already (the first stays), or -1 with a message.
 */
int table_writer_put(struct table_writer *w, struct slice key,
    struct slice value, char err[512]) MUST_USE;

/*
 * Put the table in place with this mode and group ((gid_t)-1: as it comes)
 * and free w, in any case. 0, or -1 with a message; the old table is then
 * in place, or, when the very last sync failed, perhaps the new.
 */
int table_writer_commit(
    struct table_writer *w, mode_t mode, gid_t gid, char err[512]) MUST_USE;

/* Forget it all. NULL is fine. */
void table_writer_abort(struct table_writer *w);

/*
 * Call each for every entry of a Berkeley DB file, without the NULs, in no
 * order (hash) or sorted (btree), until it returns other than 0. Returns
 * that, 0 at the end, or -1 with a message. A file that is not there:
 * -1 with errno ENOENT.
 */
typedef int table_each_fn(void *arg, struct slice key, struct slice value);
int table_each(
    const char *path, table_each_fn *each, void *arg, char err[512]) MUST_USE;

/*
 * Make NAME.db from the text file NAME for a hash: or btree: spec. Every
 * problem of the source is appended to problems, a line each; a doubled key
 * is one that does not stop the build (the first counts). 0 and the number
 * of entries, or -1 after at least one problem.
 */
int table_build(const char *spec, const struct table_place *place,
    struct buf *problems, size_t *entries) MUST_USE;

#endif
