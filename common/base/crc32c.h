#ifndef COMMON_BASE_CRC32C_H
#define COMMON_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC32C (Castagnoli) over n bytes, going on from crc, the result for what
 * came before (0 at first). The processor's instruction where it has one.
 */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
