/* A whole session over a socketpair, in a home of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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

#define WAIT_MS 20000

/* One user's home and the connections to it. */
struct place {
	char path[64];
	int home;
};

struct client {
	int fd;
	pid_t pid;
	struct buf in;
};

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
place_setup(void **state)
{
	struct home_owner owner = {
		.uid = getuid(), .gid = getgid(), .deliver = (uid_t)-1
	};
	struct place *p = calloc(1, sizeof(*p));
	int parent;

	memcpy(p->path, "/tmp/wemmick-session-XXXXXX", 28);
	if (mkdtemp(p->path) == NULL)
		return -1;
	parent = open(p->path, O_RDONLY | O_DIRECTORY);
	if (parent == -1 || home_create(parent, "pip", &owner) == -1)
		return -1;
	p->home = openat(parent, "pip", O_RDONLY | O_DIRECTORY);
	close(parent);
	*state = p;
	return p->home == -1 ? -1 : 0;
}

static int
place_teardown(void **state)
{
	struct place *p = *state;

	close(p->home);
	(void)nftw(p->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

/* The process that serves; ends with 0 when all went well. */
static void
serve(const struct place *p, int fd, const char *preread)
{
	struct imap_session_start start = { .fd = fd,
		.home = p->home,
		.user = "pip@example.test",
		.tag = "l",
		.preread = slice_str(preread),
		.idle_ms = WAIT_MS,
		.literal_max = 1 << 20,
		.errors_max = 5 };

	if (store_boot_id(start.boot_id) == -1)
		_exit(4);
	log_open("session", open("/dev/null", O_WRONLY), false);
	if (fchdir(p->home) == -1)
		_exit(3);
	_exit(imap_session_serve(&start) == 0 ? 0 : 2);
}

static void
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
static void
client_close(struct client *c)
{
	int status;

	close(c->fd);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	buf_free(&c->in);
}

static void
say(struct client *c, const char *text)
{
	assert_int_equal(write_all(c->fd, text, strlen(text)), 0);
}

static bool
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
static bool
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
static void
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

static void
ask(struct client *c, const char *command, const char *want)
{
	say(c, command);
	hear(c, want);
}

#define CAPS                                                                   \
	"IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT"         \
	" CHILDREN SPECIAL-USE MOVE"

static void
greeted(struct client *c)
{
	hear(c, "l OK [CAPABILITY " CAPS "] Logged in\r\n");
}

static void
log_out(struct client *c)
{
	ask(c, "z LOGOUT\r\n",
	    "* BYE Logging out\r\nz OK Logout completed\r\n");
	assert_false(more(c));
	client_close(c);
}

static void
any_state_commands(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a CAPABILITY\r\n",
	    "* CAPABILITY " CAPS "\r\na OK Capability completed\r\n");
	ask(&c, "a noop\r\n", "a OK Noop completed\r\n");
	ask(&c, "a NAMESPACE\r\n",
	    "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
	    "a OK Namespace completed\r\n");
	ask(&c, "a ID NIL\r\n", "* ID (\"name\" \"Wemmick\"~\r\na OK ID~\r\n");
	ask(&c, "a ID (\"name\" {3+}\r\nx y \"os\" NIL)\r\n",
	    "* ID ~\r\na OK ID completed\r\n");
	ask(&c, "a ENABLE CONDSTORE\r\n",
	    "* ENABLED\r\na OK Enable completed\r\n");
	log_out(&c);
}

static void
bad_input_is_answered_and_counted(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a FROB\r\n", "a BAD Unknown command\r\n");
	ask(&c, "+ NOOP\r\n", "* BAD ~\r\n");
	ask(&c, "\r\n", "* BAD ~\r\n");
	ask(&c, "a NOOP x\r\n", "a BAD Junk after the command\r\n");
	ask(&c, "a NOOP\r\n", "a OK ~\r\n");
	ask(&c, "a NOOP\n", "a BAD Lines end in CRLF\r\n");
	ask(&c, "a LOGIN x y\r\n", "a BAD Already logged in\r\n");
	ask(&c, "a FETCH 1 FLAGS\r\n", "a BAD No mailbox selected\r\n");
	ask(&c, "a SELECT {100000}\r\n", "a BAD Literal too big\r\n");
	ask(&c, "a NOOP\r\n", "a OK ~\r\n");
	/* the client does not wait: what it sent is read over */
	ask(&c, "a SELECT {5+}\r\nIN\0OX\r\n", "");
	assert_int_equal(write_all(c.fd, "NBOX\r\n", 6), 0);
	hear(&c, "a ~\r\n");
	ask(&c, "a SELECT {2}\r\n", "+ OK\r\n");
	ask(&c, "no\r\n", "a NO [NONEXISTENT] No such mailbox\r\n");
	for (int i = 0; i < 4; i++)
		ask(&c, "a FROB\r\n", "a BAD ~\r\n");
	ask(&c, "a FROB\r\n", "a BAD ~\r\n* BYE Too many bad commands\r\n");
	assert_false(more(&c));
	client_close(&c);
}

static void
long_lines_are_refused(void **state)
{
	struct client c;
	char *big = malloc(200001);

	memset(big, 'x', 200000);
	big[200000] = '\0';
	client_open(&c, *state, "");
	greeted(&c);
	say(&c, "a NOOP ");
	say(&c, big);
	ask(&c, "\r\nb NOOP\r\n", "a BAD Line too long\r\nb OK ~\r\n");
	say(&c, "a SELECT ");
	say(&c, big);
	ask(&c, "{3+}\r\nabc {2+}\r\nxx\r\nb NOOP\r\n",
	    "a BAD Line too long\r\nb OK ~\r\n");
	log_out(&c);
	free(big);
}

static void
folders_are_listed(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a LIST \"\" \"\"\r\n",
	    "* LIST (\\Noselect) \"/\" \"\"\r\na OK List completed\r\n");
	ask(&c, "a LIST \"\" in*\r\n",
	    "* LIST (\\HasNoChildren) \"/\" INBOX\r\na OK ~\r\n");
	ask(&c, "a CREATE Archive\r\n", "a OK Create completed\r\n");
	ask(&c, "a CREATE Archive\r\n", "a NO [ALREADYEXISTS] ~\r\n");
	ask(&c, "a CREATE inbox\r\n", "a NO [ALREADYEXISTS] ~\r\n");
	ask(&c, "a CREATE Lists/linux/\r\n", "a OK Create completed\r\n");
	ask(&c, "a CREATE \"Entw&APw-rfe\"\r\n", "a OK ~\r\n");
	ask(&c, "a LIST \"\" A%\r\n",
	    "* LIST (\\HasNoChildren \\Archive) \"/\" Archive\r\na OK ~\r\n");
	ask(&c, "a LIST \"\" Entw%\r\n",
	    "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe\r\na OK ~\r\n");
	ask(&c, "a LIST \"\" L%\r\n",
	    "* LIST (\\Noselect \\HasChildren) \"/\" Lists\r\n"
	    "a OK List completed\r\n");
	ask(&c, "a LIST Lists/ \"%\"\r\n",
	    "* LIST (\\HasNoChildren) \"/\" Lists/linux\r\na OK ~\r\n");
	ask(&c, "a SELECT Lists\r\n", "a NO [NONEXISTENT] ~\r\n");
	ask(&c, "a SUBSCRIBE Lists/linux\r\n", "a OK ~\r\n");
	ask(&c, "a LSUB \"\" L*\r\n",
	    "* LSUB (\\HasNoChildren) \"/\" Lists/linux\r\na OK ~\r\n");
	ask(&c, "a LSUB \"\" L%\r\n",
	    "* LSUB (\\Noselect \\HasChildren) \"/\" Lists\r\na OK ~\r\n");
	ask(&c, "a UNSUBSCRIBE Lists/linux\r\n", "a OK ~\r\n");
	ask(&c, "a LSUB \"\" L*\r\n", "a OK ~\r\n");
	ask(&c, "a RENAME Lists Post\r\n", "a OK ~\r\n");
	ask(&c, "a LIST \"\" Post*\r\n",
	    "* LIST (\\Noselect \\HasChildren) \"/\" Post\r\n"
	    "* LIST (\\HasNoChildren) \"/\" Post/linux\r\na OK ~\r\n");
	ask(&c, "a DELETE Post/linux\r\n", "a OK ~\r\n");
	ask(&c, "a DELETE Post/linux\r\n", "a NO [NONEXISTENT] ~\r\n");
	ask(&c, "a DELETE INBOX\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE a//b\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE \"&AAA\"\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE \"../../etc\"\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE .\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE {4+}\r\na\r\nb\r\n", "a NO [CANNOT] ~\r\n");
	log_out(&c);
}

#define MAIL                                                                   \
	"From: Pip <pip@example.test>\r\nSubject: one\r\n"                     \
	"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nHello\r\n"

static void
append_text(
    struct client *c, const char *folder, const char *args, const char *mail)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "a APPEND %s %s{%zu+}\r\n%s\r\n",
	    folder, args, strlen(mail), mail);
	say(c, text);
}

static void
append_one(struct client *c, const char *folder, const char *args)
{
	append_text(c, folder, args, MAIL);
}

static void
mail_is_appended_and_fetched(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	append_one(&c, "nowhere", "");
	hear(&c, "a NO [TRYCREATE] ~\r\n");
	append_one(
	    &c, "inbox", "(\\Seen $Label) \" 7-Feb-1994 21:52:25 -0800\" ");
	hear(&c, "a OK [APPENDUID ~ 1] Append completed\r\n");
	ask(&c, "a APPEND INBOX {5}\r\n", "+ OK\r\n");
	ask(&c, "A: b\n\r\n", "a OK [APPENDUID ~ 2] ~\r\n");
	ask(&c, "a APPEND {5}\r\n", "+ OK\r\n");
	ask(&c, "INBOX {0}\r\n", "a NO An empty message is none\r\n");
	ask(&c, "a APPEND INBOX {9000000}\r\n", "a NO [TOOBIG] ~\r\n");
	ask(&c, "a APPEND INBOX (\\Foo) {9}\r\n", "a BAD ~\r\n");
	ask(&c, "a APPEND INBOX x\r\n", "a BAD APPEND wants a literal\r\n");
	ask(&c, "a STATUS INBOX (MESSAGES UNSEEN UIDNEXT)\r\n",
	    "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 1)\r\na OK ~\r\n");
	ask(&c, "a SELECT INBOX\r\n",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label)"
	    "\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen"
	    " \\Draft $Label \\*)] ~\r\n"
	    "* 2 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 2] ~\r\n"
	    "* OK [UIDVALIDITY ~\r\n* OK [UIDNEXT 3] ~\r\n"
	    "a OK [READ-WRITE] Selected\r\n");
	ask(&c, "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE UID)\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent $Label) INTERNALDATE"
	    " \" 7-Feb-1994 21:52:25 -0800\" RFC822.SIZE 91)\r\n"
	    "a OK Fetch completed\r\n");
	for (int i = 0; i < 2; i++) /* rendered, then from the cache */
		ask(&c, "a FETCH 1 (ENVELOPE BODYSTRUCTURE BODY)\r\n",
		    "* 1 FETCH (ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\""
		    " \"one\" ((\"Pip\" NIL \"pip\" \"example.test\"))"
		    " ((\"Pip\" NIL \"pip\" \"example.test\"))"
		    " ((\"Pip\" NIL \"pip\" \"example.test\")) NIL NIL NIL"
		    " NIL NIL) BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\""
		    " \"US-ASCII\") NIL NIL \"7BIT\" 7 1 NIL NIL NIL NIL)"
		    " BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL"
		    " NIL \"7BIT\" 7 1))\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY[]\r\n",
	    "* 1 FETCH (BODY[] {91}\r\n" MAIL ")\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[]<86.100>\r\n",
	    "* 1 FETCH (BODY[]<86> {5}\r\nllo\r\n)\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[]<4294967295.4294967295>\r\n",
	    "* 1 FETCH (BODY[]<4294967295> {0}\r\n)\r\na OK ~\r\n");
	/* \Seen is set, and told */
	ask(&c, "a UID FETCH 2 (BODY[HEADER.FIELDS (a x)] BODY[2])\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent)"
	    " BODY[HEADER.FIELDS (a x)] {6}\r\nA: b\r\n BODY[2] NIL)\r\n"
	    "a OK ~\r\n");
	ask(&c, "a FETCH 3 FLAGS\r\n", "a BAD No such message\r\n");
	ask(&c, "a UID FETCH 3:9 FLAGS\r\n", "a OK ~\r\n");
	ask(&c, "a UID FETCH 9:* (FLAGS)\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))\r\na OK ~\r\n");
	ask(&c, "a FETCH 2:1 RFC822.SIZE\r\n",
	    "* 1 FETCH (RFC822.SIZE 91)\r\n"
	    "* 2 FETCH (RFC822.SIZE 6)\r\na OK ~\r\n");
	log_out(&c);
}

static void
flags_copies_and_expunges(void **state)
{
	struct client c;

	client_open(&c, *state, "x CREATE Work\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	for (int i = 1; i <= 4; i++) {
		append_one(&c, "Work", "");
		hear(&c, "a OK ~\r\n");
	}
	ask(&c, "a EXAMINE Work\r\n",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ()] ~\r\n* 4 EXISTS\r\n"
	    "* 4 RECENT\r\n* OK [UNSEEN 1] ~\r\n* OK [UIDVALIDITY ~\r\n"
	    "* OK [UIDNEXT 5] ~\r\na OK [READ-ONLY] Selected\r\n");
	ask(&c, "a STORE 1 FLAGS ()\r\n", "a NO [READ-ONLY] ~\r\n");
	ask(&c, "a EXPUNGE\r\n", "a NO [READ-ONLY] ~\r\n");
	ask(&c, "a SELECT Work\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 4 EXISTS\r\n* 4 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a STORE 1:2 +FLAGS (\\Deleted New)\r\n",
	    "* FLAGS (~\r\n* OK [PERMANENTFLAGS ~\r\n"
	    "* 1 FETCH (FLAGS (\\Deleted \\Recent New))\r\n"
	    "* 2 FETCH (FLAGS (\\Deleted \\Recent New))\r\n"
	    "a OK Store completed\r\n");
	ask(&c, "a UID STORE 2 -FLAGS \\Deleted\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Recent New))\r\na OK ~\r\n");
	ask(&c, "a STORE 3 FLAGS.SILENT (\\Flagged)\r\n", "a OK ~\r\n");
	ask(&c, "a STORE 3 FLAGS (\\Recent)\r\n", "a BAD ~\r\n");
	ask(&c, "a COPY 1:2 Nowhere\r\n", "a NO [TRYCREATE] ~\r\n");
	ask(&c, "a CREATE Old\r\n", "a OK ~\r\n");
	ask(&c, "a COPY 2:3 Old\r\n",
	    "a OK [COPYUID ~ 2:3 1:2] Copy completed\r\n");
	ask(&c, "a UID COPY 77 Old\r\n", "a OK Copy completed\r\n");
	ask(&c, "a UID EXPUNGE 2:4\r\n", "a OK ~\r\n");
	ask(&c, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	ask(&c, "a MOVE 1,3 Old\r\n",
	    "* OK [COPYUID ~ 2,4 3:4] Moved\r\n"
	    "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\na OK Move completed\r\n");
	ask(&c, "a UID SEARCH ALL\r\n", "* SEARCH 3\r\na OK ~\r\n");
	ask(&c, "a CHECK\r\n", "a OK ~\r\n");
	ask(&c, "a STORE 1 FLAGS.SILENT \\Deleted\r\n", "a OK ~\r\n");
	ask(&c, "a CLOSE\r\n", "a OK ~\r\n");
	ask(&c, "a STATUS Work (MESSAGES)\r\n",
	    "* STATUS Work (MESSAGES 0)\r\na OK ~\r\n");
	ask(&c, "a SELECT Old\r\n",
	    "* FLAGS (~\r\n* OK ~\r\n* 4 EXISTS\r\n* 4 RECENT\r\n"
	    "* OK ~\r\n* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a FETCH 1:2 FLAGS\r\n",
	    "* 1 FETCH (FLAGS (\\Recent New))\r\n"
	    "* 2 FETCH (FLAGS (\\Flagged \\Recent))\r\na OK ~\r\n");
	ask(&c, "a UNSELECT\r\n", "a OK ~\r\n");
	ask(&c, "a DELETE Old\r\n", "a OK ~\r\n");
	log_out(&c);
}

static void
messages_are_searched(void **state)
{
	struct client c;

	client_open(&c, *state, "x CREATE Find\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	append_one(&c, "Find", "(\\Seen) \" 7-Feb-1994 21:52:25 -0800\" ");
	hear(&c, "a OK ~\r\n");
	append_text(&c, "Find", "(\\Flagged Kw) ",
	    "To: x@y\r\nSubject: =?utf-8?q?Entw=C3=BCrfe?=\r\n"
	    "Content-Language: de\r\n\r\nx\r\n");
	hear(&c, "a OK ~\r\n");
	ask(&c, "a SELECT Find\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 2 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a SEARCH ALL\r\n", "* SEARCH 1 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH SEEN\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH NOT SEEN KEYWORD kw\r\n", "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH KEYWORD unknown\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH ON 7-Feb-1994\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH BEFORE 7-Feb-1994\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH SENTSINCE 8-Feb-1994\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH SENTON 7-Feb-1994\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH SUBJECT ONE\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH CHARSET UTF-8 SUBJECT {8+}\r\nENTW\xc3\x9cR\r\n",
	    "a BAD ~\r\n");
	ask(&c, "a SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nENTW\xc3\x9cR\r\n",
	    "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH CHARSET nonsense ALL\r\n",
	    "a NO [BADCHARSET (US-ASCII UTF-8)] ~\r\n");
	ask(&c, "a SEARCH HEADER Content-Language \"\"\r\n",
	    "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH BODY hello\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH TEXT example.test\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH LARGER 80 SMALLER 100\r\n",
	    "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH OR UID 2 1 NOT FROM pip\r\n",
	    "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH 3\r\n", "a BAD No such message\r\n");
	ask(&c, "a SEARCH UID 3,5:*\r\n", "* SEARCH 2\r\na OK ~\r\n");
	log_out(&c);
}

/* Put a mail where the delivery agent would. */
static void
deliver(const struct place *p, const char *queue_id)
{
	struct drop_name d = {
		.recipient = 1, .size = strlen(MAIL), .date_s = 1700000000
	};
	char name[DROP_NAME_MAX + 1];
	char path[DROP_NAME_MAX + 20];
	int fd;

	(void)snprintf(d.queue_id, sizeof(d.queue_id), "%s", queue_id);
	assert_int_equal(drop_name_format(&d, name), 0);
	(void)snprintf(path, sizeof(path), "drop/tmp/%s", name);
	fd = openat(p->home, path, O_WRONLY | O_CREAT | O_EXCL, 0660);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write_all(fd, MAIL, strlen(MAIL)), 0);
	close(fd);
	{
		char to[DROP_NAME_MAX + 20];

		(void)snprintf(to, sizeof(to), "drop/new/%s", name);
		assert_int_equal(renameat(p->home, path, p->home, to), 0);
	}
}

static void
two_sessions_see_each_other(void **state)
{
	struct client a;
	struct client b;

	client_open(&a, *state, "x CREATE Both\r\n");
	greeted(&a);
	hear(&a, "x OK ~\r\n");
	for (int i = 0; i < 2; i++) {
		append_one(&a, "Both", "");
		hear(&a, "a OK ~\r\n");
	}
	ask(&a, "a SELECT Both\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 2 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	client_open(&b, *state, "");
	greeted(&b);
	ask(&b, "a SELECT Both\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 0 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&b, "i IDLE\r\n", "+ idling\r\n");
	ask(&a, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n", "a OK ~\r\n");
	hear(&b, "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n");
	ask(&b, "DONE\r\n", "i OK Idle completed\r\n");
	ask(&a, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	/* no EXPUNGE while sequence numbers are used (RFC 3501 §7.4.1) */
	ask(&b, "a FETCH 2 UID\r\n", "* 2 FETCH (UID 2)\r\na OK ~\r\n");
	ask(&b, "a NOOP\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	append_one(&a, "Both", "");
	hear(&a, "* 2 EXISTS\r\n* ~ RECENT\r\na OK ~\r\n");
	ask(&b, "a NOOP\r\n", "* 2 EXISTS\r\n* ~ RECENT\r\na OK ~\r\n");
	ask(&b, "i IDLE\r\n", "+ idling\r\n");
	ask(&b, "nonsense\r\n", "i BAD Expected DONE\r\n");
	log_out(&b);
	log_out(&a);
}

static void
new_mail_wakes_an_idle_session(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a SELECT INBOX\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"
	    "* OK [UIDVALIDITY ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "i IDLE\r\n", "+ idling\r\n");
	deliver(*state, "Q1");
	hear(&c, "* 3 EXISTS\r\n* 1 RECENT\r\n");
	ask(&c, "DONE\r\n", "i OK ~\r\n");
	ask(&c, "a FETCH 3 (RFC822.SIZE BODY.PEEK[TEXT])\r\n",
	    "* 3 FETCH (RFC822.SIZE 91 BODY[TEXT] {7}\r\nHello\r\n)\r\n"
	    "a OK ~\r\n");
	log_out(&c);
}

static void
a_client_that_dies_appends_nothing(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a APPEND INBOX {100}\r\n", "+ OK\r\n");
	say(&c, "half of it");
	client_close(&c);
	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a STATUS INBOX (MESSAGES)\r\n",
	    "* STATUS INBOX (MESSAGES 3)\r\na OK ~\r\n");
	log_out(&c);
}

/* The same answers when every byte comes alone. */
static void
single_bytes_make_no_difference(void **state)
{
	static const char script[] =
	    "a SELECT {5+}\r\nINBOX\r\nb UID FETCH 1:* (FLAGS)\r\n"
	    "c LOGOUT\r\n";
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	for (size_t i = 0; i < sizeof(script) - 1; i++)
		assert_int_equal(write_all(c.fd, script + i, 1), 0);
	hear(&c,
	    "* FLAGS ~\r\n* OK ~\r\n* 3 EXISTS\r\n* 0 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n"
	    "* 1 FETCH (UID 1 FLAGS (\\Seen $Label))\r\n"
	    "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
	    "* 3 FETCH (UID ~ FLAGS ())\r\nb OK ~\r\n* BYE ~\r\nc OK ~\r\n");
	client_close(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_state_commands),
		cmocka_unit_test(bad_input_is_answered_and_counted),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(folders_are_listed),
		cmocka_unit_test(mail_is_appended_and_fetched),
		cmocka_unit_test(flags_copies_and_expunges),
		cmocka_unit_test(messages_are_searched),
		cmocka_unit_test(two_sessions_see_each_other),
		cmocka_unit_test(new_mail_wakes_an_idle_session),
		cmocka_unit_test(a_client_that_dies_appends_nothing),
		cmocka_unit_test(single_bytes_make_no_difference),
	};

	return cmocka_run_group_tests(tests, place_setup, place_teardown);
}
