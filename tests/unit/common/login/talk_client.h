#ifndef TESTS_UNIT_COMMON_LOGIN_TALK_CLIENT_H
#define TESTS_UNIT_COMMON_LOGIN_TALK_CLIENT_H

/*
 * A conversation without network: bytes in, replies and steps out. PROTOCOL,
 * which who includes this has defined, is what is spoken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/login/talk.h"

#define ERRORS_MAX 5

struct client {
	struct talk *talk;
	struct buf in;
	enum talk_step step;
};

static void
client_begin(struct client *c, bool tls)
{
	c->talk = xcalloc(1, PROTOCOL.size);
	c->talk->hostname = "mail.example.test";
	c->talk->errors_max = ERRORS_MAX;
	c->talk->tls = tls;
	c->talk->can_login = tls;
	c->talk->can_starttls = !tls;
	c->step = TALK_READ;
	buf_init(&c->talk->out, TALK_OUT_MAX);
	buf_init(&c->in, TALK_IN_MAX);
}

static void
client_end(struct client *c)
{
	credentials_wipe(&c->talk->who);
	buf_free(&c->talk->out);
	buf_free(&c->in);
	free(c->talk);
}

/* What it says to them is all that said() has afterwards. */
static void
send_bytes(struct client *c, const char *p, size_t n)
{
	size_t before;

	buf_truncate(&c->talk->out, 0);
	assert_int_equal(buf_append(&c->in, p, n), 0);
	do {
		before = c->in.len;
		c->step = PROTOCOL.input(c->talk, &c->in);
	} while (c->step == TALK_READ && c->in.len < before && c->in.len > 0);
}

static const char *
said(const struct client *c)
{
	return buf_str(&c->talk->out);
}

/* Send, and expect exactly this reply and step. */
static void
expect(
    struct client *c, const char *line, const char *reply, enum talk_step step)
{
	send_bytes(c, line, strlen(line));
	assert_string_equal(said(c), reply);
	assert_int_equal(c->step, step);
}

#endif
