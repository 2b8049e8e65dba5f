/*
 * Coming back to a mailbox: the next refresh tells what it would have told a
 * session that stayed.
 */
#include "store/box.h"
#include "tests/unit/store/fixture.h"

#define ROUNDS 60

struct pair {
	struct fixture *x;
	struct account *a; /* of the one who stays */
	struct account *b; /* of the one who leaves */
	struct account *c; /* of the one who changes things */
	struct mailbox *stays;
	struct mailbox *writer;
	struct mailbox_place place;
	unsigned seed;
};

static unsigned
draw(struct pair *p, unsigned below)
{
	p->seed = p->seed * 1103515245U + 12345U;
	return (p->seed >> 16) % below;
}

static struct mailbox *
examine(struct account *a)
{
	struct mailbox *mb = mailbox_open(a, SLICE("INBOX"), true);

	assert_non_null(mb);
	return mb;
}

/* One is there, another has been; both know the same. */
static void
begin(struct pair *p, struct fixture *x, unsigned mails)
{
	struct mailbox *leaves;

	p->x = x;
	p->a = open_account(x);
	p->b = open_account(x);
	p->c = open_account(x);
	for (unsigned i = 0; i < mails; i++)
		drop_mail(x, "mail\r\n");
	p->writer = open_box(p->c, "INBOX");
	p->stays = examine(p->a);
	leaves = examine(p->b);
	assert_int_equal(mailbox_place(leaves, &p->place), 0);
	assert_int_equal(p->place.exists, mails);
	mailbox_close(leaves);
	account_close(p->b);
	p->b = open_account(x);
}

static void
end(struct pair *p)
{
	mailbox_close(p->stays);
	mailbox_close(p->writer);
	account_close(p->a);
	account_close(p->b);
	account_close(p->c);
}

/* Both are told the same, and hold the same then. */
static void
compare(struct pair *p, struct mailbox *back, bool expunges)
{
	struct mailbox_changes one;
	struct mailbox_changes two;
	struct message m;
	struct message n;

	assert_int_equal(mailbox_refresh(p->stays, expunges, &one), 0);
	assert_int_equal(mailbox_refresh(back, expunges, &two), 0);
	assert_int_equal(one.expunged_count, two.expunged_count);
	for (size_t i = 0; i < one.expunged_count; i++) {
		assert_int_equal(one.expunged[i].seq, two.expunged[i].seq);
		assert_int_equal(one.expunged[i].uid, two.expunged[i].uid);
	}
	assert_int_equal(one.changed_count, two.changed_count);
	for (size_t i = 0; i < one.changed_count; i++)
		assert_int_equal(one.changed[i], two.changed[i]);
	assert_int_equal(one.exists, two.exists);
	assert_int_equal(one.recent, two.recent);
	assert_int_equal(one.exists_changed, two.exists_changed);
	assert_int_equal(one.keywords_changed, two.keywords_changed);
	assert_int_equal(one.expunges_wait, two.expunges_wait);
	for (uint32_t seq = 1; seq <= one.exists; seq++) {
		assert_int_equal(mailbox_message(p->stays, seq, &m), 0);
		assert_int_equal(mailbox_message(back, seq, &n), 0);
		assert_int_equal(m.uid, n.uid);
		assert_int_equal(m.flags, n.flags);
		assert_int_equal(m.keywords, n.keywords);
		assert_int_equal(m.modseq, n.modseq);
	}
}

static void
change(struct pair *p)
{
	struct mailbox_changes c;
	struct mailbox_status s;
	struct uidset set = UIDSET_INIT;
	uint32_t uid;

	mailbox_status(p->writer, &s);
	uid = 1 + draw(p, s.uidnext);
	switch (draw(p, 6)) {
	case 0:
		drop_mail(p->x, "new\r\n");
		break;
	case 1:
	case 2:
		assert_int_equal(store_flags(p->writer, uid, uid + draw(p, 5),
				     STORE_REPLACE, draw(p, 32)),
		    0);
		break;
	case 3:
		assert_int_equal(uidset_add(&set, uid, uid + draw(p, 3)), 0);
		assert_int_equal(mailbox_remove(p->writer, &set, NULL), 0);
		uidset_free(&set);
		break;
	case 4:
		assert_int_equal(mailbox_refresh(p->writer, true, &c), 0);
		break;
	case 5: /* a change in another mailbox */
		assert_int_equal(append_text(p->c, "Sent", "x\r\n", 0), 0);
		break;
	}
}

/* Whatever happens meanwhile, but for two foldings. */
static void
who_comes_back_is_told_what_who_stayed_is(void **state)
{
	struct pair p = { .seed = 1 };
	struct mailbox_place again;
	struct mailbox *back;

	begin(&p, *state, 20);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned n = draw(&p, 12); n > 0; n--)
			change(&p);
		if (round % 4 == 1)
			assert_int_equal(box_fold(p.writer), 0);
		for (unsigned n = draw(&p, 6); n > 0; n--)
			change(&p);
		back = mailbox_return(p.b, &p.place);
		assert_non_null(back);
		compare(&p, back, round % 3 == 0);
		compare(&p, back, true);
		assert_int_equal(mailbox_place(back, &p.place), 0);
		assert_int_equal(mailbox_place(p.stays, &again), 0);
		assert_int_equal(p.place.exists, again.exists);
		mailbox_close(back);
		if (round % 2 == 0) {
			account_close(p.b);
			p.b = open_account(p.x);
		}
	}
	end(&p);
}

static void
recent_stays_with_who_had_it(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_place place;
	struct mailbox_changes c;
	struct mailbox *mb;
	struct message m;

	drop_mail(x, "one\r\n");
	mailbox_close(open_box(a, "INBOX"));
	drop_mail(x, "two\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(mailbox_place(mb, &place), 0);
	mailbox_close(mb);
	mb = mailbox_return(a, &place);
	assert_non_null(mb);
	assert_false(mailbox_readonly(mb));
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(c.recent, 1);
	assert_false(c.exists_changed);
	assert_int_equal(mailbox_message(mb, 2, &m), 0);
	assert_true((m.flags & MESSAGE_RECENT) != 0);
	mailbox_close(mb);
	account_close(a);
}

/* A view that is not told to its end cannot be named by a position. */
static void
nobody_leaves_with_something_untold(void **state)
{
	struct mailbox_place place;
	struct mailbox_changes c;
	struct pair p = { .seed = 1 };
	struct uidset set = uids(2, 2);

	begin(&p, *state, 3);
	assert_int_equal(mailbox_remove(p.writer, &set, NULL), 0);
	assert_int_equal(mailbox_refresh(p.stays, false, &c), 0);
	assert_true(c.expunges_wait);
	assert_int_equal(mailbox_place(p.stays, &place), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(mailbox_refresh(p.stays, true, &c), 0);
	assert_int_equal(mailbox_place(p.stays, &place), 0);
	drop_mail(p.x, "new\r\n");
	assert_int_equal(account_takein(p.a), 0);
	assert_int_equal(mailbox_place(p.stays, &place), -1);
	uidset_free(&set);
	end(&p);
}

static void
assert_stale(struct pair *p, const struct mailbox_place *place)
{
	assert_null(mailbox_return(p->b, place));
	assert_int_equal(errno, ESTALE);
}

static void
a_view_that_is_lost_is_not_guessed(void **state)
{
	struct pair p = { .seed = 1 };
	struct mailbox_place bad;

	begin(&p, *state, 5);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    store_flags(p.writer, 1, 3, STORE_ADD, MESSAGE_SEEN), 0);
		bad = p.place;
		assert_int_equal(box_fold(p.writer), 0);
		assert_int_equal(append_text(p.c, "INBOX", "x\r\n", 0), 0);
	}
	assert_int_equal(box_fold(p.writer), 0);
	assert_stale(&p, &bad);
	end(&p);
}

static void
a_place_that_does_not_fit_is_refused(void **state)
{
	struct pair p = { .seed = 1 };
	struct mailbox_place bad;

	begin(&p, *state, 5);
	bad = p.place;
	bad.uidvalidity++;
	assert_stale(&p, &bad);
	bad = p.place;
	bad.pos = UINT64_MAX;
	assert_stale(&p, &bad);
	bad = p.place;
	bad.exists++;
	assert_stale(&p, &bad);
	bad = p.place;
	bad.keywords = KEYWORDS_MAX;
	assert_stale(&p, &bad);
	bad = p.place;
	bad.recent_count = PLACE_RANGES + 1;
	assert_stale(&p, &bad);
	bad = p.place;
	bad.recent_count = 1;
	bad.recent[0] = (struct uid_range){ 0, 9 };
	assert_stale(&p, &bad);
	bad = p.place;
	bad.id = 4711;
	assert_null(mailbox_return(p.b, &bad));
	assert_int_equal(errno, ENOENT);
	end(&p);
}

static void
a_deleted_mailbox_is_gone(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_place place;
	struct mailbox *mb;

	mb = open_box(a, "Sent");
	assert_int_equal(mailbox_place(mb, &place), 0);
	mailbox_close(mb);
	assert_int_equal(account_delete(a, SLICE("Sent")), 0);
	assert_int_equal(account_create(a, SLICE("Sent"), 0), 0);
	assert_null(mailbox_return(a, &place));
	assert_int_equal(errno, ENOENT);
	account_close(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(who_comes_back_is_told_what_who_stayed_is),
		T(recent_stays_with_who_had_it),
		T(nobody_leaves_with_something_untold),
		T(a_view_that_is_lost_is_not_guessed),
		T(a_place_that_does_not_fit_is_refused),
		T(a_deleted_mailbox_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
