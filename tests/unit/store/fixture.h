#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/account.h"
#include "store/append.h"
#include "store/drop.h"
#include "store/home.h"
#include "store/mailbox.h"
#include "tests/unit/tmp.h"

/* A home of its own for each test, and short words for what tests do. */
struct fixture {
	char path[TMP_PATH + 4]; /* maybe with a "/pip" */
	int home;
	struct account_config config;
	unsigned drops; /* queue ids given */
};

__attribute__((unused)) static int
fixture_up(void **state)
{
	struct home_owner owner = { geteuid(), getegid(), (uid_t)-1 };
	struct fixture *x = calloc(1, sizeof(*x));

	assert_int_equal(tmp_make(x->path), 0);
	x->home = open(x->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(x->home, -1);
	assert_int_equal(home_fill(x->home, &owner), 0);
	x->config.boot_id[0] = 1;
	*state = x;
	return 0;
}

__attribute__((unused)) static void
remove_tree(int at, const char *name)
{
	struct dirent *e;
	DIR *d;
	int fd;

	if (unlinkat(at, name, 0) == 0)
		return;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd == -1)
		return;
	d = fdopendir(fd);
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			remove_tree(fd, e->d_name);
	closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

__attribute__((unused)) static int
fixture_down(void **state)
{
	struct fixture *x = *state;

	close(x->home);
	assert_int_equal(tmp_remove(x->path), 0);
	free(x);
	return 0;
}

__attribute__((unused)) static struct account *
open_account(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);

	if (a == NULL)
		fail_msg("account_open: %s", strerror(errno));
	return a;
}

__attribute__((unused)) static struct mailbox *
open_box(struct account *a, const char *name)
{
	struct mailbox *mb = mailbox_open(a, slice_str(name), false);

	if (mb == NULL)
		fail_msg("mailbox_open %s: %s", name, strerror(errno));
	return mb;
}

/* What deliver does, without its syncs. */
__attribute__((unused)) static void
drop_named(struct fixture *x, const struct drop_name *d, const char *text)
{
	char name[DROP_NAME_MAX + 1];
	char path[DROP_NAME_MAX + 16];
	char path2[DROP_NAME_MAX + 16];
	int fd;

	assert_int_equal(drop_name_format(d, name), 0);
	snprintf(path, sizeof(path), "drop/tmp/%s", name);
	snprintf(path2, sizeof(path2), "drop/new/%s", name);
	fd = openat(x->home, path, O_WRONLY | O_CREAT | O_EXCL, 0660);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(renameat(x->home, path, x->home, path2), 0);
}

__attribute__((unused)) static void
drop_mail(struct fixture *x, const char *text)
{
	struct drop_name d = { .recipient = 1, .date_s = 1700000000 };

	snprintf(d.queue_id, sizeof(d.queue_id), "q%06u", x->drops++);
	d.size = strlen(text);
	drop_named(x, &d, text);
}

__attribute__((unused)) static int
append_text(
    struct account *a, const char *name, const char *text, unsigned flags)
{
	struct append_about about = { .flags = flags };
	struct append *ap = append_begin(a, slice_str(name));
	int rc = -1;

	if (ap == NULL)
		return -1;
	if (append_message(ap, &about) == 0 &&
	    append_write(ap, text, strlen(text)) == 0)
		rc = append_commit(ap, NULL, NULL);
	append_free(ap);
	return rc;
}

/* The content of a message, in a buffer that lives until the next call. */
__attribute__((unused)) static const char *
content(struct mailbox *mb, uint32_t uid)
{
	static char text[4096];
	uint64_t size;
	ssize_t n;
	int fd;

	fd = mailbox_content(mb, uid, &size);
	if (fd == -1)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_int_equal((uint64_t)n, size);
	text[n] = '\0';
	return text;
}

__attribute__((unused)) static uint32_t
exists(struct mailbox *mb)
{
	struct mailbox_status s;

	mailbox_status(mb, &s);
	return s.exists;
}

__attribute__((unused)) static struct uidset
uids(uint32_t first, uint32_t last)
{
	struct uidset s = UIDSET_INIT;

	assert_int_equal(uidset_add(&s, first, last), 0);
	return s;
}

__attribute__((unused)) static int
store_flags(struct mailbox *mb, uint32_t first, uint32_t last,
    enum store_how how, unsigned flags)
{
	struct store_request q = { .how = how, .flags = flags };
	struct uidset s = uids(first, last);
	int rc = mailbox_store(mb, &s, &q, NULL, NULL);

	uidset_free(&s);
	return rc;
}

/* Names in a directory of the home; 0 also without one. */
__attribute__((unused)) static unsigned
files_in(struct fixture *x, const char *dir)
{
	char path[sizeof(x->path) + 64];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", x->path, dir);
	d = opendir(path);
	if (d == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

/* The (one) segment of the journal; where its last record is, and ends. */
__attribute__((unused)) static int
open_last_record(struct fixture *x, off_t *last, off_t *end)
{
	char path[64] = "";
	struct dirent *e;
	uint32_t len = 64;
	DIR *d;
	int fd;

	fd = openat(x->home, "journal", O_RDONLY | O_DIRECTORY);
	d = fdopendir(fd);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (strlen(e->d_name) == 8)
			snprintf(path, sizeof(path), "journal/%.8s", e->d_name);
	closedir(d);
	fd = openat(x->home, path, O_RDWR);
	assert_int_not_equal(fd, -1);
	*end = 0;
	do {
		*last = *end;
		*end += len;
	} while (pread(fd, &len, sizeof(len), *end) == sizeof(len) && len != 0);
	return fd;
}

#endif
