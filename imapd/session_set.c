#include "imapd/session_state.h"

static uint32_t
view_exists(const struct session *s)
{
	struct mailbox_status status;

	mailbox_status(s->mailbox, &status);
	return status.exists;
}

/* The number '*' stands for: the last message; 0 when there is none. */
static uint32_t
star(struct session *s, bool uid, uint32_t exists)
{
	struct message m;

	if (!uid || exists == 0)
		return exists;
	return mailbox_message(s->mailbox, exists, &m) == -1 ? 0 : m.uid;
}

/* Add the sequence numbers of a range of UIDs. */
static int
add_uid_range(struct session *s, const struct parse_range *r, uint32_t exists,
    struct uidset *out)
{
	uint32_t first = mailbox_seq(s->mailbox, r->first);
	uint32_t end = r->last == UINT32_MAX
			   ? exists + 1
			   : mailbox_seq(s->mailbox, r->last + 1);

	return first < end ? uidset_add(out, first, end - 1) : 0;
}

/*
 * Does it name a sequence number that is not there? "9:*" does where there
 * are 8: who sends it means no message, and not the last one, as it would
 * with UIDs (RFC 3501 §9, seq-number).
 */
static bool
names_nobody(const struct parse_set *set, uint32_t exists)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->ranges[i].first > exists ||
		    set->ranges[i].last > exists)
			return true;
	return false;
}

bool
session_resolve(
    struct session *s, struct parse_set *set, bool uid, struct uidset *out)
{
	uint32_t exists = view_exists(s);

	if (!uid && exists > 0 && names_nobody(set, exists))
		return false;
	parse_set_sort(set, star(s, uid, exists));
	for (size_t i = 0; i < set->count; i++) {
		const struct parse_range *r = &set->ranges[i];
		int rc;

		if (r->last == 0) /* "*" of an empty mailbox */
			rc = 0;
		else if (uid)
			rc = add_uid_range(s, r, exists, out);
		else if (r->first == 0 || r->last > exists)
			rc = -1;
		else
			rc = uidset_add(out, r->first, r->last);
		if (rc == -1)
			return false;
	}
	return true;
}

bool
session_set(struct session *s, struct command_in *in, struct uidset *seqs)
{
	struct parse_set set;
	bool ok = parse_set(&in->p, &set);

	/*
	 * "*" names nobody in an empty mailbox (RFC 3501 and 9051 §9). Not so
	 * in SEARCH, which does not come here: it asks who there is.
	 */
	if (ok && !in->uid && view_exists(s) == 0)
		ok = parse_fail(&in->p, "No such message");
	if (ok && !session_resolve(s, &set, in->uid, seqs))
		ok = parse_fail(&in->p, "No such message");
	parse_set_free(&set);
	return ok;
}

bool
session_uids(struct session *s, struct command_in *in, struct uidset *uids)
{
	struct uidset seqs = UIDSET_INIT;
	bool ok = session_set(s, in, &seqs);

	if (ok && mailbox_uids(s->mailbox, &seqs, uids) == -1)
		ok = parse_fail(&in->p, "Set too large");
	uidset_free(&seqs);
	return ok;
}
