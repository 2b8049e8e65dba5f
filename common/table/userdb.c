#include "common/table/userdb.h"

#include <errno.h>

#include "common/base/num.h"
#include "common/table/entry.h"

/* clang-format off */
static const struct {
	const char *name;
	unsigned bit;
} flag_names[] = {
	{ "disabled",      USERDB_DISABLED },
	{ "no-imap",       USERDB_NO_IMAP },
	{ "no-pop3",       USERDB_NO_POP3 },
	{ "no-submission", USERDB_NO_SUBMISSION },
};
/* clang-format on */

unsigned
userdb_flag(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
		if (slice_eq(name, slice_str(flag_names[i].name)))
			return flag_names[i].bit;
	return 0;
}

int
userdb_flags_print(unsigned flags, struct buf *b)
{
	const char *comma = "";

	if (flags == 0)
		return buf_append_byte(b, '-');
	for (size_t i = 0; i < ARRAY_LEN(flag_names); i++) {
		if ((flags & flag_names[i].bit) == 0)
			continue;
		if (buf_printf(b, "%s%s", comma, flag_names[i].name) == -1)
			return -1;
		comma = ",";
	}
	return 0;
}

bool
userdb_home_fine(struct slice home)
{
	struct slice part;

	if (home.len == 0 || home.len > USERDB_HOME_MAX ||
	    !entry_text_fine(home) || home.p[home.len - 1] == '/')
		return false;
	while (home.len > 0) {
		home = slice_cut(home, '/', &part);
		if (part.len == 0 || part.p[0] == '.')
			return false;
	}
	return true;
}

static int
fail(void)
{
	errno = EBADMSG;
	return -1;
}

static int
parse_uid(struct slice text, uint32_t *uid)
{
	uint64_t v;

	if (num_parse(text, UINT32_MAX - 1, &v) == -1 || v == 0)
		return fail();
	*uid = (uint32_t)v;
	return 0;
}

static int
parse_flags(struct slice text, unsigned *flags)
{
	struct slice word;

	*flags = 0;
	if (slice_eq(text, SLICE("-")))
		return 0;
	do {
		unsigned bit;

		text = slice_cut(text, ',', &word);
		bit = userdb_flag(word);
		if (bit == 0)
			return fail();
		*flags |= bit;
	} while (text.len > 0);
	return 0;
}

int
userdb_parse(struct slice value, struct userdb_record *a)
{
	struct slice uid;

	*a = (struct userdb_record){ .uid = 0 };
	if (value.len > USERDB_MAX)
		return fail();
	value = slice_cut(value, '\t', &a->hash);
	value = slice_cut(value, '\t', &uid);
	value = slice_cut(value, '\t', &a->home);
	if (a->hash.len == 0 || !userdb_home_fine(a->home) ||
	    parse_uid(uid, &a->uid) == -1)
		return fail();
	return parse_flags(value, &a->flags);
}

int
userdb_print(const struct userdb_record *a, struct buf *b)
{
	for (size_t i = 0; i < a->hash.len; i++) {
		if (a->hash.p[i] == '\t') {
			errno = EINVAL;
			return -1;
		}
	}
	if (a->hash.len == 0 || !userdb_home_fine(a->home)) {
		errno = EINVAL;
		return -1;
	}
	if (buf_append_slice(b, a->hash) == -1 ||
	    buf_printf(b, "\t%u\t%.*s\t", a->uid, SLICE_FMT(a->home)) == -1)
		return -1;
	return userdb_flags_print(a->flags, b);
}

int
userdb_parse_mailbox(struct slice value, struct userdb_record *a)
{
	struct slice uid;

	*a = (struct userdb_record){ .uid = 0 };
	a->home = slice_cut(value, ' ', &uid);
	if (!userdb_home_fine(a->home) || parse_uid(uid, &a->uid) == -1)
		return fail();
	return 0;
}

int
userdb_print_mailbox(const struct userdb_record *a, struct buf *b)
{
	return buf_printf(b, "%u %.*s", a->uid, SLICE_FMT(a->home));
}
