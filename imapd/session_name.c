#include <errno.h>

#include "common/mime/charset.h"
#include "imapd/session_state.h"
#include "store/name.h"

/*
 * No level is "." or "..". The store would keep even these apart from the
 * file system's, but whoever asks for them means no good.
 */
static bool
has_dot_level(struct slice name)
{
	while (name.p != NULL) {
		struct slice level;

		name = slice_cut(name, '/', &level);
		if (slice_eq(level, SLICE(".")) || slice_eq(level, SLICE("..")))
			return true;
	}
	return false;
}

int
session_name_convert(struct slice wire, struct buf *name)
{
	struct buf raw = BUF_INIT(NAME_MAX_BYTES * 4);
	struct buf nfc = BUF_INIT(NAME_MAX_BYTES * 4);
	int rc = -1;

	if (wire.len > raw.max)
		errno = ENAMETOOLONG;
	else if (has_dot_level(wire))
		errno = EINVAL;
	else if (name_from_utf7(wire, &raw) == 0 &&
		 charset_nfc(&nfc, buf_slice(&raw)) == 0)
		rc = name_canonical(buf_slice(&nfc), name);
	buf_free(&raw);
	buf_free(&nfc);
	return rc;
}

bool
session_name(struct session *s, struct command_in *in, struct buf *name)
{
	struct slice wire;

	if (!parse_space(&in->p) || !parse_astring(&in->p, &wire))
		return false;
	if (session_name_convert(wire, name) == 0)
		return true;
	if (errno == ENOMEM)
		answer_errno(s, "NONEXISTENT");
	else if (errno == ENAMETOOLONG || errno == ENOBUFS)
		answer_no(s, "LIMIT", "Mailbox name too long");
	else
		answer_no(s, "CANNOT", "Not a mailbox name");
	return false;
}
