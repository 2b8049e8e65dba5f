#include "smtpd/smtpd.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "common/tls/ctx.h"
#include "smtpd/session.h"

void
smtpd_init(struct smtpd *d)
{
	d->intake_code = 250;
	d->window = SMTPD_WINDOW;
	d->last_id = (uint32_t)rand_u64();
	rand_bytes(d->token, sizeof(d->token));
	TAILQ_INIT(&d->waiting);
	TAILQ_INIT(&d->quiet);
}

void
smtpd_free(struct smtpd *d)
{
	struct slice key;
	void *value;
	size_t at = 0;

	d->gone = NULL;
	while (map_next(&d->sessions, &at, &key, &value))
		session_free(value);
	map_free(&d->sessions);
	map_free(&d->clients.by_key);
	recent_clear(&d->accepted, clock_boot_ms());
	tls_ctx_unref(d->tls);
	free(d->intake_text);
}

/* Do it to every session there is; it may end that one, not others. */
static void
for_each(struct smtpd *d, void (*what)(struct session *s))
{
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&d->sessions, &at, &key, &value))
		what(value);
}

void
smtpd_peer_up(struct smtpd *d, struct ipc_chan *c)
{
	switch ((int)ipc_chan_peer(c)) {
	case PROC_ROUTER:
		d->router = c;
		for_each(d, envelope_ask_again);
		return;
	case PROC_QUEUE:
		d->queue = c;
		submit_next(d);
		return;
	case PROC_RESOLVER:
		d->resolver = c;
		return;
	case PROC_AUTH:
		d->auth = c;
		return;
	default: /* nobody else is in master's table */
		return;
	}
}

void
smtpd_peer_down(struct smtpd *d, struct ipc_chan *c)
{
	if (d->router == c) {
		d->router = NULL;
		recent_clear(&d->accepted, clock_boot_ms());
	}
	if (d->queue == c)
		d->queue = NULL;
	if (d->resolver == c)
		d->resolver = NULL;
	if (d->auth == c)
		d->auth = NULL;
}

void
smtpd_intake_state(struct smtpd *d, struct ipc_frame *f)
{
	struct ipc_intake_state m;

	if (ipc_intake_state_decode(&m, f->payload) == -1)
		return; /* the channel has checked: cannot be */
	if (m.code != d->intake_code)
		log_info("event=intake code=%u text=%.*s", m.code,
		    SLICE_FMT(m.text));
	d->intake_code =
	    m.code == 250 || (m.code >= 400 && m.code <= 599) ? m.code : 451;
	if (slice_copy(d->intake_enhanced, sizeof(d->intake_enhanced),
		m.enhanced) == -1)
		d->intake_enhanced[0] = '\0';
	free(d->intake_text);
	d->intake_text = slice_dup(m.text);
	d->window = m.window;
}

void
smtpd_stop(struct smtpd *d)
{
	d->stopping = true;
	for_each(d, session_stop);
	smtpd_drain(d);
}

void
smtpd_drain(struct smtpd *d)
{
	d->draining = true;
	if (d->sessions.count == 0 && d->gone != NULL)
		d->gone(d->gone_arg);
}
