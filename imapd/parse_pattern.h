#ifndef IMAPD_PARSE_PATTERN_H
#define IMAPD_PARSE_PATTERN_H

#include <stdbool.h>

#include "common/base/slice.h"

#define PATTERN_MAX 1024 /* bytes of a pattern; longer ones match nothing */

/*
 * Does a mailbox name match a LIST pattern (RFC 3501 §6.3.8)? '*' stands
 * for anything, '%' for anything without '/'. INBOX in any case. Time is
 * at most the product of the lengths, whatever the pattern.
 */
bool pattern_match(struct slice pattern, struct slice name);

#endif
