#ifndef COMMON_ADDRESS_IDNA_H
#define COMMON_ADDRESS_IDNA_H

#include <stddef.h>

#include "common/base/attr.h"

/*
 * idna - international domain names in ASCII: bücher.example is
 * xn--bcher-kva.example (A-labels, RFC 5890). A program that uses this is
 * linked with libidn2; what only passes addresses on has no need of it.
 */
struct path;

/*
 * The ASCII form of name (UTF-8) with its NUL in dst, of cap bytes. -1 with
 * errno EILSEQ when it has none, ENAMETOOLONG, ENOMEM; dst then says nothing.
 */
int idna_to_ascii(char *dst, size_t cap, const char *name) MUST_USE;

/*
 * Give p's domain the form domains have in the configuration and in tables,
 * whichever a client chose (RFC 6531 §3.2). One that has no ASCII form stays
 * as it is: it is nobody's. 0, or -1 with errno ENOMEM: not to be told then.
 */
int idna_path(struct path *p) MUST_USE;

#endif
