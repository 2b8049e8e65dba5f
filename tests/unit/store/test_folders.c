#include "tests/unit/store/fixture.h"

static char *
list(struct account *a)
{
	static char text[1024];
	struct folder_list l;
	size_t n = 0;

	*text = '\0';
	assert_int_equal(account_folders(a, &l), 0);
	for (size_t i = 0; i < l.count; i++) {
		const struct folder_entry *e = &l.entries[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    "%s%s%s%s%s%s", i > 0 ? " " : "", e->name,
		    (e->attributes & FOLDER_NOSELECT) != 0 ? "-" : "",
		    (e->attributes & FOLDER_CHILDREN) != 0 ? "+" : "",
		    (e->attributes & FOLDER_SUBSCRIBED) != 0 ? "*" : "",
		    (e->attributes & FOLDER_NONEXISTENT) != 0 ? "?" : "");
	}
	folder_list_free(&l);
	return text;
}

static void
listing_shows_parents_and_subscriptions(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	assert_string_equal(list(a), "INBOX");
	assert_int_equal(account_create(a, SLICE("b/c/d"), 0), 0);
	assert_int_equal(account_create(a, SLICE("b-side"), 0), 0);
	assert_int_equal(account_create(a, SLICE("A"), 0), 0);
	assert_int_equal(account_create(a, SLICE("Inbox/x"), 0), 0);
	assert_int_equal(account_subscribe(a, SLICE("b/c"), true), 0);
	assert_int_equal(account_subscribe(a, SLICE("old"), true), 0);
	assert_string_equal(
	    list(a), "INBOX+ INBOX/x A b-+ b/c-+* b/c/d b-side old-*?");
	account_close(a);
	a = open_account(x);
	assert_string_equal(
	    list(a), "INBOX+ INBOX/x A b-+ b/c-+* b/c/d b-side old-*?");
	assert_int_equal(account_subscribe(a, SLICE("old"), false), 0);
	assert_int_equal(account_delete(a, SLICE("b/c/d")), 0);
	assert_string_equal(list(a), "INBOX+ INBOX/x A b/c-*? b-side");
	account_close(a);
}

static void
wrong_names_and_states_are_refused(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_status s;

	assert_int_equal(account_create(a, SLICE("inbox"), 0), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(account_create(a, SLICE("a//b"), 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(account_create(a, SLICE("a"), 0), 0);
	assert_int_equal(account_create(a, SLICE("a/"), 0), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(account_delete(a, SLICE("INBOX")), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(account_delete(a, SLICE("b")), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(account_rename(a, SLICE("b"), SLICE("c")), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(account_rename(a, SLICE("a"), SLICE("a/b")), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(account_rename(a, SLICE("a"), SLICE("inbox")), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(account_status(a, SLICE("../../etc"), &s), -1);
	assert_int_equal(errno, ENOENT);
	assert_null(mailbox_open(a, SLICE("../journal"), true));
	account_close(a);
}

static void
special_uses(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct folder_list l;

	assert_int_equal(account_create(a, SLICE("Sent"), 0), 0);
	assert_int_equal(account_create(a, SLICE("Weg"), FOLDER_TRASH), 0);
	assert_int_equal(account_create(a, SLICE("Weg2"), FOLDER_TRASH), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(account_create(a, SLICE("Trash"), 0), 0);
	assert_int_equal(account_create(a, SLICE("X"), 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(account_folders(a, &l), 0);
	for (size_t i = 0; i < l.count; i++) {
		unsigned uses = l.entries[i].attributes & FOLDER_USES;

		if (strcmp(l.entries[i].name, "Sent") == 0)
			assert_int_equal(uses, FOLDER_SENT);
		else if (strcmp(l.entries[i].name, "Weg") == 0)
			assert_int_equal(uses, FOLDER_TRASH);
		else
			assert_int_equal(uses, 0);
	}
	folder_list_free(&l);
	account_close(a);
}

static void
uidvalidity_and_id_are_never_used_again(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_status s;
	uint32_t validity = 0;
	uint32_t id = 0;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(account_create(a, SLICE("a"), 0), 0);
		assert_int_equal(account_status(a, SLICE("a"), &s), 0);
		assert_true(s.uidvalidity > validity);
		assert_true(s.id > id);
		validity = s.uidvalidity;
		id = s.id;
		assert_int_equal(append_text(a, "a", "x\r\n", 0), 0);
		if (i % 2 == 0) {
			assert_int_equal(account_delete(a, SLICE("a")), 0);
		} else {
			assert_int_equal(
			    account_rename(a, SLICE("a"), SLICE("b")), 0);
			assert_int_equal(account_delete(a, SLICE("b")), 0);
		}
		account_work(a);
		account_close(a);
		a = open_account(x);
	}
	account_close(a);
}

static void
rename_keeps_open_mailboxes(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox_changes c;
	struct mailbox *mb;

	assert_int_equal(account_create(a, SLICE("a/b"), 0), 0);
	assert_int_equal(append_text(a, "a/b", "one\r\n", 0), 0);
	mb = open_box(b, "a/b");
	assert_int_equal(account_rename(a, SLICE("a"), SLICE("z")), 0);
	assert_string_equal(list(a), "INBOX z-+ z/b");
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_string_equal(mailbox_name(mb), "z/b");
	assert_string_equal(content(mb, 1), "one\r\n");
	assert_int_equal(append_text(a, "z/b", "two\r\n", 0), 0);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(c.exists, 2);
	assert_int_equal(account_delete(a, SLICE("z/b")), 0);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_true(c.deleted);
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_SEEN), -1);
	assert_int_equal(errno, ENOENT);
	mailbox_close(mb);
	account_close(a);
	account_close(b);
}

static void
renaming_inbox_moves_its_mail(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_status s;
	struct mailbox *mb;

	drop_mail(x, "one\r\n");
	assert_int_equal(account_takein(a), 0);
	assert_int_equal(
	    account_rename(a, SLICE("InBox"), SLICE("old/mail")), 0);
	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, 0);
	assert_int_equal(s.uidnext, 2);
	mb = open_box(a, "old/mail");
	assert_string_equal(content(mb, 1), "one\r\n");
	mailbox_close(mb);
	account_close(a);
}

static void
drops_go_to_the_folder_they_name(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct drop_name d = { .queue_id = "q", .size = 5 };
	struct mailbox_status s;

	assert_int_equal(account_create(a, SLICE("f"), 0), 0);
	assert_int_equal(account_status(a, SLICE("f"), &s), 0);
	d.folder = s.id;
	drop_named(x, &d, "one\r\n");
	d.folder = 4711; /* nobody's: INBOX */
	d.recipient = 1;
	drop_named(x, &d, "two\r\n");
	assert_int_equal(account_status(a, SLICE("f"), &s), 0);
	assert_int_equal(s.exists, 1);
	assert_int_equal(s.recent, 1);
	assert_int_equal(s.unseen, 1);
	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, 1);
	assert_int_equal(s.bytes, 5);
	account_close(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(listing_shows_parents_and_subscriptions),
		T(wrong_names_and_states_are_refused),
		T(special_uses),
		T(uidvalidity_and_id_are_never_used_again),
		T(rename_keeps_open_mailboxes),
		T(renaming_inbox_moves_its_mail),
		T(drops_go_to_the_folder_they_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
