/* IDLE (RFC 2177) */
#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "imapd/session_state.h"
#include "store/watch.h"

/* Ask so often where nothing wakes us. */
#define POLL_MS 5000

/* Until the client speaks, or is silent for too long (false). */
static bool
idle(struct session *s, int watch)
{
	int64_t start = clock_boot_ms();

	for (;;) {
		int64_t left = s->start->idle_ms - (clock_boot_ms() - start);
		bool ask = s->mailbox != NULL && (watch == -1 || s->busy);
		int64_t wait = ask ? MIN(left, POLL_MS) : left;

		if (in_wait(s, watch, MAX(wait, 0)))
			return true;
		if (s->gone)
			return false;
		if (clock_boot_ms() - start >= s->start->idle_ms) {
			say_bye(s, "Silent for too long");
			return false;
		}
		if (watch != -1)
			watch_drain(watch);
		session_tell(s, true);
		out_flush(s);
		if (s->gone || s->ended)
			return false;
	}
}

void
cmd_idle(struct session *s, struct command_in *in)
{
	struct slice line;
	int watch = -1;

	if (!parse_end(&in->p))
		return;
	if (s->mailbox != NULL)
		watch = watch_open(s->account, s->mailbox);
	/* what came before the watch was there must be told too */
	session_tell(s, true);
	out_str(s, "+ idling\r\n");
	out_flush(s);
	if (s->in.len > s->used || idle(s, watch)) {
		if (in_line(s, s->used, &line)) {
			s->used += line.len;
			if (slice_ieq(line, SLICE("DONE\r\n")))
				answer_ok(s, NULL, "Idle completed");
			else
				answer_bad(s, "Expected DONE");
		}
	}
	fd_close(watch);
}
