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

/* The mailboxes of a new home, as a user may remove them. */
static void
remove_first(struct account *a)
{
	static const char *const names[] = { "Drafts", "Junk", "Sent",
		"Trash" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(account_delete(a, slice_str(names[i])), 0);
		assert_int_equal(
		    account_subscribe(a, slice_str(names[i]), false), 0);
	}
}

static unsigned
uses_of(struct account *a, const char *name)
{
	struct folder_list l;
	unsigned uses = 0;

	assert_int_equal(account_folders(a, &l), 0);
	for (size_t i = 0; i < l.count; i++)
		if (strcmp(l.entries[i].name, name) == 0)
			uses = l.entries[i].attributes & FOLDER_USES;
	folder_list_free(&l);
	return uses;
}

static void
new_home_has_what_clients_look_for(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;

	for (int i = 0; i < 4; i++) {
		if (i == 2)
			x->config.boot_id[0]++;
		a = open_account(x);
		assert_string_equal(
		    list(a), "INBOX* Drafts* Junk* Sent* Trash*");
		assert_int_equal(uses_of(a, "Drafts"), FOLDER_DRAFTS);
		assert_int_equal(uses_of(a, "Junk"), FOLDER_JUNK);
		assert_int_equal(uses_of(a, "Sent"), FOLDER_SENT);
		assert_int_equal(uses_of(a, "Trash"), FOLDER_TRASH);
		assert_int_equal(uses_of(a, "INBOX"), 0);
		account_close(a);
	}
	a = open_account(x);
	mb = open_box(a, "Junk");
	assert_int_equal(exists(mb), 0);
	mailbox_close(mb);
	assert_int_equal(append_text(a, "Sent", "one\r\n", 0), 0);
	assert_int_equal(account_rename(a, SLICE("Trash"), SLICE("T")), 0);
	mb = open_box(a, "T");
	mailbox_close(mb);
	mb = open_box(a, "Sent");
	assert_string_equal(content(mb, 1), "one\r\n");
	mailbox_close(mb);
	account_close(a);
}

/* Not even when the snapshots are lost. */
static void
removed_first_mailboxes_stay_away(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	remove_first(a);
	account_close(a);
	for (int i = 0; i < 4; i++) {
		x->config.boot_id[0]++;
		if (i >= 2) {
			remove_tree(x->home, "account");
			remove_tree(x->home, "account.1");
		}
		if (i == 3)
			remove_tree(x->home, "journal");
		a = open_account(x);
		/* Subscriptions are in the journal alone. */
		assert_string_equal(list(a), i == 3 ? "INBOX" : "INBOX*");
		account_close(a);
	}
}

/* A home that comes with a Maildir++: what is there is taken as it is. */
static void
first_mailboxes_that_are_there_are_adopted(void **state)
{
	struct fixture *x = *state;
	struct mailbox_status s;
	struct account *a;
	int fd;

	assert_int_equal(mkdirat(x->home, "mail/.Sent", 0700), 0);
	assert_int_equal(mkdirat(x->home, "mail/.Sent/cur", 0700), 0);
	fd = openat(x->home, "mail/.Sent/cur/a:2,S", O_WRONLY | O_CREAT, 0600);
	close(fd);
	fd = openat(x->home, "mail/cur/b", O_WRONLY | O_CREAT, 0600);
	close(fd);
	for (int i = 0; i < 2; i++) {
		a = open_account(x);
		assert_int_equal(account_status(a, SLICE("Sent"), &s), 0);
		assert_int_equal(s.exists, 1);
		assert_int_equal(uses_of(a, "Sent"), FOLDER_SENT);
		assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
		assert_int_equal(s.exists, 1);
		assert_int_equal(account_status(a, SLICE("Junk"), &s), 0);
		account_close(a);
	}
}

/* The user removed it by hand. */
static void
lost_directory_is_an_empty_mailbox(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_status s;
	struct mailbox *mb;

	assert_int_equal(append_text(a, "Sent", "one\r\n", 0), 0);
	for (int i = 0; i < 4; i++) {
		remove_tree(
		    x->home, i % 2 == 0 ? "mail/.Sent" : "mail/.Sent/cur");
		if (i >= 2) {
			account_close(a);
			x->config.boot_id[0]++;
			a = open_account(x);
		}
		mb = open_box(a, "Sent");
		mailbox_close(mb);
		assert_int_equal(append_text(a, "Sent", "two\r\n", 0), 0);
		assert_int_equal(account_status(a, SLICE("Sent"), &s), 0);
		assert_int_equal(s.uidnext, i + 3);
		mb = open_box(a, "Sent");
		assert_string_equal(content(mb, s.uidnext - 1), "two\r\n");
		if (i != 1) /* cur/ alone is compared after the next boot */
			assert_int_equal(exists(mb), 1);
		mailbox_close(mb);
	}
	account_close(a);
}

static void
listing_shows_parents_and_subscriptions(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	remove_first(a);
	assert_string_equal(list(a), "INBOX*");
	assert_int_equal(account_create(a, SLICE("b/c/d"), 0), 0);
	assert_int_equal(account_create(a, SLICE("b-side"), 0), 0);
	assert_int_equal(account_create(a, SLICE("A"), 0), 0);
	assert_int_equal(account_create(a, SLICE("Inbox/x"), 0), 0);
	assert_int_equal(account_subscribe(a, SLICE("b/c"), true), 0);
	assert_int_equal(account_subscribe(a, SLICE("old"), true), 0);
	assert_string_equal(
	    list(a), "INBOX+* INBOX/x A b-+ b/c-+* b/c/d b-side old-*?");
	account_close(a);
	a = open_account(x);
	assert_string_equal(
	    list(a), "INBOX+* INBOX/x A b-+ b/c-+* b/c/d b-side old-*?");
	assert_int_equal(account_subscribe(a, SLICE("old"), false), 0);
	assert_int_equal(account_delete(a, SLICE("b/c/d")), 0);
	assert_string_equal(list(a), "INBOX+* INBOX/x A b/c-*? b-side");
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

	remove_first(a);
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

	remove_first(b);
	assert_int_equal(account_create(a, SLICE("a/b"), 0), 0);
	assert_int_equal(append_text(a, "a/b", "one\r\n", 0), 0);
	mb = open_box(b, "a/b");
	assert_int_equal(account_rename(a, SLICE("a"), SLICE("z")), 0);
	assert_string_equal(list(a), "INBOX* z-+ z/b");
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

/* No time is one at which the drop box is empty before it was looked at. */
static void
mail_under_the_first_of_all_times_is_taken_in(void **state)
{
	const struct timespec zero[2] = { { 0, 0 }, { 0, 0 } };
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;

	drop_mail(x, "one\r\n");
	assert_int_equal(utimensat(x->home, "drop/new", zero, 0), 0);
	a = open_account(x);
	assert_int_equal(account_takein(a), 0);
	mb = open_box(a, "INBOX");
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
		T(new_home_has_what_clients_look_for),
		T(removed_first_mailboxes_stay_away),
		T(first_mailboxes_that_are_there_are_adopted),
		T(lost_directory_is_an_empty_mailbox),
		T(listing_shows_parents_and_subscriptions),
		T(wrong_names_and_states_are_refused),
		T(special_uses),
		T(uidvalidity_and_id_are_never_used_again),
		T(rename_keeps_open_mailboxes),
		T(renaming_inbox_moves_its_mail),
		T(mail_under_the_first_of_all_times_is_taken_in),
		T(drops_go_to_the_folder_they_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
