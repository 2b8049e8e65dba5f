/* STORE */
#include <errno.h>

#include "imapd/session_state.h"

/* " +FLAGS.SILENT" */
static bool
read_action(struct parse *p, enum store_how *how, bool *silent)
{
	struct slice name;

	if (!parse_space(p) || !parse_atom(p, &name))
		return false;
	*how = STORE_REPLACE;
	if (name.p[0] == '+')
		*how = STORE_ADD;
	else if (name.p[0] == '-')
		*how = STORE_REMOVE;
	if (*how != STORE_REPLACE)
		name = slice_sub(name, 1, name.len);
	*silent = slice_ieq(name, SLICE("FLAGS.SILENT"));
	return *silent || slice_ieq(name, SLICE("FLAGS")) ||
	       parse_fail(p, "Only FLAGS can be stored");
}

/* §6.4.6: the new value of every message, changed or not. */
static void
tell_stored(struct session *s, const struct uidset *seqs, bool uid)
{
	struct message m;

	for (size_t i = 0; i < seqs->count; i++)
		for (uint32_t seq = seqs->ranges[i].first;
		     seq <= seqs->ranges[i].last; seq++) {
			if (mailbox_message(s->mailbox, seq, &m) == -1)
				continue;
			out_bytes(s, "* ", 2);
			out_number(s, seq);
			out_str(s, " FETCH (");
			if (uid) {
				out_str(s, "UID ");
				out_number(s, m.uid);
				out_bytes(s, " ", 1);
			}
			out_str(s, "FLAGS ");
			out_flags(s, &m);
			out_bytes(s, ")\r\n", 3);
			out_batch(s);
		}
}

static void
store(struct session *s, const struct uidset *seqs,
    const struct store_request *request, bool silent, bool uid)
{
	struct uidset uids = UIDSET_INIT;

	if (mailbox_uids(s->mailbox, seqs, &uids) == -1 ||
	    mailbox_store(s->mailbox, &uids, request, NULL, NULL) == -1) {
		answer_errno(s, "NONEXISTENT");
	} else {
		session_tell_new_keywords(s);
		if (!silent)
			tell_stored(s, seqs, uid);
		answer_ok(s, NULL, "Store completed");
	}
	uidset_free(&uids);
}

void
cmd_store(struct session *s, struct command_in *in)
{
	struct uidset seqs = UIDSET_INIT;
	struct parse_flags flags;
	enum store_how how;
	bool silent;

	if (parse_space(&in->p) && session_set(s, in, &seqs) &&
	    read_action(&in->p, &how, &silent) && parse_space(&in->p) &&
	    parse_flag_list(&in->p, true, &flags) && parse_end(&in->p)) {
		struct store_request request = { .how = how,
			.flags = flags.system,
			.keywords = flags.keywords,
			.keyword_count = flags.keyword_count };

		store(s, &seqs, &request, silent, in->uid);
	}
	uidset_free(&seqs);
}
