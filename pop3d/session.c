#include "pop3d/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "pop3d/line.h"

static const char *
end_name(enum pop3_end end)
{
	switch (end) {
	case POP3_GOES_ON:
	case POP3_EOF:
		return "gone";
	case POP3_QUIT:
		return "quit";
	case POP3_IDLE:
		return "idle";
	case POP3_ERRORS:
		return "errors";
	case POP3_STOPPED:
		return "stopped";
	case POP3_FAILED:
		return "failed";
	}
	return "unknown";
}

/* The next line of input, if it is there: 1 run, 0 wait for more. */
static bool
run_line(struct pop3_session *s)
{
	struct pop3_line line;

	if (s->skipping) {
		bool ended;
		size_t n = pop3_line_skip(buf_slice(&s->in), &ended);

		buf_consume(&s->in, n);
		s->skipping = !ended;
		return ended;
	}
	switch (pop3_line_next(buf_slice(&s->in), POP3_LINE_MAX, &line)) {
	case LINE_MORE:
		return false;
	case LINE_OK:
		pop3_command_run(s, line.text);
		break;
	case LINE_LONG:
		pop3_command_bad(s, "-ERR Line too long\r\n");
		s->skipping = !line.ended;
		break;
	case LINE_BAD:
		pop3_command_bad(s, "-ERR Lines end in CRLF and are text\r\n");
		break;
	}
	buf_consume(&s->in, line.used);
	return true;
}

/*
 * Answers gather while there are commands and leave together when there
 * are none, or when they have grown large.
 */
static void
transaction(struct pop3_session *s)
{
	while (s->end == POP3_GOES_ON) {
		if (run_line(s))
			continue;
		pop3_flush(s);
		if (s->end == POP3_GOES_ON)
			pop3_fill(s);
	}
}

/* RFC 1939 §6: only QUIT removes anything. */
static void
update(struct pop3_session *s)
{
	if (maildrop_update(s) == -1) {
		pop3_say(s, "-ERR [SYS/TEMP] Some deleted messages were not "
			    "removed\r\n");
		return;
	}
	s->removed = s->deleted_count;
	pop3_say(s, "+OK Goodbye\r\n");
}

static void
finish(struct pop3_session *s)
{
	switch (s->end) {
	case POP3_QUIT:
		update(s);
		break;
	case POP3_ERRORS:
		pop3_say(s, "-ERR Too many bad commands\r\n");
		break;
	case POP3_STOPPED:
		pop3_say(s, "-ERR [SYS/TEMP] Shutting down\r\n");
		break;
	case POP3_GOES_ON:
	case POP3_EOF:
	case POP3_IDLE:
	case POP3_FAILED:
		break;
	}
	pop3_flush(s);
}

enum pop3_end
pop3_session_serve(const struct login_session *login, int home)
{
	struct pop3_session s = {
		.login = login,
		.timeout_ms = login->config->pop3_timeout * 1000,
		.errors_max = (unsigned)login->config->errors_limit,
		.lock = -1,
	};

	buf_init(&s.in, MAX(login->preread.len, (size_t)POP3_IN_MAX));
	buf_init(&s.out, POP3_OUT_MAX);
	if (buf_append_slice(&s.in, login->preread) == -1)
		s.end = POP3_FAILED;
	if (s.end == POP3_GOES_ON)
		maildrop_open(&s, home);
	transaction(&s);
	finish(&s);
	maildrop_close(&s);
	log_info("event=logout user=%s client=%s service=pop3 why=%s "
		 "retrieved=%llu deleted=%u sent=%llu session=%08x",
	    login->user, login->client, end_name(s.end),
	    (unsigned long long)s.retrieved_count, s.removed,
	    (unsigned long long)s.sent, login->number);
	if (s.end == POP3_FAILED || s.end == POP3_ERRORS)
		pop3_linger(&s);
	buf_free(&s.in);
	buf_free(&s.out);
	free(s.content);
	return s.end;
}

void
pop3_session_run(const struct login_session *login)
{
	int home = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (home == -1) {
		log_error("event=no-home user=%s session=%08x", login->user,
		    login->number);
		return;
	}
	(void)pop3_session_serve(login, home);
	fd_close(home);
}
