#include <poll.h>
#include <sys/mman.h>

#include "store/cache.h"
#include "store/watch.h"
#include "tests/unit/store/fixture.h"

static void
entries_come_back(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox *one = open_box(a, "INBOX");
	struct mailbox *two = open_box(b, "INBOX");
	struct slice s;
	char text[100];

	assert_int_equal(cache_get(one, 1, 1, 1, &s), -1);
	for (uint32_t uid = 1; uid <= 500; uid++) {
		snprintf(text, sizeof(text), "envelope of %u", uid);
		cache_put(one, uid, 1, 1, slice_str(text));
		snprintf(text, sizeof(text), "structure of %u", uid);
		cache_put(one, uid, 2, 1, slice_str(text));
	}
	cache_put(one, 7, 1, 1, SLICE("another"));
	cache_put(one, 8, 9, 1, SLICE_EMPTY);
	cache_flush(one);
	for (uint32_t uid = 1; uid <= 500; uid++) {
		assert_int_equal(cache_get(two, uid, 1, 1, &s), 0);
		snprintf(text, sizeof(text), "envelope of %u", uid);
		assert_true(
		    slice_eq(s, uid == 7 ? SLICE("another") : slice_str(text)));
		assert_int_equal(cache_get(two, uid, 2, 1, &s), 0);
		snprintf(text, sizeof(text), "structure of %u", uid);
		assert_true(slice_eq(s, slice_str(text)));
		assert_int_equal(cache_get(two, uid, 2, 2, &s), -1);
		assert_int_equal(cache_get(two, uid, 3, 1, &s), -1);
	}
	assert_int_equal(cache_get(two, 8, 9, 1, &s), 0);
	assert_int_equal(s.len, 0);
	/* What was just put is found before it is written. */
	cache_put(two, 900, 1, 1, SLICE("late"));
	assert_int_equal(cache_get(two, 900, 1, 1, &s), 0);
	assert_int_equal(cache_get(two, 0, 1, 1, &s), -1);
	mailbox_close(one);
	mailbox_close(two);
	account_close(a);
	account_close(b);
}

static void
large_and_many_entries(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "INBOX");
	char *big = calloc(1, CACHE_ENTRY_MAX + 1);
	struct slice s;

	memset(big, 'x', CACHE_ENTRY_MAX);
	cache_put(mb, 1, 1, 1, slice_of(big, CACHE_ENTRY_MAX));
	assert_int_equal(cache_get(mb, 1, 1, 1, &s), 0);
	assert_int_equal(s.len, CACHE_ENTRY_MAX);
	cache_put(mb, 2, 1, 1, slice_of(big, CACHE_ENTRY_MAX + 1));
	assert_int_equal(cache_get(mb, 2, 1, 1, &s), -1);
	/* More UIDs than slots: it starts anew, and never answers wrongly. */
	for (uint32_t uid = 1; uid <= 5000; uid++) {
		cache_put(mb, uid, 1, 1, slice_of(&uid, sizeof(uid)));
		assert_int_equal(cache_get(mb, uid, 1, 1, &s), 0);
		assert_memory_equal(s.p, &uid, sizeof(uid));
	}
	free(big);
	mailbox_close(mb);
	account_close(a);
}

/* Whatever is in the file: no crash, and no wrong answer. */
static void
damage_is_a_miss(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct slice s;
	struct stat st;
	uint32_t seed = 7;
	char c;
	int fd;

	for (int round = 0; round < 300; round++) {
		mb = open_box(a, "INBOX");
		for (uint32_t uid = 1; uid <= 20; uid++)
			cache_put(mb, uid, 1, 1, slice_of(&uid, sizeof(uid)));
		mailbox_close(mb);
		fd = openat(x->home, "mail/cache", O_RDWR);
		assert_int_not_equal(fd, -1);
		assert_int_equal(fstat(fd, &st), 0);
		for (int i = 0; i < 30; i++) {
			off_t at;

			seed = seed * 1664525 + 1013904223;
			at = (seed >> 4) % (i % 3 == 0 ? st.st_size : 300);
			c = (char)(seed >> 24);
			assert_int_equal(pwrite(fd, &c, 1, at), 1);
		}
		if (round % 10 == 0)
			assert_int_equal(
			    ftruncate(fd, (seed >> 3) % st.st_size), 0);
		close(fd);
		mb = open_box(a, "INBOX");
		for (uint32_t uid = 1; uid <= 20; uid++)
			if (cache_get(mb, uid, 1, 1, &s) == 0)
				assert_memory_equal(s.p, &uid, sizeof(uid));
		mailbox_close(mb);
	}
	account_close(a);
}

/* As what the disk cannot read: to touch it would end the process. */
static void
entry_that_cannot_be_read_is_made_again(void **state)
{
	static char text[4000];
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct slice s;
	int fd;

	drop_mail(x, "x\r\n");
	mb = open_box(a, "INBOX");
	for (uint32_t uid = 1; uid <= 100; uid++)
		cache_put(mb, uid, 1, 1, slice_of(text, sizeof(text)));
	mailbox_close(mb);
	mb = open_box(a, "INBOX");
	assert_int_equal(cache_get(mb, 1, 1, 1, &s), 0);
	fd = openat(x->home, "mail/cache", O_RDWR);
	assert_int_equal(ftruncate(fd, 131072), 0);
	close(fd);
	assert_int_equal(cache_get(mb, 1, 1, 1, &s), 0);
	assert_int_equal(cache_get(mb, 100, 1, 1, &s), -1);
	cache_put(mb, 100, 1, 1, SLICE("anew"));
	assert_int_equal(cache_get(mb, 100, 1, 1, &s), 0);
	assert_true(slice_eq(s, SLICE("anew")));
	mailbox_close(mb);
	account_close(a);
}

static bool
readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void
watch_wakes_for_its_own_mailbox(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox_changes c;
	struct mailbox *one;
	struct mailbox *two;
	int fd;

	drop_mail(x, "one\r\n");
	assert_int_equal(account_create(a, SLICE("b"), 0), 0);
	one = open_box(a, "INBOX");
	two = open_box(b, "INBOX");
	fd = watch_open(a, one);
	assert_int_not_equal(fd, -1);
	assert_false(readable(fd));
	assert_int_equal(append_text(b, "b", "x\r\n", 0), 0);
	assert_false(readable(fd));
	assert_int_equal(store_flags(two, 1, 1, STORE_ADD, MESSAGE_SEEN), 0);
	assert_true(readable(fd));
	watch_drain(fd);
	assert_false(readable(fd));
	assert_int_equal(mailbox_refresh(one, true, &c), 0);
	assert_int_equal(c.changed_count, 1);
	drop_mail(x, "two\r\n");
	assert_true(readable(fd));
	watch_drain(fd);
	assert_int_equal(mailbox_refresh(one, true, &c), 0);
	assert_true(c.exists_changed);
	close(fd);
	mailbox_close(one);
	mailbox_close(two);
	account_close(a);
	account_close(b);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(entries_come_back),
		T(large_and_many_entries),
		T(damage_is_a_miss),
		T(entry_that_cannot_be_read_is_made_again),
		T(watch_wakes_for_its_own_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
