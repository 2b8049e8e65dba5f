/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE STATUS */
#include <errno.h>

#include "imapd/session_state.h"
#include "store/name.h"

static void
answer_result(struct session *s, int rc, const char *text)
{
	if (rc == -1)
		answer_errno(s, "NONEXISTENT");
	else
		answer_ok(s, NULL, text);
}

void
cmd_create(struct session *s, struct command_in *in)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);

	if (session_name(s, in, &name) && parse_end(&in->p))
		answer_result(s,
		    account_create(s->account, buf_slice(&name), 0),
		    "Create completed");
	buf_free(&name);
}

static bool
is_selected(const struct session *s, const struct buf *name)
{
	return s->mailbox != NULL &&
	       slice_eq(buf_slice(name), slice_str(mailbox_name(s->mailbox)));
}

void
cmd_delete(struct session *s, struct command_in *in)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);
	int rc;

	if (session_name(s, in, &name) && parse_end(&in->p)) {
		rc = account_delete(s->account, buf_slice(&name));
		/*
		 * To delete what is selected is to leave it, also by a name
		 * that another session has given it: only now known.
		 */
		if (rc == 0 && is_selected(s, &name))
			session_unselect(s);
		answer_result(s, rc, "Delete completed");
	}
	buf_free(&name);
}

void
cmd_rename(struct session *s, struct command_in *in)
{
	struct buf from = BUF_INIT(NAME_MAX_BYTES);
	struct buf to = BUF_INIT(NAME_MAX_BYTES);

	if (session_name(s, in, &from) && session_name(s, in, &to) &&
	    parse_end(&in->p))
		answer_result(s,
		    account_rename(
			s->account, buf_slice(&from), buf_slice(&to)),
		    "Rename completed");
	buf_free(&from);
	buf_free(&to);
}

static void
subscribe(struct session *s, struct command_in *in, bool on)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);

	if (session_name(s, in, &name) && parse_end(&in->p))
		answer_result(s,
		    account_subscribe(s->account, buf_slice(&name), on),
		    on ? "Subscribe completed" : "Unsubscribe completed");
	buf_free(&name);
}

void
cmd_subscribe(struct session *s, struct command_in *in)
{
	subscribe(s, in, true);
}

void
cmd_unsubscribe(struct session *s, struct command_in *in)
{
	subscribe(s, in, false);
}

enum { MESSAGES, RECENT, UIDNEXT, UIDVALIDITY, UNSEEN, ITEMS };

/* clang-format off */
static const struct slice status_names[ITEMS] = {
	[MESSAGES]    = { "MESSAGES", 8 },
	[RECENT]      = { "RECENT", 6 },
	[UIDNEXT]     = { "UIDNEXT", 7 },
	[UIDVALIDITY] = { "UIDVALIDITY", 11 },
	[UNSEEN]      = { "UNSEEN", 6 },
};
/* clang-format on */

/* " (MESSAGES UNSEEN)" as bits. */
static bool
read_items(struct parse *p, unsigned *items)
{
	*items = 0;
	if (!parse_space(p) || !parse_byte(p, '('))
		return false;
	do {
		struct slice name;
		unsigned i = 0;

		if (!parse_atom(p, &name))
			return false;
		while (i < ITEMS && !slice_ieq(name, status_names[i]))
			i++;
		if (i == ITEMS)
			return parse_fail(p, "Unknown status item");
		*items |= 1U << i;
	} while (parse_skip(p, ' '));
	return parse_byte(p, ')') && parse_end(p);
}

static void
tell_status(struct session *s, struct slice name, unsigned items,
    const struct mailbox_status *status)
{
	const uint32_t values[ITEMS] = { [MESSAGES] = status->exists,
		[RECENT] = status->recent,
		[UIDNEXT] = status->uidnext,
		[UIDVALIDITY] = status->uidvalidity,
		[UNSEEN] = status->unseen };
	const char *gap = "";

	out_str(s, "* STATUS ");
	out_mailbox(s, name);
	out_str(s, " (");
	for (unsigned i = 0; i < ITEMS; i++) {
		if ((items & 1U << i) == 0)
			continue;
		out_str(s, gap);
		out_slice(s, status_names[i]);
		out_bytes(s, " ", 1);
		out_number(s, values[i]);
		gap = " ";
	}
	out_str(s, ")\r\n");
}

void
cmd_status(struct session *s, struct command_in *in)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);
	struct mailbox_status status;
	unsigned items;

	if (session_name(s, in, &name) && read_items(&in->p, &items)) {
		if (account_status(s->account, buf_slice(&name), &status) ==
		    -1) {
			answer_errno(s, "NONEXISTENT");
		} else {
			tell_status(s, buf_slice(&name), items, &status);
			answer_ok(s, NULL, "Status completed");
		}
	}
	buf_free(&name);
}
