#include "imapd/session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/login/linger.h"
#include "imapd/session_state.h"

/* A command, and what is read with its end. */
#define IN_MAX (PARSE_COMMAND_MAX + 65536)
/* One answer to one item about one message. */
#define OUT_MAX  (64U << 20)
#define FILE_MAX (256U << 20)

bool
session_refuse(struct session *s, const char *text)
{
	struct slice first;
	struct parse p;
	struct slice tag;

	(void)slice_cut(buf_slice(&s->in), '\n', &first);
	parse_init(&p, first);
	s->tag[0] = '\0';
	if (!parse_tag(&p, &tag) || parse_peek(&p) != ' ' ||
	    slice_copy(s->tag, sizeof(s->tag), tag) == -1)
		s->tag[0] = '\0';
	parse_free(&p);
	answer_bad(s, text);
	buf_consume(&s->in, MIN(s->frame.line, s->in.len));
	parse_frame_reset(&s->frame);
	return !s->ended && in_skip_command(s);
}

/* A line ends in {n}. Returns false when the session is over. */
static bool
take_literal(struct session *s)
{
	struct parse_frame *f = &s->frame;

	if (cmd_append_literal(s))
		return !s->gone && !s->ended;
	if (f->literal > PARSE_LITERAL_MAX ||
	    f->end + f->literal > PARSE_COMMAND_MAX)
		return session_refuse(s, "Literal too big");
	if (f->sync)
		out_str(s, "+ OK\r\n");
	parse_frame_take_literal(f);
	return true;
}

static void
run_command(struct session *s)
{
	s->used = s->frame.end;
	parse_frame_reset(&s->frame);
	session_command(s, slice_of(s->in.data, s->used - 2));
	buf_consume(&s->in, s->used);
}

static bool
serve_step(struct session *s)
{
	switch (parse_frame_look(&s->frame, buf_slice(&s->in))) {
	case PARSE_MORE:
		return s->in.len == 0 ? in_first(s) : in_fill(s);
	case PARSE_COMMAND:
		run_command(s);
		break;
	case PARSE_LITERAL:
		return take_literal(s);
	case PARSE_BARE_LF:
		return session_refuse(s, "Lines end in CRLF");
	case PARSE_LONG:
		return session_refuse(s, "Line too long");
	case PARSE_TOO_MUCH:
		return session_refuse(s, "Command too long");
	}
	out_batch(s);
	return true;
}

static void
serve(struct session *s)
{
	if (s->start->state.len > 0 && !session_wake(s)) {
		out_flush(s);
		return;
	}
	while (!s->gone && !s->ended)
		if (!serve_step(s))
			break;
	out_flush(s);
}

/* The account as the session before has left it, brought up to date. */
static struct account *
take_kept(
    const struct imap_session_start *start, const struct account_wait *wait)
{
	struct account *a = start->kept == NULL ? NULL : *start->kept;

	if (a == NULL)
		return NULL;
	*start->kept = NULL;
	account_set_wait(a, wait);
	if (account_refresh(a) == 0)
		return a;
	account_close(a);
	return NULL;
}

/* Most of what the next session of this process would open is open. */
static void
leave_account(struct session *s)
{
	const struct account_wait wait = { .most_ms = s->start->lock_ms };

	if (s->account == NULL)
		return;
	account_set_wait(s->account, &wait);
	if (s->start->kept == NULL || s->damaged ||
	    account_leave(s->account) == -1)
		account_close(s->account);
	else
		*s->start->kept = s->account;
}

/* The answer to LOGIN or AUTHENTICATE, which the front left to us. */
static int
greet(struct session *s)
{
	const struct imap_session_start *start = s->start;
	struct account_config config = { .retention_s = start->retention_s,
		.wait = { .most_ms = start->lock_ms,
		    .wanted = in_wanted,
		    .ctx = s } };

	memcpy(config.boot_id, start->boot_id, sizeof(config.boot_id));
	s->account = take_kept(start, &config.wait);
	if (s->account == NULL)
		s->account = account_open(start->home, &config);
	if (s->account == NULL) {
		log_error("event=account-failed session=%08x user=%s error=%s",
		    start->number, start->user, strerror(errno));
		if (start->state.len == 0)
			out_format(s,
			    "%s NO [%s] Your mail cannot be opened now\r\n",
			    start->tag,
			    errno == EBUSY ? "INUSE" : "UNAVAILABLE");
		say_bye(s, "Please try later");
		out_flush(s);
		return -1;
	}
	if (!start->quiet)
		out_format(s, "%s OK [CAPABILITY %s] Logged in\r\n", start->tag,
		    session_capabilities);
	return 0;
}

int
imap_session_serve(const struct imap_session_start *start)
{
	struct session s = { .start = start,
		.fd = start->fd,
		.in = BUF_INIT(IN_MAX),
		.out = BUF_INIT(OUT_MAX),
		.file = BUF_INIT(FILE_MAX) };
	int rc = -1;

	if (start->preread.len > IN_MAX - 1 ||
	    buf_append_slice(&s.in, start->preread) == -1)
		return -1;
	if (greet(&s) == 0) {
		serve(&s);
		rc = s.damaged ? -1 : s.asleep;
	}
	session_unselect(&s);
	leave_account(&s);
	if (s.ended && !s.logout && !s.gone)
		linger(s.fd, start->alive > 0 ? start->alive : -1);
	mime_tree_free(&s.tree);
	buf_free(&s.in);
	buf_free(&s.out);
	buf_free(&s.file);
	return rc;
}

void
imap_session_run(const struct login_session *login)
{
	const struct config *c = login->config;
	struct account *kept = *login->kept;
	bool asleep;
	struct imap_session_start start = { .fd = login->fd,
		.alive = login->alive,
		.quiet = login->tag[0] == '\0',
		.number = login->number,
		.user = login->user,
		.tag = login->tag,
		.preread = login->preread,
		.retention_s = (uint32_t)c->expunge_retention,
		.idle_ms = c->imap_timeout * 1000,
		.lock_ms = c->mailbox_lock_timeout * 1000,
		.literal_max = (uint64_t)c->imap_literal_limit,
		.errors_max = (unsigned)c->errors_limit,
		.kept = &kept,
		.state = login->state,
		.sleep = login->sleep,
		.sleep_arg = login->sleep_arg,
		.hibernate_ms = c->imap_hibernate * 1000 };

	memcpy(start.boot_id, login->boot_id, sizeof(start.boot_id));
	start.home = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (start.home == -1 || chdir("/") == -1) {
		log_error("event=home-failed session=%08x error=%s",
		    login->number, strerror(errno));
		fd_close(start.home);
		return;
	}
	log_debug("event=session session=%08x user=%s client=%s tls=%d",
	    login->number, login->user, login->client, login->tls);
	asleep = imap_session_serve(&start) == 1;
	*login->kept = kept;
	if (!asleep)
		log_info(
		    "event=logout user=%s client=%s service=imap session=%08x",
		    login->user, login->client, login->number);
	fd_close(start.home);
}
