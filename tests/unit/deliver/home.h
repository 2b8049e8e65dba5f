#ifndef TESTS_UNIT_DELIVER_HOME_H
#define TESTS_UNIT_DELIVER_HOME_H

/* A mail root with one home in it, and a mail for who lives there. */
#include <fcntl.h>
#include <sys/stat.h>

#include "deliver/loop.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/tmp.h"

static void
home_add(int root, const char *name)
{
	const char *const below[] = { "", "/drop", "/drop/tmp", "/drop/new" };
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", name, below[i]);
		assert_int_equal(mkdirat(root, path, 0700), 0);
	}
}

/* Makes it; path[TMP_PATH] is where, the result its descriptor. */
static int
home_make(char *path)
{
	int root;

	assert_int_equal(tmp_make(path), 0);
	root = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(root, -1);
	home_add(root, "home");
	return root;
}

/* Fills in w, for one recipient. */
static void
home_mail(struct work *w, struct ipc_work_rcpt *r)
{
	r->address = SLICE("pip@example.test");
	r->home = SLICE("home");
	w->m.id = SLICE("0QABC");
	w->m.sender = SLICE("joe@example.test");
	w->m.arrived = 1700000000;
	w->content = SLICE("Subject: x\r\n\r\nbody\r\n");
	w->m.length = w->content.len;
	w->rcpts = r;
	w->rcpt_count = 1;
	w->fd = -1;
}

#endif
