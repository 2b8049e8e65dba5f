#ifndef CLI_PASSWORD_H
#define CLI_PASSWORD_H

#include <stdio.h>

#include "common/base/buf.h"

#define PASSWORD_MAX 512 /* bytes, the C library's limit */

/*
 * Ask for a password twice at the terminal, without echo. 0, or -1 after
 * cli_fail(). The caller wipes b.
 */
int password_ask(const char *address, struct buf *b) MUST_USE;

/*
 * The next line of f without its end; 1 at the end of the file, -1 after
 * cli_fail(). The caller wipes b.
 */
int password_line(FILE *f, struct buf *b) MUST_USE;

/*
 * The yescrypt hash of a password, to be wiped and freed by the caller;
 * NULL after cli_fail() (empty, too long, control bytes).
 */
char *password_hash(const struct buf *password) MUST_USE;

/*
 * Is that a hash auth will understand: crypt(3), {PLAIN}secret, or "*" for
 * nobody? False after cli_fail().
 */
bool password_hash_fine(const char *hash) MUST_USE;

/* "yescrypt", "bcrypt" …, "plain", "locked", "unknown". */
const char *password_scheme(const char *hash);

#endif
