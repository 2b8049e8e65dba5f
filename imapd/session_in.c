#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "imapd/session_state.h"

/* Commands are short; who sends more is read from in larger pieces. */
#define READ_FIRST 4000
#define READ_SIZE  65536
/* Buffers larger than this are given back while a client is silent. */
#define KEEP_SIZE 16384
/* A client that is silent for so long may be so for hours. */
#define QUIET_MS 1000
/* Kept of a skipped line, to see a literal at its end. */
#define TAIL_SIZE 64

int64_t
session_work_due(const struct session *s, int64_t most_ms)
{
	int64_t due = s->account == NULL || s->damaged
			  ? -1
			  : (int64_t)account_due_ms(s->account);

	return due >= 0 ? MIN(most_ms, due) : most_ms;
}

void
session_work(struct session *s)
{
	if (session_work_due(s, 1) == 0)
		account_work(s->account);
}

/* How long may the next wait be, so that all is done in time? */
static int64_t
wait_limit(const struct session *s, int64_t left_ms, bool quiet)
{
	left_ms = session_work_due(s, left_ms);
	if (!quiet)
		left_ms = MIN(left_ms, QUIET_MS);
	return MAX(left_ms, 0);
}

static void
give_memory_back(struct session *s)
{
	if (s->out.len == 0 && s->out.cap > KEEP_SIZE)
		buf_free(&s->out);
	if (s->in.len == 0 && s->in.cap > KEEP_SIZE)
		buf_free(&s->in);
	buf_free(&s->file);
	mime_tree_free(&s->tree);
	s->reads_full = false;
	if (s->account != NULL)
		account_rest(s->account);
	mem_rest();
}

bool
in_wait(struct session *s, int wake, int64_t wait_ms)
{
	int alive = s->start->alive > 0 ? s->start->alive : -1;
	struct pollfd pfd[3] = { { .fd = s->fd, .events = POLLIN },
		{ .fd = wake, .events = POLLIN },
		{ .fd = alive, .events = POLLIN } };
	int64_t start = clock_boot_ms();
	bool quiet = false;

	for (;;) {
		int64_t left = wait_ms - (clock_boot_ms() - start);
		int64_t limit = wait_limit(s, left, quiet);
		int rc = poll(pfd, 3, (int)MIN(limit, (int64_t)INT32_MAX));

		if (rc == -1 && errno != EINTR) {
			s->gone = true;
			return false;
		}
		if (rc > 0 && pfd[2].revents != 0) {
			say_bye(s, "[UNAVAILABLE] Shutting down");
			out_flush(s);
			s->gone = true;
			return false;
		}
		if (rc > 0 && pfd[0].revents != 0)
			return true;
		if (rc > 0 || clock_boot_ms() - start >= wait_ms)
			return false;
		session_work(s);
		if (!quiet && clock_boot_ms() - start >= QUIET_MS) {
			give_memory_back(s);
			quiet = true;
		}
	}
}

bool
in_wanted(void *ctx)
{
	struct session *s = ctx;
	struct pollfd pfd[2] = { { .fd = s->fd, .events = POLLRDHUP },
		{ .fd = s->start->alive > 0 ? s->start->alive : -1,
		    .events = POLLIN } };

	if (poll(pfd, 2, 0) <= 0)
		return true;
	if (pfd[0].revents != 0)
		s->gone = true;
	return false;
}

/* One read. -1 with EAGAIN where there was nothing after all. */
static ssize_t
read_some(struct session *s)
{
	size_t size = s->reads_full ? READ_SIZE : READ_FIRST;
	char *room = buf_reserve(&s->in, size);
	ssize_t n;

	if (room == NULL)
		return -1;
	n = recv(s->fd, room, size, MSG_DONTWAIT);
	if (n > 0) {
		buf_commit(&s->in, (size_t)n);
		s->reads_full = s->reads_full || (size_t)n == size;
	}
	return n;
}

/* ready: it need not be waited for. */
static bool
fill(struct session *s, bool ready)
{
	int64_t silent_ms =
	    s->silent_ms == 0 ? 0 : clock_boot_ms() - s->silent_ms;
	ssize_t n;

	s->silent_ms = 0;
	while (!s->gone) {
		if (!ready &&
		    !in_wait(s, -1, MAX(s->start->idle_ms - silent_ms, 0))) {
			if (!s->gone)
				say_bye(s, "Silent for too long");
			return false;
		}
		ready = false;
		n = read_some(s);
		if (n > 0)
			return true;
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			s->gone = true;
	}
	return false;
}

bool
in_fill(struct session *s)
{
	out_flush(s);
	return fill(s, false);
}

bool
in_first(struct session *s)
{
	bool ready;

	out_flush(s);
	ready = session_rest(s);
	return fill(s, ready);
}

bool
in_skip(struct session *s, uint64_t n)
{
	while (n > s->in.len) {
		n -= s->in.len;
		buf_truncate(&s->in, 0);
		if (!in_fill(s))
			return false;
	}
	buf_consume(&s->in, (size_t)n);
	return true;
}

/* Throw a line away but for its last bytes; they stay in s->in. */
static bool
skip_line(struct session *s, struct slice *tail)
{
	size_t seen = 0;

	for (;;) {
		const char *lf = NULL;

		if (s->in.len > seen)
			lf = memchr(s->in.data + seen, '\n', s->in.len - seen);
		if (lf != NULL) {
			*tail =
			    slice_of(s->in.data, (size_t)(lf - s->in.data) + 1);
			return true;
		}
		if (s->in.len > TAIL_SIZE)
			buf_consume(&s->in, s->in.len - TAIL_SIZE);
		seen = s->in.len;
		if (!in_fill(s))
			return false;
	}
}

bool
in_skip_command(struct session *s)
{
	struct slice tail;
	uint64_t literal;
	bool sync;

	for (;;) {
		size_t n;
		bool more;

		if (!skip_line(s, &tail))
			return false;
		n = tail.len;
		more = n >= 2 && tail.p[n - 2] == '\r' &&
		       parse_frame_literal(
			   slice_sub(tail, 0, n - 2), &literal, &sync);
		buf_consume(&s->in, n);
		/* a literal that waits for "+" does not come (RFC 7888 §4) */
		if (!more || sync)
			return true;
		if (literal > s->start->literal_max) {
			say_bye(s, "Literal too big");
			return false;
		}
		if (!in_skip(s, literal))
			return false;
	}
}

bool
in_line(struct session *s, size_t at, struct slice *line)
{
	size_t seen = at;

	for (;;) {
		const char *lf = NULL;

		if (s->in.len > seen)
			lf = memchr(s->in.data + seen, '\n', s->in.len - seen);
		if (lf != NULL) {
			*line = slice_of(s->in.data + at,
			    (size_t)(lf - s->in.data) + 1 - at);
			return true;
		}
		seen = s->in.len;
		if (seen - at > PARSE_LINE_MAX) {
			say_bye(s, "Line too long");
			return false;
		}
		if (!in_fill(s))
			return false;
	}
}
