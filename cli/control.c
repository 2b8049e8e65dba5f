#include "cli/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/command.h"
#include "cli/groups.h"
#include "cli/rows.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"

#define PATIENCE_S 60 /* without any answer */

enum asking_state { ASKING, ANSWERED, REFUSED, BROKEN, SILENT };

struct asking {
	struct control_question *q;
	struct event_base *base;
	struct event *timer;
	enum asking_state state;
};

static int
open_socket(const struct config *c, enum proc peer)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *path = xasprintf("%s/%s.sock", c->run_directory, proc_name(peer));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd != -1 &&
	    (slice_copy(a.sun_path, sizeof(a.sun_path), slice_str(path)) ==
		    -1 ||
		connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
		fd_nonblock(fd) == -1)) {
		fd_close(fd);
		fd = -1;
	}
	if (fd == -1)
		cli_fail("cannot reach %s: %s%s", path, strerror(errno),
		    errno == ENOENT || errno == ECONNREFUSED
			? " (is Wemmick running?)"
			: "");
	free(path);
	return fd;
}

static void
finish(struct asking *a, enum asking_state state)
{
	a->state = state;
	(void)event_base_loopbreak(a->base);
}

static void
patience_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg, SILENT);
}

static void
wait_again(struct asking *a)
{
	struct timeval tv = { .tv_sec = PATIENCE_S };

	(void)event_add(a->timer, &tv);
}

static void
on_answer(void *arg, struct ipc_frame *f)
{
	struct asking *a = arg;
	struct ipc_admin_row row;
	struct ipc_admin_done done;

	if (f == NULL) {
		finish(a, BROKEN);
		return;
	}
	wait_again(a);
	if (f->type == IPC_ADMIN_ROW) {
		if (ipc_admin_row_decode(&row, f->payload) == 0 &&
		    a->q->row != NULL)
			a->q->row(a->q->arg, row.text);
		return;
	}
	if (f->type != IPC_ADMIN_DONE ||
	    ipc_admin_done_decode(&done, f->payload) == -1) {
		finish(a, BROKEN);
		return;
	}
	a->q->count = done.count;
	if (slice_copy(a->q->text, sizeof(a->q->text), done.text) == -1)
		a->q->text[0] = '\0';
	finish(a, done.ok != 0 ? ANSWERED : REFUSED);
}

static int
send_question(struct asking *a, struct ipc_chan *chan)
{
	struct ipc_admin_ask m = { .verb = (uint8_t)a->q->verb,
		.argument = slice_str(a->q->argument) };
	uint32_t request = ipc_expect(chan, on_answer, a);

	return ipc_send_msg(chan, admin_ask, 0, request, &m);
}

static int
report(const struct asking *a)
{
	switch (a->state) {
	case ANSWERED:
		return EXIT_DONE;
	case REFUSED:
		return cli_fail(
		    "%s", a->q->text[0] == '\0' ? "refused" : a->q->text);
	case SILENT:
		return cli_fail("%s does not answer", proc_name(a->q->peer));
	case ASKING:
	case BROKEN:
		break;
	}
	return cli_fail(
	    "%s went away before it had answered", proc_name(a->q->peer));
}

int
control_ask(const struct config *c, struct control_question *q)
{
	struct asking a = { .q = q };
	struct ipc_chan *chan;
	int fd = open_socket(c, q->peer);

	if (fd == -1)
		return EXIT_FAILED;
	a.base = event_base_new();
	a.timer =
	    a.base == NULL ? NULL : evtimer_new(a.base, patience_ended, &a);
	if (a.timer == NULL) {
		fd_close(fd);
		return cli_fail("out of memory");
	}
	chan = ipc_chan_new(a.base, fd, PROC_CLI, q->peer, 0);
	wait_again(&a);
	if (send_question(&a, chan) == 0)
		(void)event_base_dispatch(a.base);
	if (a.state == ASKING)
		a.state = BROKEN;
	ipc_chan_close(chan);
	event_free(a.timer);
	event_base_free(a.base);
	return report(&a);
}

static void
add_row(void *arg, struct slice text)
{
	rows_add_json(arg, text);
}

static int
run_status(struct cli *cli, const struct command_args *a)
{
	const struct config *c = cli_config(cli);
	struct control_question q = { .peer = PROC_MASTER,
		.verb = ADMIN_STATUS,
		.argument = "",
		.row = add_row };
	int rc;

	(void)a;
	if (c == NULL)
		return EXIT_MISUSED;
	q.arg = rows_new(stdout, cli->json);
	rc = control_ask(c, &q);
	(void)rows_end(q.arg);
	return rc;
}

static int
tell_master(struct cli *cli, enum ipc_admin verb)
{
	const struct config *c = cli_config(cli);
	struct control_question q = {
		.peer = PROC_MASTER, .verb = verb, .argument = ""
	};

	if (c == NULL)
		return EXIT_MISUSED;
	return control_ask(c, &q);
}

/*
 * Master sees the text only, and what a table or the key is like comes out
 * when some daemons have the new configuration and others have not.
 */
static int
check_before_reload(const struct config *c)
{
	struct buf problems = BUF_INIT(CHECK_TEXT_MAX);
	struct buf notes = BUF_INIT(CHECK_TEXT_MAX);
	int rc = EXIT_DONE;

	if (check_places(c, &problems, &notes) == -1)
		rc = cli_fail("too many problems; nothing was reloaded");
	if (problems.len > 0) {
		(void)fprintf(stderr, "%s", buf_str(&problems));
		(void)cli_fail("nothing was reloaded");
		rc = EXIT_MISUSED;
	}
	buf_free(&problems);
	buf_free(&notes);
	return rc;
}

static int
run_reload(struct cli *cli, const struct command_args *a)
{
	const struct config *c = cli_config(cli);
	int rc;

	(void)a;
	if (c == NULL)
		return EXIT_MISUSED;
	rc = check_before_reload(c);
	return rc == EXIT_DONE ? tell_master(cli, ADMIN_RELOAD) : rc;
}

static int
run_stop(struct cli *cli, const struct command_args *a)
{
	(void)a;
	return tell_master(cli, ADMIN_STOP);
}

/* clang-format off */
const struct command control_commands[] = {
	{ "status", NULL, "", "show the running processes", NULL,
	  NULL, 0, 0, run_status },
	{ "reload", NULL, "", "take the changed configuration",
	  "What `wemmick check` finds wrong is refused; everything stays as it\n"
	  "is then. No connection is dropped.\n",
	  NULL, 0, 0, run_reload },
	{ "stop", NULL, "", "stop Wemmick, finishing what is under way", NULL,
	  NULL, 0, 0, run_stop },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};
/* clang-format on */
