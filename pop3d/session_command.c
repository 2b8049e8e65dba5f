#include <errno.h>
#include <string.h>

#include "common/base/num.h"
#include "pop3d/capa.h"
#include "pop3d/line.h"
#include "pop3d/session.h"
#include "store/mailbox.h"

void
pop3_command_bad(struct pop3_session *s, const char *text)
{
	pop3_say(s, text);
	if (++s->errors < s->errors_max)
		return;
	s->end = POP3_ERRORS;
}

/* A message that is there and not deleted, or 0 after the answer. */
static uint32_t
message_number(struct pop3_session *s, struct slice arg)
{
	uint64_t n;

	if (num_parse(arg, UINT32_MAX, &n) == -1 || n == 0 || n > s->count) {
		pop3_command_bad(s, "-ERR No such message\r\n");
		return 0;
	}
	if (maildrop_bit_get(s->deleted, (uint32_t)n)) {
		pop3_command_bad(s, "-ERR That message is deleted\r\n");
		return 0;
	}
	return (uint32_t)n;
}

static void
cmd_stat(struct pop3_session *s, struct slice arg)
{
	(void)arg;
	pop3_printf(s, "+OK %u %llu\r\n", s->count - s->deleted_count,
	    (unsigned long long)s->bytes);
}

static void
list_line(struct pop3_session *s, const struct message *m)
{
	pop3_say_number(s, m->size);
}

/* uidvalidity and UID: never used again, the same in every session. */
static void
uidl_line(struct pop3_session *s, const struct message *m)
{
	pop3_say_number(s, s->uidvalidity);
	pop3_say(s, ".");
	pop3_say_number(s, m->uid);
}

typedef void line_writer(struct pop3_session *s, const struct message *m);

static bool
say_line(struct pop3_session *s, uint32_t msg, line_writer *writer)
{
	struct message m;

	if (mailbox_message(s->box, msg, &m) == -1)
		return false;
	pop3_say_number(s, msg);
	pop3_say(s, " ");
	writer(s, &m);
	pop3_say(s, "\r\n");
	return true;
}

static void
list_one(struct pop3_session *s, struct slice arg, line_writer *writer)
{
	uint32_t msg = message_number(s, arg);
	size_t mark = s->out.len;

	if (msg == 0)
		return;
	pop3_say(s, "+OK ");
	if (say_line(s, msg, writer))
		return;
	buf_truncate(&s->out, mark);
	pop3_say(s, "-ERR [SYS/TEMP] Cannot look it up\r\n");
}

static void
list_all(struct pop3_session *s, line_writer *writer)
{
	uint32_t i;

	pop3_say(s, "+OK\r\n");
	for (i = 1; i <= s->count && s->end == POP3_GOES_ON; i++) {
		if (!maildrop_bit_get(s->deleted, i) && !say_line(s, i, writer))
			s->end = POP3_EOF; /* half a list is a lie */
	}
	pop3_say(s, ".\r\n");
}

static void
cmd_list(struct pop3_session *s, struct slice arg)
{
	if (arg.len > 0)
		list_one(s, arg, list_line);
	else
		list_all(s, list_line);
}

static void
cmd_uidl(struct pop3_session *s, struct slice arg)
{
	if (arg.len > 0)
		list_one(s, arg, uidl_line);
	else
		list_all(s, uidl_line);
}

static void
cmd_retr(struct pop3_session *s, struct slice arg)
{
	uint32_t msg = message_number(s, arg);

	if (msg != 0)
		pop3_content_send(s, msg, UINT64_MAX);
}

static void
cmd_top(struct pop3_session *s, struct slice arg)
{
	struct slice number;
	struct slice count = slice_cut(arg, ' ', &number);
	uint64_t lines;
	uint32_t msg;

	/* More lines than there can be are all of them. */
	if (num_parse(count, UINT64_MAX - 1, &lines) == -1) {
		if (errno != ERANGE) {
			pop3_command_bad(
			    s, "-ERR TOP wants a number of lines\r\n");
			return;
		}
		lines = UINT64_MAX - 1;
	}
	msg = message_number(s, number);
	if (msg != 0)
		pop3_content_send(s, msg, lines);
}

static void
cmd_dele(struct pop3_session *s, struct slice arg)
{
	uint32_t msg = message_number(s, arg);
	struct message m;

	if (msg == 0)
		return;
	if (mailbox_message(s->box, msg, &m) == -1) {
		pop3_say(s, "-ERR [SYS/TEMP] Cannot look it up\r\n");
		return;
	}
	maildrop_bit_set(s->deleted, msg);
	s->deleted_count++;
	s->bytes -= MIN(m.size, s->bytes);
	pop3_say(s, "+OK Deleted\r\n");
}

static void
cmd_noop(struct pop3_session *s, struct slice arg)
{
	(void)arg;
	pop3_say(s, "+OK\r\n");
}

static void
cmd_rset(struct pop3_session *s, struct slice arg)
{
	(void)arg;
	memset(s->deleted, 0, s->count / 8 + 1);
	s->deleted_count = 0;
	s->bytes = s->total_bytes;
	pop3_say(s, "+OK\r\n");
}

static void
cmd_capa(struct pop3_session *s, struct slice arg)
{
	(void)arg;
	pop3_say(s, CAPA_BEGIN CAPA_LOGIN CAPA_END);
}

static void
cmd_quit(struct pop3_session *s, struct slice arg)
{
	(void)arg;
	s->end = POP3_QUIT;
}

enum argument { ARG_NONE, ARG_MAYBE, ARG_NEEDED };

struct command {
	const char *verb;
	enum argument argument;
	void (*run)(struct pop3_session *s, struct slice arg);
};

/* clang-format off */
static const struct command commands[] = {
	/* verb   argument    run */
	{ "RETR", ARG_NEEDED, cmd_retr },
	{ "DELE", ARG_NEEDED, cmd_dele },
	{ "STAT", ARG_NONE,   cmd_stat },
	{ "LIST", ARG_MAYBE,  cmd_list },
	{ "UIDL", ARG_MAYBE,  cmd_uidl },
	{ "TOP",  ARG_NEEDED, cmd_top },
	{ "NOOP", ARG_NONE,   cmd_noop },
	{ "RSET", ARG_NONE,   cmd_rset },
	{ "CAPA", ARG_NONE,   cmd_capa },
	{ "QUIT", ARG_NONE,   cmd_quit },
};
/* clang-format on */

static bool
argument_fits(enum argument want, bool given, struct slice arg)
{
	switch (want) {
	case ARG_NONE:
		return !given;
	case ARG_MAYBE:
		return !given || arg.len > 0;
	case ARG_NEEDED:
		return arg.len > 0;
	}
	return false;
}

static void
run(struct pop3_session *s, struct slice text)
{
	struct slice arg;
	struct slice verb = pop3_line_verb(text, &arg);
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++) {
		if (!slice_ieq(verb, slice_str(commands[i].verb)))
			continue;
		if (argument_fits(
			commands[i].argument, verb.len < text.len, arg))
			commands[i].run(s, arg);
		else
			pop3_command_bad(s, "-ERR Bad argument\r\n");
		return;
	}
	pop3_command_bad(s, "-ERR No such command after login\r\n");
}

void
pop3_command_run(struct pop3_session *s, struct slice text)
{
	unsigned errors = s->errors;

	run(s, text);
	if (s->errors == errors)
		s->errors = 0;
}
