#include <errno.h>

/* LIST LSUB */
#include <string.h>

#include "common/base/map.h"
#include "common/mime/charset.h"
#include "imapd/parse_pattern.h"
#include "imapd/session_state.h"
#include "store/name.h"

/* clang-format off */
static const struct {
	unsigned bit;
	const char *name;
} use_names[] = { /* RFC 6154 */
	{ FOLDER_ALL,     " \\All" },
	{ FOLDER_ARCHIVE, " \\Archive" },
	{ FOLDER_DRAFTS,  " \\Drafts" },
	{ FOLDER_FLAGGED, " \\Flagged" },
	{ FOLDER_JUNK,    " \\Junk" },
	{ FOLDER_SENT,    " \\Sent" },
	{ FOLDER_TRASH,   " \\Trash" },
};
/* clang-format on */

static void
tell_entry(
    struct session *s, const char *what, struct slice name, unsigned attributes)
{
	out_format(s, "* %s (", what);
	if ((attributes & FOLDER_NOSELECT) != 0)
		out_str(s, "\\Noselect ");
	out_str(s, (attributes & FOLDER_CHILDREN) != 0 ? "\\HasChildren"
						       : "\\HasNoChildren");
	for (size_t i = 0; i < ARRAY_LEN(use_names); i++)
		if ((attributes & use_names[i].bit) != 0)
			out_str(s, use_names[i].name);
	out_str(s, ") \"/\" ");
	out_mailbox(s, name);
	out_bytes(s, "\r\n", 2);
	out_batch(s);
}

/*
 * Reference and pattern put together (§6.3.8), in UTF-8 and NFC, as names
 * are. Wildcards are no part of UTF-7 runs, so the pattern converts like one.
 * False when it does not: nothing can match, or, with errno ENOMEM, that is not
 * known.
 */
static bool
join_pattern(struct slice reference, struct slice pattern, struct buf *out)
{
	struct buf wire = BUF_INIT(PATTERN_MAX * 4);
	struct buf raw = BUF_INIT(PATTERN_MAX * 4);
	bool ok;

	ok = buf_append_slice(&wire, reference) == 0 &&
	     buf_append_slice(&wire, pattern) == 0 &&
	     name_from_utf7(buf_slice(&wire), &raw) == 0 &&
	     charset_nfc(out, buf_slice(&raw)) == 0;
	buf_free(&wire);
	buf_free(&raw);
	return ok;
}

static void
list_all(
    struct session *s, const struct folder_list *list, struct slice pattern)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct folder_entry *e = &list->entries[i];
		struct slice name = slice_str(e->name);

		if ((e->attributes & FOLDER_NONEXISTENT) == 0 &&
		    pattern_match(pattern, name))
			tell_entry(s, "LIST", name, e->attributes);
	}
}

/*
 * §6.3.9: where "foo/bar" is subscribed and "foo" is not, a pattern that
 * ends in '%' and matches only "foo" gets it as \Noselect.
 */
static void
tell_parents(struct session *s, struct map *told, struct slice name,
    struct slice pattern)
{
	for (size_t n = 1; n < name.len; n++) {
		struct slice parent = slice_sub(name, 0, n);

		if (name.p[n] != '/' || map_get(told, parent) != NULL ||
		    !pattern_match(pattern, parent))
			continue;
		(void)map_put(told, parent, told);
		tell_entry(
		    s, "LSUB", parent, FOLDER_NOSELECT | FOLDER_CHILDREN);
	}
}

static void
list_subscribed(
    struct session *s, const struct folder_list *list, struct slice pattern)
{
	bool parents = pattern.len > 0 && pattern.p[pattern.len - 1] == '%';
	struct map told = MAP_INIT;

	/* children stand behind their parents in the list */
	for (size_t i = 0; i < list->count; i++) {
		const struct folder_entry *e = &list->entries[i];
		struct slice name = slice_str(e->name);

		if ((e->attributes & FOLDER_SUBSCRIBED) == 0)
			continue;
		if (pattern_match(pattern, name)) {
			(void)map_put(&told, name, &told);
			tell_entry(s, "LSUB", name, e->attributes);
		} else if (parents) {
			tell_parents(s, &told, name, pattern);
		}
	}
	map_free(&told);
}

static void
list(struct session *s, struct command_in *in, bool subscribed)
{
	struct buf pattern = BUF_INIT(PATTERN_MAX);
	struct folder_list folders = { .count = 0 };
	struct slice reference;
	struct slice mailbox;

	if (!parse_space(&in->p) || !parse_astring(&in->p, &reference) ||
	    !parse_space(&in->p) || !parse_list_mailbox(&in->p, &mailbox) ||
	    !parse_end(&in->p))
		return;
	if (!subscribed && mailbox.len == 0) {
		/* §6.3.8: the root and the delimiter are asked for */
		out_str(s, "* LIST (\\Noselect) \"/\" \"\"\r\n");
	} else if (join_pattern(reference, mailbox, &pattern)) {
		if (account_refresh(s->account) == -1 ||
		    account_folders(s->account, &folders) == -1) {
			buf_free(&pattern);
			answer_errno(s, "NONEXISTENT");
			return;
		}
		if (subscribed)
			list_subscribed(s, &folders, buf_slice(&pattern));
		else
			list_all(s, &folders, buf_slice(&pattern));
		folder_list_free(&folders);
	} else if (errno == ENOMEM) {
		buf_free(&pattern);
		answer_errno(s, "NONEXISTENT");
		return;
	}
	buf_free(&pattern);
	answer_ok(s, NULL, subscribed ? "Lsub completed" : "List completed");
}

void
cmd_list(struct session *s, struct command_in *in)
{
	list(s, in, false);
}

void
cmd_lsub(struct session *s, struct command_in *in)
{
	list(s, in, true);
}
