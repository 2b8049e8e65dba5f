#include "store/box.h"
#include "tests/unit/store/fixture.h"

static void
new_home_has_an_empty_inbox(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "inbox");
	struct mailbox_status s;

	mailbox_status(mb, &s);
	assert_string_equal(mailbox_name(mb), "INBOX");
	assert_int_equal(s.exists, 0);
	assert_int_equal(s.uidnext, 1);
	assert_true(s.uidvalidity > 1600000000);
	assert_true(s.highestmodseq > 0);
	mailbox_close(mb);
	account_close(a);
}

static void
drops_come_in_by_name(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct message m;

	drop_mail(x, "one\r\n");
	drop_mail(x, "two!\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 2);
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	assert_int_equal(m.uid, 1);
	assert_int_equal(m.size, 5);
	assert_int_equal(m.date_s, 1700000000);
	assert_int_equal(m.flags, MESSAGE_RECENT);
	assert_string_equal(content(mb, 1), "one\r\n");
	assert_string_equal(content(mb, 2), "two!\r\n");
	assert_int_equal(mailbox_message(mb, 3, &m), -1);
	assert_int_equal(mailbox_first_unseen(mb), 1);
	mailbox_close(mb);
	account_close(a);

	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 2);
	assert_int_equal(mailbox_message(mb, 2, &m), 0);
	assert_int_equal(m.flags, 0);
	mailbox_close(mb);
	account_close(a);
}

static void
flags_stay(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct mailbox_status s;
	struct message m;

	for (int i = 0; i < 10; i++)
		drop_mail(x, "mail\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(store_flags(mb, 2, 5, STORE_ADD, MESSAGE_SEEN), 0);
	assert_int_equal(
	    store_flags(mb, 4, 4, STORE_REPLACE, MESSAGE_FLAGGED), 0);
	mailbox_status(mb, &s);
	assert_int_equal(s.unseen, 7);
	mailbox_close(mb);
	account_close(a);

	a = open_account(x);
	mb = open_box(a, "INBOX");
	mailbox_status(mb, &s);
	assert_int_equal(s.unseen, 7);
	assert_int_equal(mailbox_message(mb, 4, &m), 0);
	assert_int_equal(m.flags, MESSAGE_FLAGGED);
	assert_int_equal(m.modseq, s.highestmodseq);
	assert_int_equal(mailbox_message(mb, 5, &m), 0);
	assert_int_equal(m.flags, MESSAGE_SEEN);
	assert_true(m.modseq < s.highestmodseq);
	mailbox_close(mb);
	account_close(a);
}

static void
store_tells_what_changed_and_what_failed(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct slice word = SLICE("$Junk");
	struct store_request q = {
		.how = STORE_ADD, .keywords = &word, .keyword_count = 1
	};
	struct uidset changed = UIDSET_INIT;
	struct uidset refused = UIDSET_INIT;
	struct uidset all = uids(1, UINT32_MAX);
	struct mailbox *mb;
	struct message m;

	for (int i = 0; i < 3; i++)
		drop_mail(x, "mail\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(store_flags(mb, 2, 2, STORE_ADD, MESSAGE_SEEN), 0);
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	q.conditional = true;
	q.unchanged_since = m.modseq;
	assert_int_equal(mailbox_store(mb, &all, &q, &changed, &refused), 0);
	assert_int_equal(uidset_size(&changed), 2);
	assert_true(uidset_has(&refused, 2));
	assert_int_equal(uidset_size(&refused), 1);
	assert_int_equal(mailbox_keyword_find(mb, SLICE("$jUNK")), 0);
	assert_string_equal(mailbox_keyword(mb, 0), "$Junk");
	/* Nothing differs the second time. */
	q.conditional = false;
	assert_int_equal(mailbox_store(mb, &all, &q, &changed, NULL), 0);
	assert_int_equal(uidset_size(&changed), 1);
	assert_int_equal(mailbox_store(mb, &all, &q, &changed, NULL), 0);
	assert_int_equal(uidset_size(&changed), 0);
	word = SLICE("no good");
	assert_int_equal(mailbox_store(mb, &all, &q, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	uidset_free(&all);
	uidset_free(&changed);
	uidset_free(&refused);
	mailbox_close(mb);
	account_close(a);
}

static void
expunge_is_told_at_the_next_refresh(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_changes c;
	struct uidset gone = UIDSET_INIT;
	struct mailbox *mb;
	struct message m;

	for (int i = 0; i < 5; i++)
		drop_mail(x, "mail\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(store_flags(mb, 2, 3, STORE_ADD, MESSAGE_DELETED), 0);
	assert_int_equal(store_flags(mb, 5, 5, STORE_ADD, MESSAGE_DELETED), 0);
	assert_int_equal(mailbox_expunge(mb, NULL, &gone), 0);
	assert_int_equal(uidset_size(&gone), 3);
	assert_int_equal(exists(mb), 5);
	assert_int_equal(mailbox_message(mb, 2, &m), 0);
	assert_true((m.flags & MESSAGE_GONE) != 0);
	assert_int_equal(mailbox_refresh(mb, false, &c), 0);
	assert_true(c.expunges_wait);
	assert_int_equal(c.expunged_count, 0);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(c.expunged_count, 3);
	assert_int_equal(c.expunged[0].seq, 5);
	assert_int_equal(c.expunged[1].seq, 3);
	assert_int_equal(c.expunged[2].seq, 2);
	assert_int_equal(c.expunged[2].uid, 2);
	assert_int_equal(c.exists, 2);
	assert_int_equal(mailbox_message(mb, 2, &m), 0);
	assert_int_equal(m.uid, 4);
	assert_int_equal(mailbox_seq_exact(mb, 4), 2);
	assert_int_equal(mailbox_seq_exact(mb, 3), 0);
	assert_int_equal(mailbox_seq(mb, 2), 2);
	assert_int_equal(mailbox_seq(mb, 5), 3);
	account_work(a);
	assert_null(content(mb, 2));
	assert_non_null(content(mb, 4));
	uidset_free(&gone);
	mailbox_close(mb);
	account_close(a);
}

static void
append_keeps_flags_date_and_bytes(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct slice words[] = { SLICE("$Forwarded"), SLICE("todo") };
	struct append_about about = { .flags = MESSAGE_SEEN | MESSAGE_DRAFT,
		.keywords = words,
		.keyword_count = 2,
		.has_date = true,
		.date_s = -86400,
		.zone_min = -150 };
	struct append *ap = append_begin(a, SLICE("INBOX"));
	struct uidset set = UIDSET_INIT;
	struct mailbox *mb;
	struct message m;
	uint32_t validity;

	assert_non_null(ap);
	assert_int_equal(append_message(ap, &about), 0);
	assert_int_equal(append_write(ap, "one", 3), 0);
	assert_int_equal(append_write(ap, "\r\n", 2), 0);
	about.flags = 0;
	about.has_date = false;
	assert_int_equal(append_message(ap, &about), 0);
	assert_int_equal(append_write(ap, "two\r\n", 5), 0);
	assert_int_equal(append_commit(ap, &validity, &set), 0);
	append_free(ap);
	assert_int_equal(uidset_size(&set), 2);
	uidset_free(&set);
	mb = open_box(a, "INBOX");
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	assert_int_equal(m.flags & MESSAGE_FLAGS, MESSAGE_SEEN | MESSAGE_DRAFT);
	assert_int_equal(m.keywords, 3);
	assert_int_equal(m.date_s, -86400);
	assert_int_equal(m.zone_min, -150);
	assert_string_equal(content(mb, 1), "one\r\n");
	assert_string_equal(content(mb, 2), "two\r\n");
	mailbox_close(mb);
	account_close(a);
}

static void
append_without_commit_leaves_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct append_about about = { .flags = 0 };
	struct append *ap = append_begin(a, SLICE("INBOX"));
	struct mailbox *mb;
	char path[128];

	assert_int_equal(append_message(ap, &about), 0);
	assert_int_equal(append_write(ap, "one", 3), 0);
	append_free(ap);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 0);
	snprintf(path, sizeof(path), "%s/mail/tmp", x->path);
	assert_int_equal(rmdir(path), 0);
	assert_null(append_begin(a, SLICE("none")));
	assert_int_equal(errno, ENOENT);
	mailbox_close(mb);
	account_close(a);
}

static void
copy_and_move_take_everything_along(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct copy_result r = COPY_RESULT_INIT;
	struct mailbox_changes c;
	struct uidset set = uids(2, 3);
	struct mailbox *from;
	struct mailbox *to;
	struct message m;
	struct message n;

	assert_int_equal(account_create(a, SLICE("Work/2026"), 0), 0);
	drop_mail(x, "one\r\n");
	drop_mail(x, "two\r\n");
	drop_mail(x, "three\r\n");
	from = open_box(a, "INBOX");
	assert_int_equal(
	    store_flags(from, 3, 3, STORE_ADD, MESSAGE_FLAGGED), 0);
	assert_int_equal(mailbox_copy(from, &set, SLICE("nowhere"), &r), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mailbox_copy(from, &set, SLICE("Work/2026"), &r), 0);
	assert_int_equal(uidset_size(&r.from), 2);
	assert_true(uidset_has(&r.to, 1));
	to = open_box(a, "Work/2026");
	assert_int_equal(exists(to), 2);
	assert_string_equal(content(to, 2), "three\r\n");
	assert_int_equal(mailbox_message(to, 2, &m), 0);
	assert_int_equal(mailbox_message(from, 3, &n), 0);
	assert_int_equal(m.flags & MESSAGE_FLAGS, MESSAGE_FLAGGED);
	assert_int_equal(m.id, n.id);
	assert_int_equal(m.date_s, n.date_s);

	assert_int_equal(mailbox_move(from, &set, SLICE("work/2026"), &r), -1);
	assert_int_equal(mailbox_move(from, &set, SLICE("Work/2026"), &r), 0);
	assert_true(uidset_has(&r.to, 3));
	assert_int_equal(mailbox_refresh(from, true, &c), 0);
	assert_int_equal(c.expunged_count, 2);
	assert_int_equal(c.exists, 1);
	assert_int_equal(mailbox_refresh(to, true, &c), 0);
	assert_true(c.exists_changed);
	assert_int_equal(c.exists, 4);
	assert_string_equal(content(to, 3), "two\r\n");
	/* Into itself: new UIDs. */
	uidset_free(&set);
	set = uids(1, 1);
	assert_int_equal(mailbox_move(to, &set, SLICE("Work/2026"), &r), 0);
	assert_int_equal(mailbox_refresh(to, true, &c), 0);
	assert_int_equal(c.exists, 4);
	assert_string_equal(content(to, 5), "two\r\n");
	uidset_free(&set);
	copy_result_free(&r);
	mailbox_close(from);
	mailbox_close(to);
	account_close(a);
}

static void
read_only_changes_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct message m;

	drop_mail(x, "one\r\n");
	mb = mailbox_open(a, SLICE("INBOX"), true);
	assert_non_null(mb);
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_SEEN), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(mailbox_expunge(mb, NULL, NULL), -1);
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	assert_int_equal(m.flags, MESSAGE_RECENT);
	mailbox_close(mb);
	/* … so the next one still finds it recent. */
	mb = open_box(a, "INBOX");
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	assert_int_equal(m.flags, MESSAGE_RECENT);
	mailbox_close(mb);
	account_close(a);
}

static void
two_handles_see_each_other(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox *one;
	struct mailbox *two;
	struct mailbox_changes c;
	struct mailbox_status s;
	struct message m;

	for (int i = 0; i < 4; i++)
		drop_mail(x, "mail\r\n");
	one = open_box(a, "INBOX");
	two = open_box(b, "INBOX");
	assert_int_equal(exists(two), 4);
	assert_int_equal(mailbox_message(two, 1, &m), 0);
	assert_int_equal(m.flags, 0); /* \Recent went to the first */
	assert_int_equal(store_flags(one, 1, 2, STORE_ADD, MESSAGE_SEEN), 0);
	assert_int_equal(mailbox_refresh(one, true, &c), 0);
	assert_int_equal(c.changed_count, 0); /* its own */
	assert_int_equal(mailbox_refresh(two, true, &c), 0);
	assert_int_equal(c.changed_count, 2);
	assert_int_equal(c.changed[0], 1);
	assert_int_equal(c.changed[1], 2);
	assert_int_equal(store_flags(two, 3, 4, STORE_ADD, MESSAGE_DELETED), 0);
	assert_int_equal(mailbox_expunge(two, NULL, NULL), 0);
	drop_mail(x, "fifth\r\n");
	assert_int_equal(mailbox_refresh(one, true, &c), 0);
	assert_int_equal(c.expunged_count, 2);
	assert_int_equal(c.exists, 3);
	assert_int_equal(c.recent, 3);
	assert_true(c.exists_changed);
	assert_int_equal(mailbox_refresh(two, true, &c), 0);
	assert_int_equal(c.exists, 3);
	assert_int_equal(mailbox_message(two, 3, &m), 0);
	assert_int_equal(m.uid, 5);
	mailbox_status(two, &s);
	assert_int_equal(s.unseen, 1);
	assert_int_equal(account_create(a, SLICE("Neu"), 0), 0);
	assert_int_equal(append_text(b, "Neu", "x\r\n", 0), -1 + 1);
	assert_int_equal(account_status(a, SLICE("Neu"), &s), 0);
	assert_int_equal(s.exists, 1);
	mailbox_close(one);
	mailbox_close(two);
	account_close(a);
	account_close(b);
}

static void
folding_changes_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct mailbox_status before;
	struct mailbox_status after;
	struct message m;
	char path[128];
	struct stat st;

	for (int i = 0; i < 300; i++)
		drop_mail(x, "mail\r\n");
	mb = open_box(a, "INBOX");
	/* Some thousand changes, so that the journal is folded. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(store_flags(mb, 1, 250,
				     i % 2 == 0 ? STORE_ADD : STORE_REMOVE,
				     MESSAGE_ANSWERED),
		    0);
	assert_int_equal(store_flags(mb, 7, 9, STORE_ADD, MESSAGE_DELETED), 0);
	assert_int_equal(mailbox_expunge(mb, NULL, NULL), 0);
	mailbox_status(mb, &before);
	mailbox_close(mb);
	account_close(a);
	snprintf(path, sizeof(path), "%s/mail/records", x->path);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 297 * 64);

	a = open_account(x);
	mb = open_box(a, "INBOX");
	mailbox_status(mb, &after);
	assert_int_equal(after.exists, 297);
	assert_int_equal(after.unseen, before.unseen);
	assert_int_equal(after.highestmodseq, before.highestmodseq);
	assert_int_equal(mailbox_message(mb, 7, &m), 0);
	assert_int_equal(m.uid, 10);
	assert_string_equal(content(mb, 300), "mail\r\n");
	assert_int_equal(store_flags(mb, 300, 300, STORE_ADD, MESSAGE_SEEN), 0);
	assert_int_equal(mailbox_message(mb, 297, &m), 0);
	assert_int_equal(m.flags, MESSAGE_SEEN);
	mailbox_close(mb);
	account_close(a);
}

/* The target's cur/ is no directory for a while. */
/* Between reading the journal and `records`, another session has folded. */
static void
folding_by_another_comes_not_twice(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox_changes c;
	struct mailbox *late;
	struct mailbox *mb;

	mailbox_close(open_box(b, "INBOX"));
	mb = open_box(a, "INBOX");
	assert_int_equal(append_text(a, "INBOX", "mail\r\n", 0), 0);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(box_fold(mb), 0);
	late = box_open(b, folder_find(b, SLICE("INBOX")), false);
	assert_non_null(late);
	assert_int_equal(mailbox_refresh(late, true, &c), 0);
	assert_int_equal(exists(late), 1);
	mailbox_close(late);
	mailbox_close(mb);
	account_close(b);
	account_close(a);
}

static void
what_cannot_be_placed_is_undone_or_waits(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct copy_result r = COPY_RESULT_INIT;
	struct mailbox_changes c;
	struct mailbox_status s;
	struct uidset set = uids(1, 2);
	struct mailbox *mb;
	char cur[100];

	snprintf(cur, sizeof(cur), "%s/mail/.Box/cur", x->path);
	assert_int_equal(account_create(a, SLICE("Box"), 0), 0);
	drop_mail(x, "one\r\n");
	drop_mail(x, "two\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(rmdir(cur), 0);
	assert_int_equal(symlink("/", cur), 0);
	assert_int_equal(mailbox_copy(mb, &set, SLICE("Box"), &r), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(append_text(a, "Box", "x\r\n", 0), -1);
	assert_int_equal(account_status(a, SLICE("Box"), &s), 0);
	assert_int_equal(s.exists, 0);
	assert_int_equal(s.uidnext, 4);
	assert_int_equal(mailbox_move(mb, &set, SLICE("Box"), &r), -1);
	/* A move waits, and nothing else moves files before it is done. */
	assert_int_equal(append_text(a, "INBOX", "x\r\n", 0), -1);
	assert_int_equal(unlink(cur), 0);
	assert_int_equal(append_text(a, "INBOX", "x\r\n", 0), 0);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(c.exists, 1);
	mailbox_close(mb);
	mb = open_box(a, "Box");
	assert_int_equal(exists(mb), 2);
	assert_string_equal(content(mb, 4), "one\r\n");
	assert_string_equal(content(mb, 5), "two\r\n");
	uidset_free(&set);
	copy_result_free(&r);
	mailbox_close(mb);
	account_close(a);
}

static unsigned
segments(struct fixture *x)
{
	struct dirent *e;
	unsigned n = 0;
	char path[100];
	DIR *d;

	snprintf(path, sizeof(path), "%s/journal", x->path);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += strlen(e->d_name) == 8;
	closedir(d);
	return n;
}

/* A new segment is the sign of a recovery. */
static void
only_a_boot_begins_a_segment(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;

	for (int i = 0; i < 5; i++) {
		a = open_account(x);
		drop_mail(x, "mail\r\n");
		mb = open_box(a, "INBOX");
		mailbox_close(mb);
		account_close(a);
	}
	assert_int_equal(segments(x), 1);
	x->config.boot_id[3]++;
	for (int i = 0; i < 5; i++)
		account_close(open_account(x));
	assert_int_equal(segments(x), 2);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(new_home_has_an_empty_inbox),
		T(drops_come_in_by_name),
		T(flags_stay),
		T(store_tells_what_changed_and_what_failed),
		T(expunge_is_told_at_the_next_refresh),
		T(append_keeps_flags_date_and_bytes),
		T(append_without_commit_leaves_nothing),
		T(copy_and_move_take_everything_along),
		T(read_only_changes_nothing),
		T(two_handles_see_each_other),
		T(folding_changes_nothing),
		T(folding_by_another_comes_not_twice),
		T(what_cannot_be_placed_is_undone_or_waits),
		T(only_a_boot_begins_a_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
