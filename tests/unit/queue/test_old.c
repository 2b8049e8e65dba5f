#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "queue/hot.h"
#include "queue/old.h"
#include "tests/unit/tmp.h"

static const struct qid id = { 0x1234, 0x5678 };

struct fixture {
	char path[TMP_PATH];
	int dir;
	char bucket[4];
	struct buf mail;
	struct buf delta;
};

static void
put_mail(struct buf *b)
{
	const struct envelope_rcpt r = { .address = SLICE("c@d.example") };
	struct buf rcpts = BUF_INIT(1000);
	struct envelope e = { .id = id,
		.sender = SLICE("a@b.example"),
		.count = 1,
		.length = 4,
		.content = SLICE("x\r\n\0") };

	assert_int_equal(envelope_rcpt_put(&r, &rcpts), 0);
	e.recipients = buf_slice(&rcpts);
	assert_int_equal(envelope_put(&e, b), 0);
	assert_int_equal(buf_append_slice(b, e.content), 0);
	buf_free(&rcpts);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mail_hot *h;
	char name[OLD_NAME];

	if (tmp_make(f->path) == -1)
		return -1;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
	old_name(id, "", name);
	memcpy(f->bucket, name, 2);
	if (mkdirat(f->dir, f->bucket, 0700) == -1)
		return -1;
	buf_init(&f->mail, 10000);
	buf_init(&f->delta, 10000);
	put_mail(&f->mail);
	h = hot_new(buf_slice(&f->mail), NULL, NULL);
	h->rcpts[0].attempts = 4;
	h->rcpts[0].next_s = 99;
	rcpt_set_why(&h->rcpts[0], SLICE("4.1.1"), SLICE("no"), SLICE("mx"));
	h->held = h->stated = true;
	assert_int_equal(hot_snapshot(h, id, &f->delta), 0);
	hot_free(h);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(old_remove(f->dir, id, ""), 0);
	assert_int_equal(old_remove(f->dir, id, ".new"), 0);
	(void)close(f->dir);
	assert_int_equal(tmp_remove(f->path), 0);
	buf_free(&f->mail);
	buf_free(&f->delta);
	free(f);
	return 0;
}

static void
write_it(const struct fixture *f)
{
	assert_int_equal(
	    old_write(f->dir, id, buf_slice(&f->mail), buf_slice(&f->delta)),
	    0);
	assert_int_equal(old_rename(f->dir, id), 0);
}

static void
mail_and_its_story_come_back(void **state)
{
	const struct fixture *f = *state;
	struct mail_hot *h;
	struct record r;
	struct old o;

	write_it(f);
	assert_int_equal(old_read(f->dir, id, &o), 0);
	assert_true(slice_eq(o.mail, buf_slice(&f->mail)));
	h = hot_new(o.mail, NULL, o.store);
	assert_non_null(h);
	while (old_next(&o, &r) == 1)
		assert_int_equal(hot_apply(h, &r), 0);
	assert_int_equal(h->rcpts[0].attempts, 4);
	assert_int_equal(h->rcpts[0].next_s, 99);
	assert_true(slice_eq(rcpt_get_why(&h->rcpts[0]).text, SLICE("no")));
	assert_true(h->held);
	hot_free(h);
}

static void
what_is_not_renamed_is_not_there(void **state)
{
	const struct fixture *f = *state;
	struct old o;

	assert_int_equal(
	    old_write(f->dir, id, buf_slice(&f->mail), buf_slice(&f->delta)),
	    0);
	assert_int_equal(old_read(f->dir, id, &o), -1);
	assert_int_equal(errno, ENOENT);
}

/* Of exactly its size, so that a sanitizer sees a byte more. */
static int
parse(const char *p, size_t n)
{
	char *copy = malloc(n + 1);
	struct old o;
	int rc;

	memcpy(copy, p, n);
	rc = old_parse(slice_of(copy, n), id, &o);
	free(copy);
	return rc;
}

static void
file_cut_or_flipped_anywhere_is_damaged(void **state)
{
	const struct fixture *f = *state;
	struct buf b = BUF_INIT(10000);
	char name[OLD_NAME];
	int unseen = 0;

	write_it(f);
	old_name(id, "", name);
	assert_int_equal(file_read_at(f->dir, name, &b), 0);
	assert_int_equal(parse(b.data, b.len), 0);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(parse(b.data, n), -1);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x10;
		unseen += parse(b.data, b.len) == 0;
		b.data[i] ^= 0x10;
	}
	/* Only the padding of its four records means nothing. */
	assert_true(unseen <= 4 * 7);
	assert_int_equal(buf_append_byte(&b, 0), 0);
	assert_int_equal(parse(b.data, b.len), -1);
	buf_free(&b);
}

static void
file_of_another_mail_is_damaged(void **state)
{
	const struct fixture *f = *state;
	const struct qid other = { 0x1234 + 0x100, 0x5678 };
	char from[OLD_NAME];
	char to[OLD_NAME];
	struct old o;

	write_it(f);
	old_name(id, "", from);
	old_name(other, "", to);
	assert_memory_equal(from, to, 2);
	assert_int_equal(renameat(f->dir, from, f->dir, to), 0);
	assert_int_equal(old_read(f->dir, other, &o), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(old_remove(f->dir, other, ""), 0);
}

static void
link_fifo_and_directory_are_damaged(void **state)
{
	const struct fixture *f = *state;
	char name[OLD_NAME];
	struct old o;

	old_name(id, "", name);
	assert_int_equal(symlinkat("/etc/passwd", f->dir, name), 0);
	assert_int_equal(old_read(f->dir, id, &o), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(unlinkat(f->dir, name, 0), 0);
	assert_int_equal(mkfifoat(f->dir, name, 0600), 0);
	assert_int_equal(old_read(f->dir, id, &o), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(unlinkat(f->dir, name, 0), 0);
	assert_int_equal(mkdirat(f->dir, name, 0700), 0);
	assert_int_equal(old_read(f->dir, id, &o), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(unlinkat(f->dir, name, AT_REMOVEDIR), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(mail_and_its_story_come_back),
		T(what_is_not_renamed_is_not_there),
		T(file_cut_or_flipped_anywhere_is_damaged),
		T(file_of_another_mail_is_damaged),
		T(link_fifo_and_directory_are_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
