#include <errno.h>

#include "imapd/session_state.h"

/* clang-format off */
static const struct {
	unsigned bit;
	const char *name;
} flag_names[] = {
	{ MESSAGE_ANSWERED, "\\Answered" },
	{ MESSAGE_FLAGGED,  "\\Flagged" },
	{ MESSAGE_DELETED,  "\\Deleted" },
	{ MESSAGE_SEEN,     "\\Seen" },
	{ MESSAGE_DRAFT,    "\\Draft" },
	{ MESSAGE_RECENT,   "\\Recent" },
};
/* clang-format on */

/* Names of a set of flags and keywords, without brackets. */
static void
out_flag_names(struct session *s, unsigned flags, uint64_t keywords)
{
	const char *gap = "";

	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
		if ((flags & flag_names[i].bit) == 0)
			continue;
		out_str(s, gap);
		out_str(s, flag_names[i].name);
		gap = " ";
	}
	for (unsigned bit = 0; keywords != 0; bit++, keywords >>= 1) {
		const char *name = (keywords & 1) == 0
				       ? NULL
				       : mailbox_keyword(s->mailbox, bit);

		if (name == NULL)
			continue;
		out_str(s, gap);
		out_str(s, name);
		gap = " ";
	}
}

void
out_flags(struct session *s, const struct message *m)
{
	out_bytes(s, "(", 1);
	out_flag_names(s, m->flags, m->keywords);
	out_bytes(s, ")", 1);
}

void
session_tell_status(struct session *s, const char *what, uint32_t n)
{
	out_bytes(s, "* ", 2);
	out_number(s, n);
	out_bytes(s, " ", 1);
	out_str(s, what);
	out_bytes(s, "\r\n", 2);
}

void
session_tell_flags(struct session *s)
{
	unsigned count = mailbox_keyword_count(s->mailbox);
	uint64_t all = count >= 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;

	out_str(s, "* FLAGS (");
	out_flag_names(s, MESSAGE_FLAGS, all);
	out_str(s, ")\r\n* OK [PERMANENTFLAGS (");
	if (!mailbox_readonly(s->mailbox)) {
		out_flag_names(s, MESSAGE_FLAGS, all);
		if (count < KEYWORDS_MAX)
			out_str(s, " \\*");
	}
	out_str(s, ")] Flags that are kept\r\n");
	s->keywords_told = count;
}

void
session_tell_new_keywords(struct session *s)
{
	if (mailbox_keyword_count(s->mailbox) != s->keywords_told)
		session_tell_flags(s);
}

static void
tell_changed(struct session *s, const uint32_t *seqs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct message m;

		if (mailbox_message(s->mailbox, seqs[i], &m) == -1)
			continue;
		out_format(s, "* %u FETCH (UID %u FLAGS ", m.seq, m.uid);
		out_flags(s, &m);
		out_bytes(s, ")\r\n", 3);
		out_batch(s);
	}
}

static void
tell(struct session *s, const struct mailbox_changes *c)
{
	uint32_t gone = 0;

	/* in ascending order, each number as it is once those are gone */
	for (size_t i = c->expunged_count; i > 0; i--)
		session_tell_status(
		    s, "EXPUNGE", c->expunged[i - 1].seq - gone++);
	if (c->exists_changed) {
		session_tell_status(s, "EXISTS", c->exists);
		session_tell_status(s, "RECENT", c->recent);
	}
	if (c->keywords_changed)
		session_tell_new_keywords(s);
	tell_changed(s, c->changed, c->changed_count);
}

void
session_tell(struct session *s, bool expunges)
{
	struct mailbox_changes changes;

	s->busy = false;
	if (s->mailbox == NULL || s->gone || s->ended)
		return;
	if (mailbox_refresh(s->mailbox, expunges, &changes) == 0) {
		s->busy = changes.busy;
		if (changes.deleted)
			say_bye(s, "The selected mailbox was deleted");
		else
			tell(s, &changes);
	} else if (errno == EUCLEAN || errno == ESTALE) {
		s->damaged = true;
		say_bye(s, "Mailbox must be opened again, please reconnect");
	}
	/* other errors pass: the next command asks again */
}

void
session_unselect(struct session *s)
{
	mailbox_close(s->mailbox);
	s->mailbox = NULL;
	s->keywords_told = 0;
}
