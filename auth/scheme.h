#ifndef AUTH_SCHEME_H
#define AUTH_SCHEME_H

#include <stdbool.h>

#include "common/base/slice.h"

#define SCHEME_HASH_MAX   512 /* bytes of a stored hash with its NUL */
#define SCHEME_SECRET_MAX 512 /* libxcrypt's limit, with its NUL */

enum scheme_result {
	SCHEME_OK,
	SCHEME_BAD,
	SCHEME_UNKNOWN, /* there was no memory to find it out */
};

/*
 * Is secret what hash was made from? hash: as crypt(3) writes it (yescrypt,
 * bcrypt, sha512crypt, sha256crypt …), `{PLAIN}secret`, or anything else,
 * which matches nothing. Takes as long as the scheme wants; needs no locks.
 */
enum scheme_result scheme_verify(const char *hash, const char *secret) MUST_USE;

/* Does verifying cost so much that it belongs to a worker? */
bool scheme_is_slow(const char *hash);

/* Equal, in a time that tells only about the lengths. */
bool scheme_equal(struct slice a, struct slice b);

#endif
