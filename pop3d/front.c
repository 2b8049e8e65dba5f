#include "pop3d/front.h"

#include "pop3d/capa.h"
#include "pop3d/line.h"

/* A response of AUTH: the longest message PLAIN can have, in base64. */
#define RESPONSE_MAX 4096

static struct pop3_talk *
pop3_of(struct talk *t)
{
	return (struct pop3_talk *)t;
}

/* A reply to a bad command; too many of them end the conversation. */
static enum talk_step
refuse(struct talk *t, const char *text)
{
	t->errors++;
	if (t->errors >= t->errors_max) {
		talk_say(t, "-ERR Too many bad commands\r\n");
		return TALK_CLOSE;
	}
	talk_say(t, text);
	return TALK_READ;
}

static void
forget_user(struct pop3_talk *p)
{
	p->has_user = false;
	p->mode = POP3_COMMAND;
	credentials_wipe(&p->talk.who);
}

static void
pop3_greet(struct talk *t)
{
	talk_printf(t, "+OK %s POP3 ready\r\n", t->hostname);
}

/* RFC 2449 §6; what depends on TLS is announced only where it works. */
static enum talk_step
cmd_capa(struct pop3_talk *p, struct slice arg)
{
	struct talk *t = &p->talk;

	(void)arg;
	talk_say(t, CAPA_BEGIN);
	if (t->can_starttls)
		talk_say(t, CAPA_STLS);
	if (t->can_login)
		talk_say(t, CAPA_LOGIN);
	talk_say(t, CAPA_END);
	return TALK_READ;
}

static enum talk_step
cmd_user(struct pop3_talk *p, struct slice arg)
{
	forget_user(p);
	if (!p->talk.can_login)
		return refuse(&p->talk, "-ERR Use STLS first\r\n");
	if (credentials_user(&p->talk.who, arg) == -1)
		return refuse(&p->talk, "-ERR That is no user name\r\n");
	p->has_user = true;
	talk_say(&p->talk, "+OK Password?\r\n");
	return TALK_READ;
}

/* The rest of the line is the password, spaces included (RFC 1939 §7). */
static enum talk_step
cmd_pass(struct pop3_talk *p, struct slice arg)
{
	if (!p->talk.can_login)
		return refuse(&p->talk, "-ERR Use STLS first\r\n");
	if (!p->has_user)
		return refuse(&p->talk, "-ERR USER comes first\r\n");
	if (arg.len == 0 || credentials_secret(&p->talk.who, arg) == -1) {
		forget_user(p);
		return refuse(&p->talk, "-ERR That is no password\r\n");
	}
	p->has_user = false;
	return TALK_AUTH;
}

static enum talk_step
pop3_answer(struct talk *t, enum talk_answer answer)
{
	forget_user(pop3_of(t));
	switch (answer) {
	case ANSWER_UNAVAILABLE:
		talk_say(t, "-ERR [SYS/TEMP] Try again later\r\n");
		return TALK_READ;
	case ANSWER_DENIED:
		talk_say(t, "-ERR [AUTH] POP3 is not open to you\r\n");
		break;
	case ANSWER_BAD:
		talk_say(t, "-ERR [AUTH] Authentication failed\r\n");
		break;
	}
	t->failures++;
	return t->failures < TALK_FAILURES_MAX ? TALK_READ : TALK_CLOSE;
}

static enum talk_step
sasl_step(struct pop3_talk *p, enum sasl_result result)
{
	p->mode = POP3_COMMAND;
	switch (result) {
	case SASL_DONE:
		return TALK_AUTH;
	case SASL_CHALLENGE:
		p->mode = POP3_RESPONSE;
		talk_printf(&p->talk, "+ %s\r\n", sasl_challenge(&p->sasl));
		return TALK_READ;
	case SASL_CANCELLED:
		forget_user(p);
		return refuse(&p->talk, "-ERR Cancelled\r\n");
	case SASL_REFUSED:
		return pop3_answer(&p->talk, ANSWER_BAD);
	case SASL_BAD:
		break;
	}
	forget_user(p);
	return refuse(&p->talk, "-ERR Responses are base64\r\n");
}

static enum talk_step
cmd_auth(struct pop3_talk *p, struct slice arg)
{
	struct slice mechanism;
	struct slice initial;

	forget_user(p);
	if (!p->talk.can_login)
		return refuse(&p->talk, "-ERR Use STLS first\r\n");
	initial = slice_cut(arg, ' ', &mechanism);
	if (!sasl_begin(&p->sasl, mechanism))
		return refuse(&p->talk, "-ERR Unknown mechanism\r\n");
	if (initial.len == 0)
		return sasl_step(p, SASL_CHALLENGE);
	return sasl_step(p, sasl_initial(&p->sasl, initial, &p->talk.who));
}

static enum talk_step
cmd_stls(struct pop3_talk *p, struct slice arg)
{
	(void)arg;
	if (p->talk.tls)
		return refuse(&p->talk, "-ERR TLS is on already\r\n");
	if (!p->talk.can_starttls)
		return refuse(&p->talk, "-ERR TLS is not available\r\n");
	talk_say(&p->talk, "+OK Begin TLS\r\n");
	return TALK_STARTTLS;
}

static enum talk_step
cmd_quit(struct pop3_talk *p, struct slice arg)
{
	(void)arg;
	talk_printf(&p->talk, "+OK %s says goodbye\r\n", p->talk.hostname);
	return TALK_CLOSE;
}

struct command {
	const char *verb;
	bool has_arg;
	enum talk_step (*run)(struct pop3_talk *p, struct slice arg);
};

/* clang-format off */
static const struct command commands[] = {
	/* verb   argument  run */
	{ "CAPA", false,    cmd_capa },
	{ "USER", true,     cmd_user },
	{ "PASS", true,     cmd_pass },
	{ "AUTH", true,     cmd_auth },
	{ "STLS", false,    cmd_stls },
	{ "QUIT", false,    cmd_quit },
};
/* clang-format on */

static enum talk_step
run_command(struct pop3_talk *p, struct slice text)
{
	struct slice arg;
	struct slice verb;
	size_t i;

	if (!p->talk.spoken && talk_is_http(text)) {
		talk_say(&p->talk, "-ERR This is POP3\r\n");
		return TALK_CLOSE;
	}
	p->talk.spoken = true;
	verb = pop3_line_verb(text, &arg);
	for (i = 0; i < ARRAY_LEN(commands); i++) {
		if (!slice_ieq(verb, slice_str(commands[i].verb)))
			continue;
		if (!commands[i].has_arg && verb.len != text.len)
			return refuse(&p->talk, "-ERR No argument here\r\n");
		return commands[i].run(p, arg);
	}
	return refuse(&p->talk, "-ERR No such command before login\r\n");
}

static enum talk_step
run_line(struct pop3_talk *p, struct slice text)
{
	if (p->mode == POP3_RESPONSE)
		return sasl_step(p, sasl_respond(&p->sasl, text, &p->talk.who));
	return run_command(p, text);
}

static enum talk_step
pop3_input(struct talk *t, struct buf *in)
{
	struct pop3_talk *p = pop3_of(t);
	size_t max;
	struct pop3_line line;
	enum talk_step step = TALK_READ;
	bool ended;

	if (p->mode == POP3_SKIP) {
		talk_consume(in, pop3_line_skip(buf_slice(in), &ended));
		if (ended)
			p->mode = POP3_COMMAND;
		return TALK_READ;
	}
	max = p->mode == POP3_RESPONSE ? RESPONSE_MAX : POP3_LINE_MAX;
	switch (pop3_line_next(buf_slice(in), max, &line)) {
	case LINE_MORE:
		return TALK_READ;
	case LINE_OK:
		step = run_line(p, line.text);
		break;
	case LINE_LONG:
		forget_user(p);
		p->mode = line.ended ? POP3_COMMAND : POP3_SKIP;
		step = refuse(t, "-ERR Line too long\r\n");
		break;
	case LINE_BAD:
		forget_user(p);
		step = refuse(t, "-ERR Lines end in CRLF and are text\r\n");
		break;
	}
	talk_consume(in, line.used);
	return step;
}

static void
pop3_secured(struct talk *t)
{
	forget_user(pop3_of(t));
}

static void
pop3_end(struct talk *t, enum talk_end why)
{
	switch (why) {
	case END_IDLE:
		talk_say(t, "-ERR Idle for too long\r\n");
		break;
	case END_STOPPING:
		talk_say(t, "-ERR [SYS/TEMP] Restarting, come again\r\n");
		break;
	case END_BUSY:
		talk_say(t, "-ERR [SYS/TEMP] Too many connections\r\n");
		break;
	}
}

static const char *
pop3_tag(const struct talk *t)
{
	(void)t;
	return "";
}

const struct talk_protocol pop3_protocol = {
	.name = "pop3",
	.service = SERVICE_POP3,
	.usher = PROC_POP3_USHER,
	.size = sizeof(struct pop3_talk),
	.greet = pop3_greet,
	.input = pop3_input,
	.answer = pop3_answer,
	.secured = pop3_secured,
	.end = pop3_end,
	.tag = pop3_tag,
};
