/* Sessions that give themselves up, and those that go on from there. */
#include "common/login/sleep.h"
#include "tests/unit/imapd/client.h"

/* A client whose sessions come and go; the front's part is the test's. */
struct sleeper {
	int fd;      /* the client's end */
	int session; /* the sessions' */
	char state[SLEEP_STATE_MAX];
	size_t len;
};

struct nap_out {
	int pipe;
	enum login_sleep answer;
};

static enum login_sleep
nap(void *arg, int fd, const struct login_nap *n)
{
	const struct nap_out *out = arg;

	(void)fd;
	if (write(out->pipe, n->state.p, n->state.len) != (ssize_t)n->state.len)
		_exit(5);
	return out->answer;
}

/* A session in a process; its exit status is what it returned. */
static pid_t
run_session(const struct place *p, const struct sleeper *s, struct nap_out *out)
{
	struct imap_session_start start = { .fd = s->session,
		.home = p->home,
		.quiet = true,
		.user = "pip@example.test",
		.tag = "",
		.idle_ms = WAIT_MS,
		.literal_max = 8 << 20,
		.errors_max = 5,
		.state = { s->state, s->len },
		.sleep = out == NULL ? NULL : nap,
		.sleep_arg = out,
		.hibernate_ms = 20 };
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return pid;
	close(s->fd);
	if (store_boot_id(start.boot_id) == -1 || fchdir(p->home) == -1)
		_exit(4);
	log_open("session", open("/dev/null", O_WRONLY), false);
	_exit(imap_session_serve(&start) == -1 ? 2 : 0);
}

static void
open_sleeper(struct sleeper *s)
{
	int pair[2];

	memset(s, 0, sizeof(*s));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	s->fd = pair[0];
	s->session = pair[1];
}

static void
ended_well(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
}

static struct client
client_of(const struct sleeper *s)
{
	struct client c = { .fd = s->fd };

	buf_init(&c.in, 16 << 20);
	return c;
}

/* Serve what was sent until the session sleeps. */
static void
until_asleep(const struct place *p, struct sleeper *s)
{
	struct nap_out out = { .answer = LOGIN_ASLEEP };
	int pair[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	out.pipe = pair[1];
	pid = run_session(p, s, &out);
	close(pair[1]);
	n = read(pair[0], s->state, sizeof(s->state));
	assert_true(n > 0);
	s->len = (size_t)n;
	ended_well(pid);
	close(pair[0]);
}

static void
idle_goes_on_in_another_process(void **state)
{
	struct sleeper s;
	struct client c;
	struct client other;
	pid_t pid;

	client_open(&other, *state, "");
	greeted(&other);
	open_sleeper(&s);
	c = client_of(&s);
	append_one(&other, "INBOX", "");
	hear(&other, "a OK ~\r\n");
	say(&c, "a EXAMINE INBOX\r\nx.7 IDLE\r\n");
	until_asleep(*state, &s);
	hear(&c, "* FLAGS ~\r\n* OK ~\r\n* 1 EXISTS\r\n* 1 RECENT\r\n* OK ~\r\n"
		 "* OK ~\r\n* OK ~\r\na OK [READ-ONLY] ~\r\n+ idling\r\n");
	append_one(&other, "INBOX", "");
	hear(&other, "a OK ~\r\n");
	until_asleep(*state, &s); /* woken, and asleep again */
	hear(&c, "* 2 EXISTS\r\n* 2 RECENT\r\n");
	pid = run_session(*state, &s, NULL);
	ask(&c, "DONE\r\n", "x.7 OK Idle completed\r\n");
	ask(&c, "b STORE 1 +FLAGS (\\Seen)\r\n", "b NO [READ-ONLY] ~\r\n");
	close(s.session);
	close(s.fd);
	ended_well(pid);
	buf_free(&c.in);
	log_out(&other);
}

static void
who_may_not_sleep_goes_on(void **state)
{
	struct nap_out out = { .answer = LOGIN_AWAKE };
	struct sleeper s;
	struct client c;
	int pair[2];
	char byte;
	pid_t pid;

	open_sleeper(&s);
	c = client_of(&s);
	assert_int_equal(pipe(pair), 0);
	out.pipe = pair[1];
	pid = run_session(*state, &s, &out);
	ask(&c, "i IDLE\r\n", "+ idling\r\n");
	assert_int_equal(read(pair[0], &byte, 1), 1); /* it has asked */
	ask(&c, "DONE\r\n", "i OK Idle completed\r\n");
	close(s.session);
	close(s.fd);
	ended_well(pid);
	close(pair[0]);
	close(pair[1]);
	buf_free(&c.in);
}

/* Whatever a state says: the session ends, and not by a signal. */
static void
survives(const struct place *p, const struct sleeper *like, size_t len)
{
	static const char words[] =
	    "DONE\r\nz UID FETCH 1:* FLAGS\r\nz LOGOUT\r\n";
	struct sleeper s;
	char chunk[4096];
	pid_t pid;

	open_sleeper(&s);
	memcpy(s.state, like->state, like->len);
	s.len = len;
	pid = run_session(p, &s, NULL);
	close(s.session);
	(void)!send(s.fd, words, strlen(words), MSG_NOSIGNAL);
	while (read(s.fd, chunk, sizeof(chunk)) > 0)
		continue;
	close(s.fd); /* it waits for that after a BYE */
	ended_well(pid);
}

static void
no_state_kills_a_session(void **state)
{
	struct sleeper s;
	struct sleeper bad;

	open_sleeper(&s);
	assert_int_equal(write(s.fd, "a SELECT INBOX\r\ni IDLE\r\n", 24), 24);
	until_asleep(*state, &s);
	for (size_t i = 0; i < s.len; i++) {
		bad = s;
		bad.state[i] ^= (char)(i % 2 == 0 ? 1 : 0x80);
		survives(*state, &bad, s.len);
		survives(*state, &s, i + 1);
	}
	close(s.fd);
	close(s.session);
}

static void
a_state_that_is_none_is_answered_with_bye(void **state)
{
	struct sleeper s;
	struct client c;
	pid_t pid;

	open_sleeper(&s);
	c = client_of(&s);
	memcpy(s.state, "nonsense", 8);
	s.len = 8;
	pid = run_session(*state, &s, NULL);
	close(s.session);
	hear(&c, "* BYE Please reconnect\r\n");
	assert_false(more(&c));
	close(s.fd);
	ended_well(pid);
	buf_free(&c.in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_goes_on_in_another_process),
		cmocka_unit_test(who_may_not_sleep_goes_on),
		cmocka_unit_test(no_state_kills_a_session),
		cmocka_unit_test(a_state_that_is_none_is_answered_with_bye),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, place_setup, place_teardown);
}
