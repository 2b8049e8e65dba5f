/* The part of a user's process in going to sleep; see sleep.h. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/login/usher_state.h"

#define LINK_WAIT_MS   5000
#define ANSWER_WAIT_MS 10000

void
usher_sleep_reset(struct sleeper *s)
{
	fd_close(s->link);
	s->link = -1;
	s->ended = false;
}

/* Is there a link among the usher's words? */
static enum login_sleep
take_link(struct sleeper *s)
{
	int fds[SLEEP_FDS];
	char word;
	ssize_t n;

	n = sleep_receive(s->control, &word, 1, fds);
	fd_close(fds[1]);
	if (n == 1 && word == WORD_LINK && fds[0] != -1) {
		s->link = fds[0];
		return LOGIN_ASLEEP;
	}
	fd_close(fds[0]);
	if (n == -1 && (errno == EAGAIN || errno == EMSGSIZE))
		return LOGIN_BUSY;
	return LOGIN_AWAKE; /* WORD_NO, or no usher any more */
}

/* Ask for one, and wait; but not for longer than the client does. */
static enum login_sleep
get_link(struct sleeper *s, int client)
{
	const char word = WORD_LINK;
	struct pollfd p[2] = { { .fd = s->control, .events = POLLIN },
		{ .fd = client, .events = POLLIN } };
	enum login_sleep have = take_link(s);
	int rc;

	if (have != LOGIN_BUSY)
		return have;
	if (send(s->control, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return LOGIN_AWAKE;
	do
		rc = poll(p, 2, LINK_WAIT_MS);
	while (rc == -1 && errno == EINTR);
	/* A link that comes later is there the next time. */
	return rc > 0 && p[0].revents != 0 ? take_link(s) : LOGIN_BUSY;
}

static enum login_sleep
wait_for_answer(struct sleeper *s)
{
	struct pollfd p = { .fd = s->link, .events = POLLIN };
	char answer;
	ssize_t n;
	int rc;

	do
		rc = poll(&p, 1, ANSWER_WAIT_MS);
	while (rc == -1 && errno == EINTR);
	n = rc == 1 ? recv(s->link, &answer, 1, MSG_DONTWAIT) : 0;
	if (n == 1 && answer == SLEEP_BUSY)
		return LOGIN_BUSY;
	if (n == 1 && answer == SLEEP_NEVER)
		return LOGIN_AWAKE;
	/* The front has closed its end and our note lies there unread. */
	if (n == -1 && errno == ECONNRESET)
		return LOGIN_AWAKE;
	/* Taken; or nobody knows, and two must not talk to one client. */
	s->ended = true;
	return LOGIN_ASLEEP;
}

static enum login_sleep
hand_over(struct sleeper *s, int fd, const struct login_nap *nap)
{
	const struct sleep_note note = { nap->wake_ms, nap->state };
	const int fds[SLEEP_FDS] = { fd, nap->watch };
	struct buf b = BUF_INIT(SLEEP_NOTE_MAX);
	enum login_sleep rc = LOGIN_AWAKE;

	if (sleep_note_put(&b, &note) == 0 &&
	    sleep_send(s->link, buf_slice(&b), fds, nap->watch == -1 ? 1 : 2) ==
		0)
		rc = wait_for_answer(s);
	buf_free(&b);
	return rc;
}

enum login_sleep
usher_sleep(void *arg, int fd, const struct login_nap *nap)
{
	struct sleeper *s = arg;
	enum login_sleep rc = LOGIN_ASLEEP;

	if (s->link == -1)
		rc = get_link(s, fd);
	if (rc == LOGIN_ASLEEP)
		rc = hand_over(s, fd, nap);
	fd_close(s->link); /* good once */
	s->link = -1;
	return rc;
}
