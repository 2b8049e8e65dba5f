#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/log.h"
#include "common/base/rand.h"
#include "tests/unit/store/fixture.h"

/*
 * Several sessions at once, deliveries meanwhile, and every now and then one
 * is killed. Afterwards: whatever was acknowledged is there exactly once,
 * and no UID ever stood for two messages.
 */

#define WORKERS 4
#define MAILS   60000
#define UIDS    200000
#define RUN_MS  2000

struct shared {
	uint32_t next;              /* numbers of mails */
	unsigned char acked[MAILS]; /* 1: reported delivered or appended */
	uint64_t ids[2][UIDS];      /* what a UID was seen to be */
	uint64_t modseq[2];         /* highest seen */
	uint32_t failures;
};

static const char *const names[2] = { "INBOX", "Box" };

static void
check(struct shared *s, bool ok, const char *what)
{
	if (ok)
		return;
	__atomic_fetch_add(&s->failures, 1, __ATOMIC_SEQ_CST);
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
}

/* Every message has the id that anybody ever saw under its UID. */
static void
look(struct shared *s, struct mailbox *mb, int box)
{
	struct mailbox_status st;
	struct message m;
	uint32_t n = exists(mb);
	uint64_t id;

	for (uint32_t seq = n > 50 ? n - 50 : 1; seq <= n; seq++) {
		if (mailbox_message(mb, seq, &m) == -1 || m.uid >= UIDS) {
			check(s, false, "message");
			return;
		}
		id = __sync_val_compare_and_swap(&s->ids[box][m.uid], 0, m.id);
		check(s, id == 0 || id == m.id, "uid used twice");
	}
	mailbox_status(mb, &st);
	check(s, st.uidnext < UIDS, "uidnext");
}

static void
do_append(struct account *a, struct shared *s)
{
	uint32_t n = __atomic_fetch_add(&s->next, 1, __ATOMIC_SEQ_CST);
	char text[32];

	snprintf(text, sizeof(text), "mail %u\r\n", n);
	if (append_text(a, "INBOX", text, 0) == 0)
		s->acked[n] = 1;
	else
		check(s, false, "append");
}

static void
do_drop(struct fixture *x, struct shared *s)
{
	uint32_t n = __atomic_fetch_add(&s->next, 1, __ATOMIC_SEQ_CST);
	struct drop_name d = { .recipient = 1, .date_s = 1700000000 };
	char text[32];

	snprintf(text, sizeof(text), "mail %u\r\n", n);
	snprintf(d.queue_id, sizeof(d.queue_id), "q%08u", n);
	d.size = strlen(text);
	drop_named(x, &d, text);
	s->acked[n] = 1;
	/* … and the queue is not sure: */
	if (rand_below(4) == 0) {
		d.retry = true;
		drop_named(x, &d, text);
	}
}

static void
do_move(struct account *a, struct shared *s, struct mailbox *mb, int box)
{
	struct copy_result r = COPY_RESULT_INIT;
	uint32_t n = exists(mb);
	struct message m;
	struct uidset set;

	if (n == 0 ||
	    mailbox_message(mb, 1 + (uint32_t)rand_below(n), &m) == -1)
		return;
	set = uids(m.uid, m.uid + 3);
	check(s, mailbox_move(mb, &set, slice_str(names[1 - box]), &r) == 0,
	    "move");
	(void)a;
	uidset_free(&set);
	copy_result_free(&r);
}

static void
work(struct fixture *x, struct shared *s)
{
	struct mailbox_changes c;
	struct account *a;
	struct mailbox *mb;

	for (;;) {
		int box = (int)rand_below(2);

		a = account_open(x->home, &x->config);
		check(s, a != NULL, "account");
		if (a == NULL)
			return;
		mb = mailbox_open(a, slice_str(names[box]), false);
		check(s, mb != NULL, "mailbox");
		if (mb == NULL)
			return;
		for (int i = 0; i < 30 && s->next < MAILS - 100; i++) {
			switch (rand_below(6)) {
			case 0:
				do_append(a, s);
				break;
			case 1:
				do_drop(x, s);
				break;
			case 2:
				do_move(a, s, mb, box);
				break;
			case 3:
				check(s,
				    store_flags(mb, 1, 1000, STORE_ADD,
					1U << rand_below(5)) == 0,
				    "store");
				break;
			case 4:
				check(s, mailbox_refresh(mb, true, &c) == 0,
				    "refresh");
				look(s, mb, box);
				break;
			default:
				account_work(a);
				break;
			}
		}
		mailbox_close(mb);
		account_close(a);
	}
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pid_t
start(struct fixture *x, struct shared *s)
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		work(x, s);
		_exit(1);
	}
	return pid;
}

static void
count(struct account *a, const char *name, unsigned *times)
{
	struct mailbox *mb = open_box(a, name);
	struct message m;
	const char *text;

	for (uint32_t seq = 1; seq <= exists(mb); seq++) {
		assert_int_equal(mailbox_message(mb, seq, &m), 0);
		text = content(mb, m.uid);
		assert_non_null(text);
		times[strtoul(text + 5, NULL, 10) % MAILS]++;
	}
	mailbox_close(mb);
}

static void
nothing_is_lost_or_doubled(void **state)
{
	struct fixture *x = *state;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned *times = calloc(MAILS, sizeof(*times));
	struct account *a = open_account(x);
	int64_t end = now_ms() + RUN_MS;
	pid_t pids[WORKERS];
	int status;

	assert_int_equal(account_create(a, SLICE("Box"), 0), 0);
	account_close(a);
	for (int i = 0; i < WORKERS; i++)
		pids[i] = start(x, s);
	while (now_ms() < end) {
		int i = (int)rand_below(WORKERS);

		usleep(1000 + (useconds_t)rand_below(10000));
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		pids[i] = start(x, s);
	}
	for (int i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
	}
	assert_int_equal(s->failures, 0);
	for (int boot = 0; boot < 2; boot++) {
		memset(times, 0, MAILS * sizeof(*times));
		a = open_account(x);
		count(a, "INBOX", times);
		count(a, "Box", times);
		account_close(a);
		for (uint32_t i = 0; i < s->next; i++) {
			if (times[i] != 1 && s->acked[i])
				fail_msg("mail %u: %u times", i, times[i]);
			assert_true(times[i] <= 1);
		}
		x->config.boot_id[0]++;
	}
	free(times);
	munmap(s, sizeof(*s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    nothing_is_lost_or_doubled, fixture_up, fixture_down),
	};

	/* Deliveries known already are told by the thousand. */
	log_level(LOG_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
