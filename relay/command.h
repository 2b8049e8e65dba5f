#ifndef RELAY_COMMAND_H
#define RELAY_COMMAND_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/ipc/work.h"

/*
 * command - the commands of a mail transaction. Addresses are parsed and
 * written anew and parameters checked, so that nothing of a mail's
 * envelope can become a command of its own. offers: EHLO_ bits.
 */

/*
 * "MAIL FROM:<…> …" with CRLF. -1 with errno EINVAL or ENOBUFS: that is no
 * address; ENOMEM: that is not known.
 */
int command_mail(
    struct buf *b, const struct work *w, unsigned offers, bool utf8) MUST_USE;

/*
 * "RCPT TO:<…> …" with CRLF. utf8: MAIL had SMTPUTF8. Errors as
 * command_mail().
 */
int command_rcpt(struct buf *b, const struct ipc_work_rcpt *r, unsigned offers,
    bool utf8) MUST_USE;

/*
 * Must this mail go as SMTPUTF8 (RFC 6531 §3.4), whoever it is for? Its
 * sender, or, when it came as one, its header (the first bytes of the
 * content) has 8-bit bytes. *address tells which of the two.
 */
bool command_needs_utf8(const struct work *w, struct slice head, bool *address);

#endif
