#ifndef COMMON_BASE_FILE_H
#define COMMON_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/base/attr.h"
#include "common/base/buf.h"

/* Whole reads and writes on blocking descriptors, and files put in place. */

/* Write all n bytes. Returns 0, or -1 with errno (ENOSPC, EIO …). */
int write_all(int fd, const void *p, size_t n) MUST_USE;
int pwrite_all(int fd, const void *p, size_t n, off_t at) MUST_USE;

/* Write all of the pieces; iov is used up. */
int writev_all(int fd, struct iovec *iov, int count) MUST_USE;

/*
 * Read exactly n bytes at an offset. Returns 0, or -1 with errno; ENODATA
 * when the file ends before.
 */
int pread_all(int fd, void *p, size_t n, off_t at) MUST_USE;

/* Append the whole file to b. -1 with errno, ENOBUFS when over b->max. */
int file_read(int fd, struct buf *b) MUST_USE;
/*
 * The same from the file's start, whatever its offset, which stays: for
 * descriptors of one open file that several processes read at once.
 */
int file_pread(int fd, struct buf *b) MUST_USE;
/* Of the file of this name; a fifo is empty rather than waited for. */
int file_read_at(int dir, const char *name, struct buf *b) MUST_USE;

/*
 * Put content into dir/name so that after a crash the name holds either
 * the old content or all of the new: written aside to dir/tmp, synced,
 * renamed, directory synced. Returns 0, or -1 with errno; name is then as
 * it was, except that a failed last sync may leave the new content.
 */
int file_publish(int dir, const char *tmp, const char *name,
    struct slice content, mode_t mode) MUST_USE;

/*
 * Open a directory beneath another one that belongs to somebody else: no
 * symbolic link is followed anywhere, nothing above is reached. flags: O_PATH
 * or O_RDONLY. -1 with errno (ELOOP or ENOTDIR for a link, EXDEV for a way
 * out). Where openat2() is forbidden it goes step by step.
 */
int file_dir_beneath(int dir, const char *path, int flags) MUST_USE;

/* The steps themselves; for tests. */
int file_dir_by_steps(int dir, const char *path, int flags) MUST_USE;

/* fd flags; -1 with errno. */
int fd_nonblock(int fd) MUST_USE;
int fd_cloexec(int fd, int on) MUST_USE;

/* close(2) unless fd is -1; keeps errno. */
void fd_close(int fd);

#endif
