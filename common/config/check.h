#ifndef COMMON_CONFIG_CHECK_H
#define COMMON_CONFIG_CHECK_H

#include <stdbool.h>

#include "common/config/config.h"

/*
 * Is this text right for that key? false with the reason and the mend in
 * why (cap bytes). Keys without a rule of their own take any text.
 */
bool check_value(const char *key, const char *text, char *why, size_t cap);

/*
 * What is wrong with the file itself: anybody may write it, or there is a
 * NUL, behind which the rest would be lost. problems get "path: ..." lines.
 */
void check_file(const char *path, struct buf *problems);

/* What only the whole can tell; problems get "path: ..." lines. */
void check_whole(
    const struct config *c, const char *path, struct buf *problems);

#endif
