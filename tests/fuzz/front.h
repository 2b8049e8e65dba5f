#ifndef TESTS_FUZZ_FRONT_H
#define TESTS_FUZZ_FRONT_H

/*
 * front - the conversation before login, driven as common/login/conn.c does
 * it, with one user: "pip", whose password is "secret". When that is right
 * the session begins, with what was read already.
 */
#include "common/base/mem.h"
#include "common/login/talk.h"
#include "tests/fuzz/peer.h"

typedef void front_session(const char *tag, struct slice preread);

static inline void
front_said(struct talk *t)
{
	if (buf_append_slice(&peer.output, buf_slice(&t->out)) == -1)
		abort();
	buf_truncate(&t->out, 0);
}

static inline enum talk_step
front_auth(const struct talk_protocol *p, struct talk *t, struct buf *in,
    front_session *session)
{
	if (strcmp(t->who.user, "pip") == 0 &&
	    strcmp(t->who.secret, "secret") == 0 && t->who.authzid[0] == '\0') {
		session(p->tag(t), buf_slice(in));
		return TALK_CLOSE;
	}
	return p->answer(t, ANSWER_BAD);
}

static inline enum talk_step
front_step(const struct talk_protocol *p, struct talk *t, struct buf *in,
    front_session *session)
{
	enum talk_step step;
	size_t before;

	do {
		before = in->len;
		step = p->input(t, in);
		front_said(t);
		if (step == TALK_AUTH)
			step = front_auth(p, t, in, session);
		front_said(t);
	} while (step == TALK_READ && in->len < before && in->len > 0);
	return step;
}

static inline void
front_run(const struct talk_protocol *p, unsigned errors_max, bool tls,
    front_session *session)
{
	struct talk *t = xcalloc(1, p->size);
	struct buf in = BUF_INIT(TALK_IN_MAX);
	enum talk_step step = TALK_READ;

	t->hostname = "fuzz.example";
	t->errors_max = errors_max;
	t->tls = tls;
	t->can_login = true;
	buf_init(&t->out, TALK_OUT_MAX);
	while (step == TALK_READ) {
		char piece[512];
		ssize_t n = __wrap_recv(PEER_FD, piece, sizeof(piece), 0);

		if (n == 0)
			break;
		if (buf_append(&in, piece, (size_t)n) == -1)
			abort(); /* a line was neither taken nor skipped */
		step = front_step(p, t, &in, session);
	}
	credentials_wipe(&t->who);
	buf_free(&t->out);
	buf_free(&in);
	free(t);
}

#endif
