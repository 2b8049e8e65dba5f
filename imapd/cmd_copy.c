/* COPY MOVE EXPUNGE (RFC 3501, 4315, 6851) */
#include <errno.h>

#include "imapd/session_state.h"
#include "store/name.h"

/* "COPYUID 38505 304,319:320 3956:3958" (RFC 4315 §3). */
static bool
format_copyuid(struct buf *b, const struct copy_result *r)
{
	return buf_printf(b, "COPYUID %u ", r->uidvalidity) == 0 &&
	       uidset_format(&r->from, b) == 0 &&
	       buf_append_byte(b, ' ') == 0 && uidset_format(&r->to, b) == 0;
}

static void
answer_copied(struct session *s, const struct copy_result *r, bool move)
{
	const char *text = move ? "Move completed" : "Copy completed";
	struct buf code = BUF_INIT(1 << 20);

	if (r->from.count == 0 || !format_copyuid(&code, r)) {
		answer_ok(s, NULL, text);
	} else if (move) {
		/* RFC 6851 §4.3: before the EXPUNGEs */
		out_format(s, "* OK [%s] Moved\r\n", buf_str(&code));
		answer_ok(s, NULL, text);
	} else {
		answer_ok(s, buf_str(&code), text);
	}
	buf_free(&code);
}

static void
copy(struct session *s, struct command_in *in, bool move)
{
	struct copy_result result = COPY_RESULT_INIT;
	struct buf name = BUF_INIT(NAME_MAX_BYTES);
	struct uidset uids = UIDSET_INIT;
	int rc;

	if (parse_space(&in->p) && session_uids(s, in, &uids) &&
	    session_name(s, in, &name) && parse_end(&in->p)) {
		rc = (move ? mailbox_move : mailbox_copy)(
		    s->mailbox, &uids, buf_slice(&name), &result);
		if (rc == -1)
			answer_errno(s, "TRYCREATE");
		else
			answer_copied(s, &result, move);
	}
	copy_result_free(&result);
	uidset_free(&uids);
	buf_free(&name);
}

void
cmd_copy(struct session *s, struct command_in *in)
{
	copy(s, in, false);
}

void
cmd_move(struct session *s, struct command_in *in)
{
	copy(s, in, true);
}

void
cmd_expunge(struct session *s, struct command_in *in)
{
	struct uidset uids = UIDSET_INIT;

	if ((!in->uid || (parse_space(&in->p) && session_uids(s, in, &uids))) &&
	    parse_end(&in->p)) {
		if (mailbox_expunge(s->mailbox, in->uid ? &uids : NULL, NULL) ==
		    -1)
			answer_errno(s, "NONEXISTENT");
		else
			answer_ok(s, NULL, "Expunge completed");
	}
	uidset_free(&uids);
}
