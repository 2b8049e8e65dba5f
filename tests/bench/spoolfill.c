/*
 * spoolfill DIR COUNT: so many mails in DIR, a queue's deferred directory,
 * as if they had been tried and put off until tomorrow. Run as root, it
 * becomes the owner of the directory. Nothing is synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/num.h"
#include "common/base/rand.h"
#include "common/ipc/messages.h"
#include "queue/hot.h"
#include "queue/old.h"
#include "queue/record.h"

#define HOUR_US ((uint64_t)3600 * 1000000)

static _Noreturn void
fail(const char *what)
{
	(void)fprintf(stderr, "spoolfill: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
become_owner(int dir)
{
	struct stat st;

	if (fstat(dir, &st) == -1)
		fail("stat");
	if (st.st_uid != 0 &&
	    (setgroups(0, NULL) == -1 || setgid(st.st_gid) == -1 ||
		setuid(st.st_uid) == -1))
		fail("setuid");
}

/* One recipient, one of a thousand domains, a short text. */
static void
put_mail(struct buf *b, struct qid id, uint64_t n)
{
	static const char content[] =
	    "From: <sender@example.org>\r\nTo: <list@example.net>\r\n"
	    "Subject: what cannot be delivered today\r\n\r\nText.\r\n";
	struct envelope_rcpt r = { .notify = 0 };
	struct buf rcpts = BUF_INIT(1000);
	struct buf to = BUF_INIT(1000);
	struct envelope e = { .id = id,
		.source = SOURCE_SMTP,
		.arrived = (int64_t)(id.time_us / 1000000),
		.client = SLICE("192.0.2.1"),
		.helo = SLICE("client.example.org"),
		.sender = SLICE("sender@example.org"),
		.count = 1,
		.length = sizeof(content) - 1,
		.content = slice_of(content, sizeof(content) - 1) };

	rand_bytes(e.token, sizeof(e.token));
	if (buf_printf(&to, "user%llu@d%llu.example.net", (unsigned long long)n,
		(unsigned long long)n % 1000) == -1)
		fail("address");
	r.address = buf_slice(&to);
	if (envelope_rcpt_put(&r, &rcpts) == -1)
		fail("recipient");
	e.recipients = buf_slice(&rcpts);
	buf_truncate(b, 0);
	if (envelope_put(&e, b) == -1 || buf_append_slice(b, e.content) == -1)
		fail("envelope");
	buf_free(&rcpts);
	buf_free(&to);
}

/* Tried three times, and not again before tomorrow. */
static void
put_story(struct buf *b, struct buf *mail, struct qid id)
{
	struct mail_hot *h = hot_new(buf_slice(mail), NULL, NULL);

	if (h == NULL)
		fail("mail");
	h->rcpts[0].attempts = 3;
	h->rcpts[0].code = 451;
	h->rcpts[0].tried_s = h->env.arrived;
	h->rcpts[0].next_s = h->env.arrived + 86400;
	rcpt_set_why(&h->rcpts[0], SLICE("4.4.1"),
	    SLICE("the destination does not answer"), SLICE_EMPTY);
	buf_truncate(b, 0);
	if (hot_snapshot(h, id, b) == -1)
		fail("story");
	hot_free(h);
}

static void
fill(int dir, uint64_t count)
{
	struct buf mail = BUF_INIT(RECORD_MAX);
	struct buf story = BUF_INIT(RECORD_MAX);
	struct qid id = { .nonce = rand_u64() };
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	id.time_us = (uint64_t)now.tv_sec * 1000000 - HOUR_US;
	for (uint64_t n = 0; n < count; n++) {
		id.time_us += 1 + rand_below(2000);
		put_mail(&mail, id, n);
		put_story(&story, &mail, id);
		if (old_write(dir, id, buf_slice(&mail), buf_slice(&story)) ==
			-1 ||
		    old_rename(dir, id) == -1)
			fail("write");
	}
	buf_free(&mail);
	buf_free(&story);
}

int
main(int argc, char **argv)
{
	uint64_t count;
	int dir;

	if (argc != 3 ||
	    num_parse(slice_str(argv[2]), UINT32_MAX, &count) == -1) {
		(void)fprintf(stderr, "usage: spoolfill DIR COUNT\n");
		return 2;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		fail(argv[1]);
	become_owner(dir);
	fill(dir, count);
	return 0;
}
