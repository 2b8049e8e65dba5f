#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/journal.h"

/* Files of the journal: private to those who read and write them. */

/* Open for reading and writing, and check the header. ENOENT, EUCLEAN. */
int segment_open(struct journal_segment *s, int dir, uint64_t base) MUST_USE;

/*
 * Write a new one from base, prev and epoch of s; s gets nonce and fd. It
 * appears under its name whole, and is durable with the first sync.
 */
int segment_create(struct journal_segment *s, int dir) MUST_USE;

/* Checksum of a record that begins at p and stands at pos. */
uint32_t segment_crc(
    const struct journal_segment *s, uint64_t pos, const char *p, uint32_t len);

/* Is the record at p, which stands at pos, whole within n bytes? Its length. */
uint32_t segment_whole(
    const struct journal_segment *s, uint64_t pos, const char *p, size_t n);

/* What stands at offset, behind the last whole record. */
int segment_tail(const struct journal_segment *s, uint64_t offset,
    struct segment_tail *t) MUST_USE;

#endif
