/* One mail through a drop box, in a home made for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "deliver/drop.h"
#include "tests/unit/deliver/home.h"

struct place {
	char path[TMP_PATH];
	int root;
	struct drop_boxes boxes;
	struct ipc_work_rcpt rcpt;
	struct work w;
};

static int
setup(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	p->root = home_make(p->path);
	p->boxes.root = p->root;
	p->rcpt.number = 3;
	home_mail(&p->w, &p->rcpt);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	drop_boxes_shut(&p->boxes);
	fd_close(p->root);
	assert_int_equal(tmp_remove(p->path), 0);
	free(p);
	return 0;
}

static void
content_arrives_with_its_return_path(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct buf b = BUF_INIT(10000);
	struct drop d;
	char *path;

	assert_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_true(d.fd != -1);
	assert_int_equal(drop_publish(&d), 0);
	path = xasprintf("home/drop/new/%s", d.name);
	assert_int_equal(file_read_at(p->root, path, &b), 0);
	assert_string_equal(buf_str(&b), "Return-Path: <joe@example.test>\r\n"
					 "Delivered-To: pip@example.test\r\n"
					 "Subject: x\r\n\r\nbody\r\n");
	free(path);
	buf_free(&b);
	drop_close(&d);
}

static void
the_same_token_twice_is_one_mail(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct drop d;

	for (int i = 0; i < 2; i++) {
		assert_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
		assert_int_equal(drop_publish(&d), 0);
		drop_close(&d);
	}
	assert_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_int_equal(drop_publish(&d), 0);
	assert_true(drop_take_back(&d));
	assert_false(drop_take_back(&d));
	drop_close(&d);
}

static void
what_a_crash_left_aside_is_written_anew(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct stat st;
	struct drop d;

	assert_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_int_equal(ftruncate(d.fd, 1), 0);
	drop_close(&d);
	assert_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_int_equal(fstat(d.fd, &st), 0);
	assert_true(st.st_size > 1);
	drop_close(&d);
}

static void
mails_that_come_together_share_an_open_box(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct drop a, b, c;
	struct stat st;

	(void)umask(DROP_UMASK);
	assert_null(drop_write(&a, &p->boxes, &p->w, 0, &enhanced));
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	p->rcpt.number = 4;
	assert_null(drop_write(&b, &p->boxes, &p->w, 0, &enhanced));
	assert_ptr_equal(a.box, b.box);
	drop_boxes_shut(&p->boxes);
	/* The user puts other directories there: who comes later sees them. */
	assert_int_equal(renameat(p->root, "home", p->root, "old"), 0);
	p->rcpt.number = 5;
	assert_non_null(drop_write(&c, &p->boxes, &p->w, 0, &enhanced));
	/* Those under way stay with what they have open. */
	assert_int_equal(drop_publish(&a), 0);
	assert_int_equal(faccessat(a.box->new, a.name, F_OK, 0), 0);
	drop_close(&a);
	assert_int_equal(drop_publish(&b), 0);
	assert_true(drop_take_back(&b));
	drop_close(&b);
}

static void
links_of_the_user_lead_nowhere(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct drop d;

	assert_int_equal(unlinkat(p->root, "home/drop/new", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("/tmp", p->root, "home/drop/new"), 0);
	assert_non_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_int_equal(enhanced[0], '4');
	assert_int_equal(d.fd, -1);
	assert_int_equal(unlinkat(p->root, "home/drop/new", 0), 0);
}

static void
a_home_outside_the_root_is_refused(void **state)
{
	static const char *const homes[] = { "..", "/tmp", "home/../..",
		"nobody", "" };
	struct place *p = *state;
	const char *enhanced = NULL;
	struct drop d;

	for (size_t i = 0; i < ARRAY_LEN(homes); i++) {
		p->rcpt.home = slice_str(homes[i]);
		assert_non_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
		assert_int_equal(enhanced[0], '4');
	}
}

static void
a_mail_that_was_here_before_is_a_loop(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct drop d;

	p->w.content = SLICE("Received: x\r\ndelivered-to:  PIP@example.test"
			     "\r\n\r\nbody\r\n");
	p->w.m.length = p->w.content.len;
	assert_non_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_string_equal(enhanced, "5.4.6");
	p->w.content = SLICE("X: y\r\n\r\nDelivered-To: pip@example.test\r\n");
	assert_false(loop_found(&p->w, p->rcpt.address));
}

static void
damaged_large_content_is_not_delivered(void **state)
{
	struct place *p = *state;
	const char *enhanced = NULL;
	struct drop d;
	char sha[32] = { 0 };

	p->w.fd = openat(p->root, "large", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write_all(p->w.fd, "hello", 5), 0);
	p->w.m.length = 5;
	p->w.content = SLICE_EMPTY;
	p->w.m.sha256 = slice_of(sha, sizeof(sha));
	assert_non_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_int_equal(enhanced[0], '4');
	assert_true(d.damaged);
	p->w.m.length = 6; /* and there are not so many */
	assert_non_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_true(d.damaged);
	p->rcpt.home = SLICE("nobody");
	assert_non_null(drop_write(&d, &p->boxes, &p->w, 0, &enhanced));
	assert_false(d.damaged);
	fd_close(p->w.fd);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(content_arrives_with_its_return_path),
		T(the_same_token_twice_is_one_mail),
		T(what_a_crash_left_aside_is_written_anew),
		T(mails_that_come_together_share_an_open_box),
		T(links_of_the_user_lead_nowhere),
		T(a_home_outside_the_root_is_refused),
		T(a_mail_that_was_here_before_is_a_loop),
		T(damaged_large_content_is_not_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
