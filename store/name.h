#ifndef STORE_NAME_H
#define STORE_NAME_H

#include "common/base/buf.h"

/*
 * Names of mailboxes.
 *
 * Everywhere in this library a mailbox name is UTF-8 with "/" between the
 * levels: "INBOX", "Lists/linux", "Entwürfe". On disk (Maildir++) it is
 * ".Lists.linux" in modified UTF-7, a "." inside a level written "&AC4-".
 * "INBOX" alone, or as the first level, is taken in any case; every other
 * name is what its bytes are. The caller brings names into NFC (there is
 * no ICU here).
 */
#define NAME_MAX_BYTES  1000 /* of a name in UTF-8 */
#define NAME_MAX_DISK   255  /* of the directory's name */
#define NAME_MAX_LEVELS 32   /* each may show as a name of its own */

/*
 * Check a name and append its one canonical form (INBOX in capitals, no
 * "/" at the end) to out. Refused: empty names and levels, control
 * characters, "*" and "%", bytes that are no UTF-8. -1 with errno EINVAL,
 * or ENAMETOOLONG where the directory's name would be over NAME_MAX_DISK or
 * there are too many levels.
 */
int name_canonical(struct slice name, struct buf *out) MUST_USE;

/* The name of the directory under mail/; "" for INBOX. name is canonical. */
int name_to_disk(struct slice name, struct buf *out) MUST_USE;

/*
 * The canonical name of a directory ".Lists.linux". EINVAL when it is no
 * name that name_to_disk() gives.
 */
int name_from_disk(struct slice disk, struct buf *out) MUST_USE;

/*
 * Modified UTF-7 (RFC 3501 §5.1.3), what IMAP4rev1 clients send and see,
 * to and from UTF-8. Decoding is strict: EINVAL for 8-bit and control
 * bytes, bad base64, encoded printable ASCII, half a surrogate pair.
 */
int name_from_utf7(struct slice wire, struct buf *out) MUST_USE;
int name_to_utf7(struct slice name, struct buf *out) MUST_USE;

#endif
