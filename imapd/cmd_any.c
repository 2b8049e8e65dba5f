/* CAPABILITY NOOP CHECK LOGOUT ID ENABLE NAMESPACE */
#include "imapd/session_state.h"

/* RFC 2971 §3.3 */
#define ID_PAIRS_MAX 30
#define ID_FIELD_MAX 30
#define ID_VALUE_MAX 1024

void
cmd_capability(struct session *s, struct command_in *in)
{
	if (!parse_end(&in->p))
		return;
	out_format(s, "* CAPABILITY %s\r\n", session_capabilities);
	answer_ok(s, NULL, "Capability completed");
}

void
cmd_noop(struct session *s, struct command_in *in)
{
	if (parse_end(&in->p))
		answer_ok(s, NULL, "Noop completed");
}

void
cmd_check(struct session *s, struct command_in *in)
{
	if (!parse_end(&in->p))
		return;
	if (account_sync(s->account) == -1)
		answer_errno(s, "NONEXISTENT");
	else
		answer_ok(s, NULL, "Check completed");
}

void
cmd_logout(struct session *s, struct command_in *in)
{
	if (!parse_end(&in->p))
		return;
	say_bye(s, "Logging out");
	s->logout = true;
	answer_ok(s, NULL, "Logout completed");
}

static bool
read_id_pairs(struct parse *p)
{
	struct slice field;
	struct slice value;

	if (parse_skip(p, ')'))
		return true;
	for (int i = 0; i < ID_PAIRS_MAX; i++) {
		if (!parse_string(p, &field) || !parse_space(p) ||
		    !parse_nstring(p, &value))
			return false;
		if (field.len > ID_FIELD_MAX || value.len > ID_VALUE_MAX)
			return parse_fail(p, "ID field too long");
		if (parse_skip(p, ')'))
			return true;
		if (!parse_space(p))
			return false;
	}
	return parse_fail(p, "Too many ID fields");
}

/* What the client says about itself is not kept. */
void
cmd_id(struct session *s, struct command_in *in)
{
	struct parse *p = &in->p;
	struct slice nil;

	if (!parse_space(p) ||
	    (parse_skip(p, '(') ? !read_id_pairs(p)
				: !parse_nstring(p, &nil)) ||
	    !parse_end(p))
		return;
	out_str(s,
	    "* ID (\"name\" \"Wemmick\" \"version\" \"" WM_VERSION "\")\r\n");
	answer_ok(s, NULL, "ID completed");
}

/* RFC 5161: nothing can be enabled yet, and asking is no error. */
void
cmd_enable(struct session *s, struct command_in *in)
{
	struct slice name;

	do {
		if (!parse_space(&in->p) || !parse_atom(&in->p, &name))
			return;
	} while (parse_peek(&in->p) == ' ');
	if (!parse_end(&in->p))
		return;
	out_str(s, "* ENABLED\r\n");
	answer_ok(s, NULL, "Enable completed");
}

/* RFC 2342: one personal namespace without a prefix. */
void
cmd_namespace(struct session *s, struct command_in *in)
{
	if (!parse_end(&in->p))
		return;
	out_str(s, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	answer_ok(s, NULL, "Namespace completed");
}
