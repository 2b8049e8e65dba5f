#ifndef COMMON_SMTP_COMMAND_H
#define COMMON_SMTP_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address/path.h"
#include "common/base/slice.h"

/*
 * command - the arguments of SMTP commands: RFC 5321 §4.1, and of its
 * extensions SIZE (1870), 8BITMIME (6152), DSN (3461), AUTH (4954),
 * CHUNKING (3030) and SMTPUTF8 (6531). Parsers are pure and answer with the
 * reply an error deserves.
 */
#define SMTP_ENVID_MAX 100 /* RFC 3461 §4.4, as it came (xtext) */
#define SMTP_ORCPT_MAX 500 /* RFC 3461 §4.2, type included */

/* A reply that is always the same. */
struct smtp_status {
	unsigned code;
	const char *enhanced; /* "5.5.4" */
	const char *text;
};

/* Extensions offered; a parameter of another one is unknown (555). */
#define SMTP_EXT_SIZE     0x01U
#define SMTP_EXT_8BITMIME 0x02U
#define SMTP_EXT_SMTPUTF8 0x04U
#define SMTP_EXT_DSN      0x08U
#define SMTP_EXT_AUTH     0x10U

enum smtp_body { SMTP_BODY_7BIT = 0, SMTP_BODY_8BITMIME };
enum smtp_ret { SMTP_RET_NONE = 0, SMTP_RET_FULL = 1, SMTP_RET_HDRS = 2 };

/* Bits of NOTIFY; the same numbers as in IPC. */
#define SMTP_NOTIFY_NEVER   1U
#define SMTP_NOTIFY_SUCCESS 2U
#define SMTP_NOTIFY_FAILURE 4U
#define SMTP_NOTIFY_DELAY   8U

struct smtp_mail {
	struct path sender;
	uint64_t size; /* as declared; 0 when it was not */
	enum smtp_body body;
	enum smtp_ret ret;
	bool smtputf8;
	char envid[SMTP_ENVID_MAX + 1]; /* xtext, as given; "" without */
};

struct smtp_rcpt {
	struct path recipient;
	unsigned notify;                /* bits; 0: not given */
	char orcpt[SMTP_ORCPT_MAX + 1]; /* "type;xtext", "" without */
};

/*
 * A line into its verb and what follows it, white space around both left
 * out. The verb may be empty.
 */
void smtp_split(struct slice line, struct slice *verb, struct slice *arg);

/*
 * The argument of MAIL ("FROM:<a@b> SIZE=1 …") and RCPT. NULL when it is
 * right, else the reply to send; the struct is then of no use. A space
 * behind the colon and a path without brackets are let pass.
 */
const struct smtp_status *smtp_parse_mail(
    struct smtp_mail *m, struct slice arg, unsigned extensions) MUST_USE;
/* utf8: the transaction's MAIL had SMTPUTF8. */
const struct smtp_status *smtp_parse_rcpt(struct smtp_rcpt *r, struct slice arg,
    unsigned extensions, bool utf8) MUST_USE;

/*
 * The argument of BDAT: "SIZE" or "SIZE LAST". NULL, or the reply; after
 * that the stream cannot be followed any more and must be closed.
 */
const struct smtp_status *smtp_parse_bdat(
    struct slice arg, uint64_t *size, bool *last) MUST_USE;

/*
 * The argument of EHLO and HELO: a domain or an address literal; what is
 * neither but harmless (letters, digits, ".-_:[]") is let pass, since
 * §4.1.4 forbids refusing a mail for it. False: syntax error.
 */
bool smtp_helo_valid(struct slice arg);

#endif
