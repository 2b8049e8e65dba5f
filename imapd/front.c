#include "imapd/front.h"

#include <string.h>

#include "imapd/front_args.h"

/* A response line: the longest message PLAIN can have, in base64. */
#define RESPONSE_MAX 4096

static struct imap_talk *
imap_of(struct talk *t)
{
	return (struct imap_talk *)t;
}

enum talk_step
imap_bad(struct imap_talk *m, const char *text)
{
	struct talk *t = &m->talk;

	imap_forget(m);
	if (m->tag[0] == '\0')
		talk_printf(t, "* BAD %s\r\n", text);
	else
		talk_printf(t, "%s BAD %s\r\n", m->tag, text);
	return imap_error(m);
}

enum talk_step
imap_error(struct imap_talk *m)
{
	struct talk *t = &m->talk;

	t->errors++;
	if (t->errors < t->errors_max)
		return TALK_READ;
	talk_say(t, "* BYE Too many bad commands\r\n");
	return TALK_CLOSE;
}

void
imap_forget(struct imap_talk *m)
{
	m->mode = IMAP_COMMAND;
	credentials_wipe(&m->talk.who);
}

void
imap_capabilities(struct imap_talk *m)
{
	struct talk *t = &m->talk;

	talk_say(t, "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID");
	if (t->can_starttls)
		talk_say(t, " STARTTLS");
	talk_say(t, t->can_login ? " AUTH=PLAIN AUTH=LOGIN" : " LOGINDISABLED");
}

static void
imap_greet(struct talk *t)
{
	talk_say(t, "* OK [");
	imap_capabilities(imap_of(t));
	talk_printf(t, "] %s IMAP ready\r\n", t->hostname);
}

static enum talk_step
input_skip(struct imap_talk *m, struct buf *in)
{
	const char *end = NULL;
	size_t n = in->len;

	if (in->len >= 2)
		end = memmem(in->data, in->len, "\r\n", 2);
	if (end != NULL) {
		n = (size_t)(end - in->data) + 2;
		m->mode = IMAP_COMMAND;
	} else if (n > 0 && in->data[n - 1] == '\r') {
		n--; /* may be half of the CRLF */
	}
	talk_consume(in, n);
	return TALK_READ;
}

static enum talk_step
input_response(struct imap_talk *m, struct buf *in)
{
	struct slice line;
	const char *end = NULL;
	enum talk_step step;

	if (in->len >= 2)
		end = memmem(
		    in->data, MIN(in->len, (size_t)RESPONSE_MAX), "\r\n", 2);
	if (end == NULL && in->len < RESPONSE_MAX)
		return TALK_READ;
	if (end == NULL) {
		step = imap_bad(m, "[TOOBIG] Response too long");
		m->mode = IMAP_SKIP;
		return step == TALK_READ ? input_skip(m, in) : step;
	}
	line = slice_of(in->data, (size_t)(end - in->data));
	step = imap_response(m, line);
	talk_consume(in, line.len + 2);
	return step;
}

/* Commands that cannot be read: tell under their tag where they have one. */
static void
take_tag(struct imap_talk *m, const struct buf *in)
{
	struct front_args a = { .rest = buf_slice(in) };
	struct slice tag;

	if (!args_tag(&a, &tag) || !args_space(&a) ||
	    slice_copy(m->tag, sizeof(m->tag), tag) == -1)
		m->tag[0] = '\0';
}

/* Ask for literals until there is something else to do. */
static enum frame_result
next_frame(struct imap_talk *m, const struct buf *in, size_t *used)
{
	enum frame_result result;

	do {
		result = frame_next(&m->frame, buf_slice(in), used);
		if (result == FRAME_ASK)
			talk_say(&m->talk, "+ Go on\r\n");
	} while (result == FRAME_ASK);
	return result;
}

static enum talk_step
input_command(struct imap_talk *m, struct buf *in)
{
	enum talk_step step = TALK_READ;
	size_t used;

	switch (next_frame(m, in, &used)) {
	case FRAME_MORE:
	case FRAME_ASK:
		return TALK_READ;
	case FRAME_DONE:
		step = imap_command(m, slice_of(in->data, used));
		break;
	case FRAME_REFUSED:
		take_tag(m, in);
		step = imap_bad(m, "[TOOBIG] Literal too long before login");
		break;
	case FRAME_LONG:
		take_tag(m, in);
		step = imap_bad(m, "[TOOBIG] Command too long");
		m->mode = IMAP_SKIP;
		break;
	case FRAME_FATAL:
		/* RFC 7888 §4: the only other way is to read it all. */
		talk_say(&m->talk, "* BYE [TOOBIG] Literal too long\r\n");
		step = TALK_CLOSE;
		break;
	}
	m->frame = (struct front_frame){ .line = 0 };
	talk_consume(in, used);
	if (m->mode == IMAP_SKIP && step == TALK_READ)
		return input_skip(m, in);
	return step;
}

static enum talk_step
imap_input(struct talk *t, struct buf *in)
{
	struct imap_talk *m = imap_of(t);

	switch (m->mode) {
	case IMAP_SKIP:
		return input_skip(m, in);
	case IMAP_RESPONSE:
		return input_response(m, in);
	case IMAP_COMMAND:
		break;
	}
	return input_command(m, in);
}

static void
imap_secured(struct talk *t)
{
	struct imap_talk *m = imap_of(t);

	imap_forget(m);
	m->frame = (struct front_frame){ .line = 0 };
	m->tag[0] = '\0';
}

static void
imap_end(struct talk *t, enum talk_end why)
{
	switch (why) {
	case END_IDLE:
		talk_say(t, "* BYE Idle for too long\r\n");
		break;
	case END_STOPPING:
		talk_say(t, "* BYE [UNAVAILABLE] Restarting, come again\r\n");
		break;
	case END_BUSY:
		talk_say(t, "* BYE [UNAVAILABLE] Too many connections\r\n");
		break;
	}
}

static const char *
imap_tag(const struct talk *t)
{
	return ((const struct imap_talk *)t)->tag;
}

const struct talk_protocol imap_protocol = {
	.name = "imap",
	.service = SERVICE_IMAP,
	.usher = PROC_IMAP_USHER,
	.size = sizeof(struct imap_talk),
	.greet = imap_greet,
	.input = imap_input,
	.answer = imap_answer,
	.secured = imap_secured,
	.end = imap_end,
	.tag = imap_tag,
};
