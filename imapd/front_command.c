#include <stdint.h>

#include "imapd/front.h"
#include "imapd/front_args.h"

/* Limits of ID (RFC 2971 §3.3). */
#define ID_PAIRS_MAX 30
#define ID_FIELD_MAX 30
#define ID_VALUE_MAX 1024

static enum talk_step
say_ok(struct imap_talk *m, const char *text)
{
	talk_printf(&m->talk, "%s OK %s\r\n", m->tag, text);
	return TALK_READ;
}

static enum talk_step
say_no(struct imap_talk *m, const char *text)
{
	imap_forget(m);
	talk_printf(&m->talk, "%s NO %s\r\n", m->tag, text);
	return TALK_READ;
}

static enum talk_step
cmd_capability(struct imap_talk *m, struct front_args *a)
{
	if (!args_end(a))
		return imap_bad(m, "CAPABILITY has no arguments");
	talk_say(&m->talk, "* ");
	imap_capabilities(m);
	talk_say(&m->talk, "\r\n");
	return say_ok(m, "Capabilities told");
}

static enum talk_step
cmd_noop(struct imap_talk *m, struct front_args *a)
{
	if (!args_end(a))
		return imap_bad(m, "NOOP has no arguments");
	return say_ok(m, "Nothing done");
}

static enum talk_step
cmd_logout(struct imap_talk *m, struct front_args *a)
{
	if (!args_end(a))
		return imap_bad(m, "LOGOUT has no arguments");
	talk_say(&m->talk, "* BYE Goodbye\r\n");
	(void)say_ok(m, "Logged out");
	return TALK_CLOSE;
}

static enum talk_step
cmd_starttls(struct imap_talk *m, struct front_args *a)
{
	if (!args_end(a))
		return imap_bad(m, "STARTTLS has no arguments");
	if (m->talk.tls)
		return imap_bad(m, "TLS is on already");
	if (!m->talk.can_starttls)
		return imap_bad(m, "TLS is not available");
	(void)say_ok(m, "Begin TLS");
	return TALK_STARTTLS;
}

/* Without TLS, and the client's network is not one that may (RFC 5530). */
static enum talk_step
privacy_required(struct imap_talk *m, bool password_sent)
{
	if (password_sent && !m->alerted) {
		m->alerted = true;
		talk_say(&m->talk,
		    "* NO [ALERT] A password was just sent without TLS; "
		    "somebody may have read it on the way\r\n");
	}
	(void)say_no(m, "[PRIVACYREQUIRED] Use STARTTLS first");
	return imap_error(m);
}

/* login = "LOGIN" SP userid SP password, both astrings. */
static bool
login_args(struct front_args *a, struct buf *user, struct buf *secret)
{
	return args_space(a) && args_astring(a, user) && args_space(a) &&
	       args_astring(a, secret) && args_end(a);
}

static enum talk_step
cmd_login(struct imap_talk *m, struct front_args *a)
{
	struct buf user = BUF_INIT(FRAME_MAX);
	struct buf secret = BUF_INIT(FRAME_MAX);
	struct credentials *who = &m->talk.who;
	enum talk_step step = TALK_AUTH;

	imap_forget(m);
	if (!login_args(a, &user, &secret))
		step = imap_bad(m, "LOGIN wants a user and a password");
	else if (!m->talk.can_login)
		step = privacy_required(m, true);
	else if (credentials_user(who, buf_slice(&user)) == -1 ||
		 credentials_secret(who, buf_slice(&secret)) == -1)
		step = imap_answer(&m->talk, ANSWER_BAD); /* nobody's */
	buf_free(&user);
	buf_wipe(&secret);
	return step;
}

static enum talk_step
sasl_step(struct imap_talk *m, enum sasl_result result)
{
	m->mode = IMAP_COMMAND;
	switch (result) {
	case SASL_DONE:
		return TALK_AUTH;
	case SASL_CHALLENGE:
		m->mode = IMAP_RESPONSE;
		talk_printf(&m->talk, "+ %s\r\n", sasl_challenge(&m->sasl));
		return TALK_READ;
	case SASL_CANCELLED:
		return imap_bad(m, "Cancelled");
	case SASL_REFUSED:
		return imap_answer(&m->talk, ANSWER_BAD);
	case SASL_BAD:
		break;
	}
	return imap_bad(m, "Responses are base64");
}

/* authenticate, with the initial response of RFC 4959. */
static enum talk_step
cmd_authenticate(struct imap_talk *m, struct front_args *a)
{
	struct slice mechanism;
	struct slice initial;

	imap_forget(m);
	if (!args_space(a) || !args_atom(a, &mechanism))
		return imap_bad(m, "AUTHENTICATE wants a mechanism");
	if (!m->talk.can_login)
		return privacy_required(m, !args_end(a));
	if (!sasl_begin(&m->sasl, mechanism)) {
		(void)say_no(m, "[CANNOT] Unknown mechanism");
		return imap_error(m);
	}
	if (args_end(a))
		return sasl_step(m, SASL_CHALLENGE);
	if (!args_space(a))
		return imap_bad(m, "AUTHENTICATE wants a mechanism");
	if (args_end(a))
		return imap_bad(m, "An empty response is written =");
	initial = slice_sub(a->rest, 0, a->rest.len - 2);
	return sasl_step(m, sasl_initial(&m->sasl, initial, &m->talk.who));
}

/* nstring: NIL stands for no value. */
static bool
id_value(struct front_args *a, struct buf *value)
{
	struct slice word;

	if (a->rest.len > 0 && (a->rest.p[0] == '"' || a->rest.p[0] == '{'))
		return args_string(a, value);
	return args_atom(a, &word) && slice_ieq(word, SLICE("NIL"));
}

static bool
id_pair(struct front_args *a, struct buf *scratch)
{
	buf_truncate(scratch, 0);
	if (!args_string(a, scratch) || scratch->len > ID_FIELD_MAX)
		return false;
	buf_truncate(scratch, 0);
	return args_space(a) && id_value(a, scratch) &&
	       scratch->len <= ID_VALUE_MAX;
}

/* id_params = "(" [string SP nstring *(SP string SP nstring)] ")" / nil */
static bool
id_params(struct front_args *a, struct buf *scratch)
{
	struct slice word;
	size_t pairs;

	if (!args_byte(a, '('))
		return args_atom(a, &word) && slice_ieq(word, SLICE("NIL"));
	if (args_byte(a, ')'))
		return true;
	for (pairs = 0; pairs < ID_PAIRS_MAX; pairs++) {
		if (pairs > 0 && !args_space(a))
			return false;
		if (!id_pair(a, scratch))
			return false;
		if (args_byte(a, ')'))
			return true;
	}
	return false;
}

static enum talk_step
cmd_id(struct imap_talk *m, struct front_args *a)
{
	struct buf scratch = BUF_INIT(FRAME_MAX);
	bool good;

	good = args_space(a) && id_params(a, &scratch) && args_end(a);
	buf_free(&scratch);
	if (!good)
		return imap_bad(m, "ID wants a list of pairs or NIL");
	talk_say(&m->talk, "* ID (\"name\" \"Wemmick\")\r\n");
	return say_ok(m, "That is who we are");
}

struct command {
	const char *verb;
	enum talk_step (*run)(struct imap_talk *m, struct front_args *a);
};

/* clang-format off */
static const struct command commands[] = {
	{ "CAPABILITY",   cmd_capability },
	{ "NOOP",         cmd_noop },
	{ "LOGOUT",       cmd_logout },
	{ "ID",           cmd_id },
	{ "STARTTLS",     cmd_starttls },
	{ "LOGIN",        cmd_login },
	{ "AUTHENTICATE", cmd_authenticate },
};
/* clang-format on */

enum talk_step
imap_command(struct imap_talk *m, struct slice text)
{
	struct front_args a = { .rest = text };
	struct slice tag;
	struct slice verb;
	size_t i;

	m->tag[0] = '\0';
	if (!m->talk.spoken && talk_is_http(text)) {
		talk_say(&m->talk, "* BYE This is IMAP\r\n");
		return TALK_CLOSE;
	}
	m->talk.spoken = true;
	/* Without a tag we could not answer under one (RFC 3501 §2.2.1). */
	if (!args_tag(&a, &tag) || !args_space(&a) ||
	    slice_copy(m->tag, sizeof(m->tag), tag) == -1)
		return imap_bad(m, "A command begins with a tag and a space");
	if (!args_atom(&a, &verb))
		return imap_bad(m, "A command follows the tag");
	for (i = 0; i < ARRAY_LEN(commands); i++) {
		if (slice_ieq(verb, slice_str(commands[i].verb)))
			return commands[i].run(m, &a);
	}
	return imap_bad(m, "No such command, or not before login");
}

enum talk_step
imap_response(struct imap_talk *m, struct slice line)
{
	return sasl_step(m, sasl_respond(&m->sasl, line, &m->talk.who));
}

enum talk_step
imap_answer(struct talk *t, enum talk_answer answer)
{
	struct imap_talk *m = (struct imap_talk *)t;

	switch (answer) {
	case ANSWER_UNAVAILABLE:
		return say_no(m, "[UNAVAILABLE] Try again later");
	case ANSWER_DENIED:
		(void)say_no(
		    m, "[AUTHORIZATIONFAILED] IMAP is not open to you");
		break;
	case ANSWER_BAD:
		(void)say_no(m, "[AUTHENTICATIONFAILED] Authentication failed");
		break;
	}
	t->failures++;
	if (t->failures < TALK_FAILURES_MAX)
		return TALK_READ;
	talk_say(t, "* BYE Too many failed logins\r\n");
	return TALK_CLOSE;
}
