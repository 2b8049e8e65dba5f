/* AUTH (RFC 4954): only on submission, only where nobody can listen. */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

#define FAILURES_MAX 5

/* clang-format off */
static const struct smtp_status not_here    = { 502, "5.5.1", "Command not implemented" };
static const struct smtp_status twice       = { 503, "5.5.1", "Authenticated already" };
static const struct smtp_status needs_tls   = { 538, "5.7.11", "Must issue a STARTTLS command first" };
static const struct smtp_status no_such     = { 504, "5.5.4", "Mechanism not known" };
static const struct smtp_status cancelled   = { 501, "5.7.0", "Authentication cancelled" };
static const struct smtp_status not_base64  = { 501, "5.5.2", "Cannot decode response" };
static const struct smtp_status bad         = { 535, "5.7.8", "Authentication credentials invalid" };
static const struct smtp_status unavailable = { 454, "4.7.0", "Temporary authentication failure" };
static const struct smtp_status welcome     = { 235, "2.7.0", "Authentication successful" };
/* clang-format on */

static void
who_free(struct session *s)
{
	if (s->who == NULL)
		return;
	credentials_wipe(s->who);
	free(s->who);
	s->who = NULL;
}

void
auth_forget(struct session *s)
{
	if (s->auth_request != 0 && s->smtpd->auth != NULL)
		ipc_forget(s->smtpd->auth, s->auth_request);
	s->auth_request = 0;
	who_free(s);
}

/* The exchange is over; commands that came meanwhile are read now. */
static void
auth_over(struct session *s, const struct smtp_status *status)
{
	auth_forget(s);
	session_status(s, status);
	session_next(s);
	session_run(s);
}

static void
log_failure(const struct session *s, const char *why)
{
	log_info("event=login-failed user=%s client=%s service=submission "
		 "tls=%d why=%s session=%08x",
	    s->who->user, s->address, s->tls, why, s->id);
}

static void
auth_refused(struct session *s, const char *why)
{
	log_failure(s, why);
	if (++s->failures >= FAILURES_MAX)
		session_goodbye(s, "4.7.0", "Too many failed logins");
	auth_over(s, &bad);
}

static void
auth_accepted(struct session *s, struct slice user)
{
	s->user = slice_dup(user);
	log_info("event=login user=%s client=%s service=submission tls=%d "
		 "session=%08x",
	    s->user, s->address, s->tls, s->id);
	auth_over(s, &welcome);
}

static void
on_answer(void *arg, struct ipc_frame *f)
{
	struct ipc_auth_answer m;
	struct session *s = arg;

	s->auth_request = 0;
	if (f == NULL || ipc_auth_answer_decode(&m, f->payload) == -1)
		m = (struct ipc_auth_answer){ .status = AUTH_TEMPFAIL };
	switch ((enum ipc_auth)m.status) {
	case AUTH_OK:
		auth_accepted(s, m.user);
		return;
	case AUTH_BAD:
		auth_refused(s, "credentials");
		return;
	case AUTH_DENIED:
		auth_refused(s, "denied");
		return;
	case AUTH_TEMPFAIL:
		break;
	}
	log_failure(s, "auth-temporary");
	auth_over(s, &unavailable);
}

void
auth_timeout(struct session *s)
{
	log_failure(s, "auth-timeout");
	auth_over(s, &unavailable);
}

static void
auth_ask(struct session *s)
{
	const struct ipc_auth_ask m = {
		.session = s->id,
		.service = SERVICE_SUBMISSION,
		.tls = s->tls,
		.client = slice_str(s->address),
		.authzid = slice_str(s->who->authzid),
		.user = slice_str(s->who->user),
		.secret = slice_of(s->who->secret, s->who->secret_len),
	};
	struct ipc_chan *c = s->smtpd->auth;
	int rc;

	if (c == NULL) {
		log_failure(s, "auth-down");
		auth_over(s, &unavailable);
		return;
	}
	s->phase = PHASE_AUTH_ASKED;
	session_deadline(s, SMTPD_AUTH_MS);
	s->auth_request = ipc_expect(c, on_answer, s);
	rc = ipc_send_msg(c, auth_ask, 0, s->auth_request, &m);
	buf_wipe(ipc_scratch(c));
	if (rc == -1) {
		log_failure(s, "auth-down");
		auth_over(s, &unavailable);
	}
}

static void
auth_step(struct session *s, enum sasl_result r)
{
	switch (r) {
	case SASL_CHALLENGE:
		s->phase = PHASE_AUTH;
		session_say(s, "334 %s\r\n", sasl_challenge(&s->sasl));
		return;
	case SASL_DONE:
		auth_ask(s);
		return;
	case SASL_REFUSED:
		auth_refused(s, "credentials");
		return;
	case SASL_CANCELLED:
	case SASL_BAD:
		auth_forget(s);
		session_error(
		    s, r == SASL_CANCELLED ? &cancelled : &not_base64);
		session_next(s);
		return;
	}
}

void
auth_line(struct session *s, struct slice line)
{
	auth_step(s, sasl_respond(&s->sasl, line, s->who));
}

void
auth_command(struct session *s, struct slice arg)
{
	struct slice mechanism;
	struct slice initial;

	if (!s->smtpd->submission) {
		session_error(s, &not_here);
		return;
	}
	if (s->user != NULL) {
		session_error(s, &twice);
		return;
	}
	if (!s->tls && !s->may_clear) {
		session_error(s, &needs_tls);
		return;
	}
	initial = slice_trim(slice_cut(arg, ' ', &mechanism));
	if (!sasl_begin(&s->sasl, mechanism)) {
		session_error(s, &no_such);
		return;
	}
	s->who = xcalloc(1, sizeof(*s->who));
	if (initial.len == 0)
		auth_step(s, SASL_CHALLENGE);
	else
		auth_step(s, sasl_initial(&s->sasl, initial, s->who));
}
