#include "imapd/parse.h"
#include "store/mailbox.h"

/* clang-format off */
static const struct {
	struct slice name;
	unsigned bit;
} system_flags[] = {
	{ { "Seen", 4 },     MESSAGE_SEEN },
	{ { "Answered", 8 }, MESSAGE_ANSWERED },
	{ { "Flagged", 7 },  MESSAGE_FLAGGED },
	{ { "Deleted", 7 },  MESSAGE_DELETED },
	{ { "Draft", 5 },    MESSAGE_DRAFT },
};
/* clang-format on */

static bool
read_system_flag(struct parse *p, struct parse_flags *flags)
{
	struct slice name;

	if (!parse_atom(p, &name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++)
		if (slice_ieq(name, system_flags[i].name)) {
			flags->system |= system_flags[i].bit;
			return true;
		}
	return parse_fail(p, "No such flag can be stored");
}

static bool
read_flag(struct parse *p, struct parse_flags *flags)
{
	if (parse_skip(p, '\\'))
		return read_system_flag(p, flags);
	if (flags->keyword_count == PARSE_FLAGS_MAX)
		return parse_fail(p, "Too many flags");
	return parse_atom(p, &flags->keywords[flags->keyword_count++]);
}

bool
parse_flag_list(struct parse *p, bool bare, struct parse_flags *flags)
{
	bool brackets = parse_skip(p, '(');

	flags->system = 0;
	flags->keyword_count = 0;
	if (!brackets && !bare)
		return parse_fail(p, "Flags must stand in brackets");
	if (brackets && parse_skip(p, ')'))
		return true;
	do {
		if (!read_flag(p, flags))
			return false;
	} while (parse_skip(p, ' '));
	return !brackets || parse_byte(p, ')');
}
