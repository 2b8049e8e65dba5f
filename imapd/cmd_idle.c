/* IDLE (RFC 2177) */
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "imapd/session_state.h"
#include "store/watch.h"

/* Ask so often where nothing wakes us. */
#define POLL_MS 5000

/* One that was woken by news, and not by its client, sleeps again after. */
#define REST_AGAIN_MS 1000

/* The time the client has is up, or it is to be slept. */
static bool
is_over(struct session *s, int64_t due, int watch)
{
	if (clock_boot_ms() - s->silent_ms >= s->start->idle_ms) {
		say_bye(s, "Silent for too long");
		return true;
	}
	return due == 0 && session_sleep(s, true, watch);
}

/* What the client is to know by now. True when there was something. */
static bool
tell_news(struct session *s, int watch)
{
	uint64_t before = s->sent;

	if (watch != -1)
		watch_drain(watch);
	session_tell(s, true);
	out_flush(s);
	return s->sent != before;
}

/* Until the client speaks, or is silent for too long, or sleeps (false). */
static bool
idle(struct session *s, int watch, int64_t rest_ms)
{
	int64_t quiet = clock_boot_ms();

	for (;;) {
		bool ask = s->mailbox != NULL && (watch == -1 || s->busy);
		int64_t now = clock_boot_ms();
		int64_t left = s->start->idle_ms - (now - s->silent_ms);
		int64_t due = session_sleep_due(s, quiet + rest_ms, !ask);

		if (ask)
			left = MIN(left, POLL_MS);
		if (due >= 0)
			left = MIN(left, due);
		if (in_wait(s, watch, MAX(left, 0)))
			return true;
		if (s->gone)
			return false;
		if (tell_news(s, watch))
			quiet = clock_boot_ms();
		due = session_sleep_due(s, quiet + rest_ms, !ask && !s->busy);
		if (s->gone || s->ended || is_over(s, due, watch))
			return false;
	}
}

/* The line that ends it. */
static void
read_done(struct session *s)
{
	struct slice line;

	if (!in_line(s, s->used, &line))
		return;
	s->used += line.len;
	if (slice_ieq(line, SLICE("DONE\r\n")))
		answer_ok(s, NULL, "Idle completed");
	else
		answer_bad(s, "Expected DONE");
}

void
cmd_idle(struct session *s, struct command_in *in)
{
	int watch = -1;

	if (!parse_end(&in->p))
		return;
	s->silent_ms = clock_boot_ms();
	if (s->mailbox != NULL)
		watch = watch_open(s->account, s->mailbox);
	/* what came before the watch was there must be told too */
	session_tell(s, true);
	out_str(s, "+ idling\r\n");
	out_flush(s);
	if (s->in.len > s->used || idle(s, watch, s->start->hibernate_ms)) {
		s->silent_ms = 0;
		read_done(s);
	}
	fd_close(watch);
}

void
session_idle_again(struct session *s)
{
	int watch = -1;

	s->answered = false;
	s->tell = TELL_NOTHING;
	s->used = 0;
	if (s->mailbox != NULL)
		watch = watch_open(s->account, s->mailbox);
	session_tell(s, true);
	out_flush(s);
	if (!s->gone && !s->ended && idle(s, watch, REST_AGAIN_MS)) {
		s->silent_ms = 0;
		read_done(s);
		buf_consume(&s->in, s->used);
		out_batch(s);
	}
	fd_close(watch);
}
