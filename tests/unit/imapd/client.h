#ifndef TESTS_UNIT_IMAPD_CLIENT_H
#define TESTS_UNIT_IMAPD_CLIENT_H

/* A user's home of its own, and clients of sessions in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "imapd/session.h"
#include "store/account.h"
#include "store/drop.h"
#include "store/home.h"
#include "tests/unit/tmp.h"

#define WAIT_MS 20000

/* One user's home and the connections to it. */
struct place {
	char path[TMP_PATH];
	int home;
	int alive; /* of the sessions; 0: none */
};

struct client {
	int fd;
	pid_t pid;
	struct buf in;
};

static inline int
place_setup(void **state)
{
	struct home_owner owner = {
		.uid = getuid(), .gid = getgid(), .deliver = (uid_t)-1
	};
	struct place *p = calloc(1, sizeof(*p));
	int parent;

	if (tmp_make(p->path) == -1)
		return -1;
	parent = open(p->path, O_RDONLY | O_DIRECTORY);
	if (parent == -1 || home_create(parent, "pip", &owner) == -1)
		return -1;
	p->home = openat(parent, "pip", O_RDONLY | O_DIRECTORY);
	close(parent);
	*state = p;
	return p->home == -1 ? -1 : 0;
}

static inline int
place_teardown(void **state)
{
	struct place *p = *state;

	close(p->home);
	assert_int_equal(tmp_remove(p->path), 0);
	free(p);
	return 0;
}

/* The process that serves; ends with 0 when all went well. */
static inline void
serve(const struct place *p, int fd, const char *preread)
{
	struct imap_session_start start = { .fd = fd,
		.home = p->home,
		.alive = p->alive,
		.user = "pip@example.test",
		.tag = "l",
		.preread = slice_str(preread),
		.idle_ms = WAIT_MS,
		.literal_max = 32 << 20,
		.errors_max = 5 };

	if (store_boot_id(start.boot_id) == -1)
		_exit(4);
	log_open("session", open("/dev/null", O_WRONLY), false);
	if (fchdir(p->home) == -1)
		_exit(3);
	_exit(imap_session_serve(&start) == 0 ? 0 : 2);
}

static inline void
client_open(struct client *c, const struct place *p, const char *preread)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	c->pid = fork();
	assert_int_not_equal(c->pid, -1);
	if (c->pid == 0) {
		close(pair[0]);
		serve(p, pair[1], preread);
	}
	close(pair[1]);
	c->fd = pair[0];
	buf_init(&c->in, 16 << 20);
}

/* Close our end; the session must end well. */
static inline void
client_close(struct client *c)
{
	int status;

	close(c->fd);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	buf_free(&c->in);
}

static inline void
say(struct client *c, const char *text)
{
	assert_int_equal(write_all(c->fd, text, strlen(text)), 0);
}

static inline bool
more(struct client *c)
{
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
	char chunk[4096];
	ssize_t n;

	if (poll(&pfd, 1, WAIT_MS) != 1)
		fail_msg("silence after\n%s", buf_str(&c->in));
	n = read(c->fd, chunk, sizeof(chunk));
	if (n <= 0)
		return false;
	assert_int_equal(buf_append(&c->in, chunk, (size_t)n), 0);
	return true;
}

/* Does text begin as want says? '~' stands for any bytes of a line. */
static inline bool
matches(const char *text, const char *want, size_t *used)
{
	const char *at = text;

	for (; *want != '\0'; want++) {
		if (*want != '~') {
			if (*at++ != *want)
				return false;
			continue;
		}
		while (*at != want[1] && *at != '\r' && *at != '\0')
			at++;
	}
	*used = (size_t)(at - text);
	return true;
}

/* What comes next must be exactly this. */
static inline void
hear(struct client *c, const char *want)
{
	size_t used;

	while (!matches(buf_str(&c->in), want, &used)) {
		size_t lines = 0;
		size_t wanted = 0;

		for (const char *s = want; *s != '\0'; s++)
			wanted += *s == '\n';
		for (size_t i = 0; i < c->in.len; i++)
			lines += c->in.data[i] == '\n';
		if ((wanted > 0 && lines >= wanted) || !more(c))
			fail_msg("wanted\n%sgot\n%s", want, buf_str(&c->in));
	}
	buf_consume(&c->in, used);
}

static inline void
ask(struct client *c, const char *command, const char *want)
{
	say(c, command);
	hear(c, want);
}

#define CAPS                                                                   \
	"IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT"         \
	" CHILDREN SPECIAL-USE MOVE"

static inline void
greeted(struct client *c)
{
	hear(c, "l OK [CAPABILITY " CAPS "] Logged in\r\n");
}

static inline void
log_out(struct client *c)
{
	ask(c, "z LOGOUT\r\n",
	    "* BYE Logging out\r\nz OK Logout completed\r\n");
	assert_false(more(c));
	client_close(c);
}

#define MAIL                                                                   \
	"From: Pip <pip@example.test>\r\nSubject: one\r\n"                     \
	"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nHello\r\n"

static inline void
append_text(
    struct client *c, const char *folder, const char *args, const char *mail)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "a APPEND %s %s{%zu+}\r\n%s\r\n",
	    folder, args, strlen(mail), mail);
	say(c, text);
}

static inline void
append_one(struct client *c, const char *folder, const char *args)
{
	append_text(c, folder, args, MAIL);
}

#endif
