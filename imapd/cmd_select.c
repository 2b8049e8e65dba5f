/* SELECT EXAMINE CLOSE UNSELECT */
#include "imapd/session_state.h"
#include "store/name.h"

static void
tell_selected(struct session *s)
{
	struct mailbox_status status;
	uint32_t unseen = mailbox_first_unseen(s->mailbox);

	mailbox_status(s->mailbox, &status);
	session_tell_flags(s);
	session_tell_status(s, "EXISTS", status.exists);
	session_tell_status(s, "RECENT", status.recent);
	if (unseen != 0)
		out_format(s, "* OK [UNSEEN %u] First unseen\r\n", unseen);
	out_format(s,
	    "* OK [UIDVALIDITY %u] UIDs valid\r\n"
	    "* OK [UIDNEXT %u] Next UID\r\n",
	    status.uidvalidity, status.uidnext);
}

static void
select_mailbox(struct session *s, struct command_in *in, bool readonly)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);

	/* §6.3.1: the old one is gone, whatever comes of the new */
	if (!session_name(s, in, &name)) {
		if (s->answered)
			session_unselect(s);
	} else if (parse_end(&in->p)) {
		session_unselect(s);
		s->mailbox =
		    mailbox_open(s->account, buf_slice(&name), readonly);
		if (s->mailbox == NULL) {
			answer_errno(s, "NONEXISTENT");
		} else {
			tell_selected(s);
			answer_ok(s, readonly ? "READ-ONLY" : "READ-WRITE",
			    "Selected");
		}
	}
	buf_free(&name);
}

void
cmd_select(struct session *s, struct command_in *in)
{
	select_mailbox(s, in, false);
}

void
cmd_examine(struct session *s, struct command_in *in)
{
	select_mailbox(s, in, true);
}

/* §6.4.2: \Deleted messages go silently, unless it was EXAMINEd. */
void
cmd_close(struct session *s, struct command_in *in)
{
	if (!parse_end(&in->p))
		return;
	if (!mailbox_readonly(s->mailbox) &&
	    mailbox_expunge(s->mailbox, NULL, NULL) == -1) {
		answer_errno(s, "NONEXISTENT");
		return;
	}
	session_unselect(s);
	answer_ok(s, NULL, "Close completed");
}

void
cmd_unselect(struct session *s, struct command_in *in)
{
	if (!parse_end(&in->p))
		return;
	session_unselect(s);
	answer_ok(s, NULL, "Unselect completed");
}
