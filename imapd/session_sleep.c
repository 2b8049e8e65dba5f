/* A session that is silent needs no process; see common/login/sleep.h. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/login/sleep.h"
#include "imapd/session_state.h"
#include "imapd/sleep_state.h"

/*
 * A client between two commands may mean to poll; it is left alone for so many
 * times the time one in IDLE is.
 */
#define SILENT_FACTOR 6

/* After a front has said that it will not. */
#define NO_SLEEP_MS 600000

int64_t
session_sleep_due(const struct session *s, int64_t at_ms, bool watched)
{
	const struct imap_session_start *start = s->start;

	if (start->sleep == NULL || start->hibernate_ms == 0 || !watched)
		return -1;
	return MAX(MAX(at_ms, s->no_sleep_ms) - clock_boot_ms(), 0);
}

/* All that we are. */
static int
put_state(const struct session *s, bool idling, struct buf *b)
{
	struct sleep_state state = { .silent_since_ms = s->silent_ms,
		.errors = s->errors,
		.idling = idling,
		.selected = s->mailbox != NULL,
		.keywords_told = s->keywords_told };

	if (idling &&
	    slice_copy(state.tag, sizeof(state.tag), slice_str(s->tag)) == -1)
		return -1;
	if (s->mailbox != NULL && mailbox_place(s->mailbox, &state.place) == -1)
		return -1;
	return sleep_state_put(b, &state);
}

static uint32_t
wake_ms(const struct session *s)
{
	int64_t ms = s->start->idle_ms - (clock_boot_ms() - s->silent_ms);

	return (uint32_t)MAX(ms, 1);
}

bool
session_sleep(struct session *s, bool idling, int watch)
{
	const struct imap_session_start *start = s->start;
	struct login_nap nap = { .watch = watch, .wake_ms = wake_ms(s) };
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	enum login_sleep rc = LOGIN_AWAKE;

	if (put_state(s, idling, &b) == 0) {
		nap.state = buf_slice(&b);
		rc = start->sleep(start->sleep_arg, s->fd, &nap);
	}
	buf_free(&b);
	switch (rc) {
	case LOGIN_ASLEEP:
		s->asleep = true;
		s->gone = true;
		return true;
	case LOGIN_BUSY:
		s->no_sleep_ms = clock_boot_ms() + start->hibernate_ms;
		return false;
	case LOGIN_AWAKE:
		break;
	}
	s->no_sleep_ms = clock_boot_ms() + NO_SLEEP_MS;
	return false;
}

bool
session_rest(struct session *s)
{
	int64_t now = clock_boot_ms();
	int64_t left;
	int64_t due;

	if (s->silent_ms == 0)
		s->silent_ms = now;
	left = MAX(s->start->idle_ms - (now - s->silent_ms), 0);
	due = session_sleep_due(
	    s, now + SILENT_FACTOR * s->start->hibernate_ms, true);
	if (due == -1 || due >= left)
		return false; /* it is waited for elsewhere */
	if (in_wait(s, -1, due))
		return true;
	if (!s->gone)
		(void)session_sleep(s, false, -1);
	return false;
}

/* The mailbox as the client knows it, or BYE. */
static bool
select_again(struct session *s, const struct sleep_state *state)
{
	if (!state->selected)
		return true;
	s->keywords_told = state->keywords_told;
	s->mailbox = mailbox_return(s->account, &state->place);
	if (s->mailbox != NULL)
		return true;
	log_info("event=mailbox-lost session=%08x error=%s", s->start->number,
	    strerror(errno));
	say_bye(s, errno == ENOENT
		       ? "The selected mailbox was deleted"
		       : "Mailbox must be opened again, please reconnect");
	return false;
}

bool
session_wake(struct session *s)
{
	struct sleep_state state;
	int64_t now = clock_boot_ms();

	if (sleep_state_parse(s->start->state, &state) == -1) {
		log_error("event=bad-state session=%08x", s->start->number);
		say_bye(s, "Please reconnect");
		return false;
	}
	s->errors = MIN(state.errors, s->start->errors_max - 1);
	s->silent_ms = MIN(state.silent_since_ms, now);
	if (!select_again(s, &state))
		return false;
	if (!state.idling)
		return true;
	memcpy(s->tag, state.tag, sizeof(s->tag));
	session_idle_again(s);
	return !s->gone && !s->ended;
}
