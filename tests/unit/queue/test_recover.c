/* What is on disk is all that counts: folding, damage, crashes. */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/queue/harness.h"

#include "common/base/clock.h"
#include "queue/old.h"
#include "queue/segments.h"
#include "tests/unit/queue/disk.h"

#define BIG 100000 /* so that few mails fill a segment */

/* Mails nobody takes: of many segments. Their ids are kept in order. */
static void
fill(struct harness *h, unsigned n, char (*ids)[QID_TEXT])
{
	for (unsigned i = 0; i < n; i++) {
		char to[32];
		const struct h_mail m = { .from = "a@b",
			.to = to,
			.size = BIG,
			.fill = (char)('a' + i % 26) };
		struct answer_submit a;

		(void)snprintf(to, sizeof(to), "u%u@far", i);
		/* The log is being emptied as fast as the disk lets it. */
		for (int64_t end = clock_boot_ms() + H_PATIENCE_MS;;) {
			a = h_submit(h, &m);
			if (a.code == 250 || clock_boot_ms() > end)
				break;
			h_loop(h);
		}
		assert_int_equal(a.code, 250);
		memcpy(ids[i], a.id, QID_TEXT);
	}
}

/* Let all go out, and see that it is what was taken in, once each. */
static void
all_go_out(struct harness *h, unsigned n, char (*ids)[QID_TEXT])
{
	unsigned *seen = calloc(n, sizeof(unsigned));

	h->given_count = 0;
	if (h->ours[PROC_RELAY] == NULL)
		h_connect(h, PROC_RELAY);
	for (unsigned done = 0; done < n; done++) {
		struct given *g;
		unsigned i;

		h_admin(h, ADMIN_QUEUE_FLUSH, "");
		H_UNTIL(h, h_open(h) > 0);
		g = h_last(h, PROC_RELAY);
		for (i = 0; i < n && strcmp(ids[i], g->id) != 0; i++)
			continue;
		assert_true(i < n);
		seen[i]++;
		assert_int_equal(g->w->content.len, BIG);
		assert_int_equal(g->w->content.p[BIG - 1], 'a' + (int)(i % 26));
		h_answer(h, g, STATUS_DONE);
	}
	H_UNTIL(h, h_mails(h) == 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(seen[i], 1);
	free(seen);
}

static void
lingering_mails_become_files_and_come_back(void **state)
{
	static char ids[400][QID_TEXT];
	struct harness *h = *state;

	h_kill(h, PROC_RELAY);
	fill(h, 400, ids);
	H_UNTIL(h, h_files_in(h, "deferred") > 50);
	assert_int_equal(h_mails(h), 400);
	h_crash(h);
	h_kill(h, PROC_RELAY);
	assert_int_equal(h_mails(h), 400);
	h_crash(h);
	assert_int_equal(h_mails(h), 400);
	all_go_out(h, 400, ids);
	assert_int_equal(h_files_in(h, "deferred"), 0);
	h_crash(h);
	assert_int_equal(h_mails(h), 0);
}

/* No file can be made: what lives moves along in the log. */
static void
mails_move_in_the_log_where_no_file_can_be_made(void **state)
{
	static char ids[500][QID_TEXT];
	struct harness *h = *state;
	int good = h->q->deferred_dir;
	uint64_t first;

	h_kill(h, PROC_RELAY);
	h->q->deferred_dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(h->q->deferred_dir, -1);
	/* Some that stay, then others that come and go. */
	fill(h, 20, ids);
	first = TAILQ_FIRST(&h->q->log.segs)->number;
	h->auto_status = STATUS_DONE;
	for (unsigned i = 0; i < 500; i++) {
		const struct h_mail m = {
			.from = "a@b", .to = "u@here", .size = BIG
		};

		(void)h_submit(h, &m);
	}
	H_UNTIL(h, TAILQ_FIRST(&h->q->log.segs)->number > first + 2);
	H_UNTIL(h, h_mails(h) == 20);
	h->auto_status = 0;
	(void)close(h->q->deferred_dir);
	h->q->deferred_dir = good;
	assert_int_equal(h_files_in(h, "deferred"), 0);
	h_crash(h);
	assert_int_equal(h_mails(h), 20);
	all_go_out(h, 20, ids);
}

static void
results_after_folding_are_not_lost(void **state)
{
	static char ids[300][QID_TEXT];
	struct harness *h = *state;
	const struct mail *m;

	/* The first has two recipients; one is done before it is folded. */
	h->config.queue_retry_min = 100;
	h->config.queue_retry_max = 100;
	h_submit_ok(h, "a@b", "u@here v@far");
	H_UNTIL(h, h_open(h) == 2);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	h_kill(h, PROC_RELAY);
	fill(h, 300, ids);
	m = mails_first(&h->q->mails);
	H_UNTIL(h, (m->flags & MAIL_IN_FILE) != 0);
	/* The other's second attempt stands in the log only. */
	h->auto_status = STATUS_DEFERRED;
	h_connect(h, PROC_RELAY);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	H_UNTIL(h, h->q->counts.deferrals >= 302);
	h->auto_status = 0;
	h_settle(h);
	h_crash(h);
	assert_int_equal(h_mails(h), 301);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	H_UNTIL(h, h->admin_ok == 1);
	assert_int_equal(h->rows, 301);
	m = mails_first(&h->q->mails);
	{
		char id[QID_TEXT];

		qid_text(m->id, id);
		h_admin(h, ADMIN_QUEUE_LIST, id);
	}
	assert_non_null(strstr(h->row, "\"attempts\": 2"));
	assert_non_null(strstr(h->row, "\"recipients\": \"v@far\""));
}

static void
damaged_file_is_held_and_the_others_go(void **state)
{
	static char ids[300][QID_TEXT];
	struct harness *h = *state;
	const struct mail *m;
	char name[OLD_NAME];
	char path[200];
	int fd;

	h_kill(h, PROC_RELAY);
	fill(h, 300, ids);
	m = mails_first(&h->q->mails);
	H_UNTIL(h, (m->flags & MAIL_IN_FILE) != 0);
	old_name(m->id, "", name);
	(void)snprintf(path, sizeof(path), "%s/deferred/%s", h->path, name);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite_all(fd, "damage", 6, 1000), 0);
	(void)close(fd);
	h_crash(h);
	h_kill(h, PROC_RELAY);
	H_UNTIL(h, h->q->mails.held == 1);
	assert_int_equal(h_files_in(h, "corrupt"), 1);
	h_admin(h, ADMIN_QUEUE_LIST, ids[0]);
	assert_non_null(strstr(h->row, "\"state\": \"corrupt\""));
	h_admin(h, ADMIN_QUEUE_RELEASE, ids[0]);
	assert_int_equal(h->admin_ok, 0);
	h_admin(h, ADMIN_QUEUE_DELETE, ids[0]);
	assert_int_equal(h->admin_ok, 1);
	H_UNTIL(h, h_mails(h) == 299);
	assert_int_equal(h_files_in(h, "corrupt"), 0);
}

static void
odd_names_are_set_aside_and_half_files_removed(void **state)
{
	struct harness *h = *state;
	char path[200];

	(void)snprintf(path, sizeof(path),
	    "%s/deferred/3f/1k0x4t6q6b00yr2f70tvdtcr.new", h->path);
	(void)close(open(path, O_WRONLY | O_CREAT, 0600));
	(void)snprintf(
	    path, sizeof(path), "%s/deferred/3f/what is this", h->path);
	(void)close(open(path, O_WRONLY | O_CREAT, 0600));
	(void)snprintf(path, sizeof(path), "%s/log/0099.seg", h->path);
	(void)close(open(path, O_WRONLY | O_CREAT, 0600));
	h_submit_ok(h, "a@b", "u@here");
	h_crash(h);
	assert_int_equal(h_files_in(h, "deferred"), 0);
	assert_int_equal(h_files_in(h, "corrupt"), 2);
	assert_int_equal(h_mails(h), 1);
}

static void
damage_in_the_log_costs_only_what_it_hit(void **state)
{
	struct harness *h = *state;
	const struct mail *m;
	char path[200];
	char name[SEG_NAME];
	int fd;

	h_kill(h, PROC_DELIVER);
	for (int i = 0; i < 10; i++)
		h_submit_ok(h, "a@b", "u@here");
	m = TAILQ_NEXT(mails_first(&h->q->mails), order);
	seg_name(m->seg->slot, name);
	(void)snprintf(path, sizeof(path), "%s/log/%s", h->path, name);
	fd = open(path, O_WRONLY);
	assert_int_equal(
	    pwrite_all(fd, "damage", 6, (off_t)m->base_at + 50), 0);
	(void)fsync(fd);
	(void)close(fd);
	h_crash(h);
	assert_int_equal(h_mails(h), 9);
	assert_int_equal(h_files_in(h, "corrupt"), 1);
	assert_true(h->q->counts.corrupt > 0);
	h->auto_status = STATUS_DONE;
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	H_UNTIL(h, h_mails(h) == 0);
}

static void
mail_damaged_while_running_is_held(void **state)
{
	struct harness *h = *state;
	const struct mail *m;
	char path[200];
	char name[SEG_NAME];
	int fd;

	h->config.queue_memory_mails = 0; /* all wait on disk */
	h_submit_ok(h, "a@b", "u@here");
	h_settle(h);
	m = mails_first(&h->q->mails);
	assert_null(m->hot);
	seg_name(m->seg->slot, name);
	(void)snprintf(path, sizeof(path), "%s/log/%s", h->path, name);
	fd = open(path, O_WRONLY);
	assert_int_equal(
	    pwrite_all(fd, "damage", 6, (off_t)m->base_at + 50), 0);
	(void)close(fd);
	h->config.queue_memory_mails = 1000;
	H_UNTIL(h, h->q->mails.held == 1);
	assert_int_equal(h_files_in(h, "corrupt"), 1);
	h_submit_ok(h, "a@b", "v@here");
	H_UNTIL(h, h_open(h) == 1);
}

/* Reading from it fails with EIO wherever a segment has something. */
static int
unreadable(void)
{
	int fd = open("/proc/self/mem", O_RDONLY);
	char c;

	assert_int_equal(pread(fd, &c, 1, SEG_HEAD), -1);
	assert_int_equal(errno, EIO);
	return fd;
}

static void
mail_that_cannot_be_read_does_not_keep_its_segment(void **state)
{
	static char ids[400][QID_TEXT];
	struct harness *h = *state;
	struct seg *s;
	int good;

	h->config.queue_memory_mails = 0; /* all wait on disk */
	h->q->fold.patience = 1;
	h_kill(h, PROC_RELAY);
	fill(h, 20, ids);
	s = TAILQ_FIRST(&h->q->log.segs);
	good = s->read_fd;
	s->read_fd = unreadable();
	fill(h, 280, ids + 20);
	H_UNTIL(h, TAILQ_FIRST(&h->q->log.segs) != s);
	(void)close(good);
	assert_in_range(h->q->mails.held, 20, 50);
	assert_int_equal(h_files_in(h, "corrupt"), h->q->mails.held);
	assert_int_equal(h->intake_code, 250);
}

/* No files, and no room in the log either: it is tried again, not at once. */
static void
folding_that_cannot_go_on_waits(void **state)
{
	static char ids[400][QID_TEXT];
	struct harness *h = *state;
	int good = h->q->deferred_dir;
	unsigned passes = 0;
	int64_t began;

	h_kill(h, PROC_RELAY);
	h->q->deferred_dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	fill(h, 150, ids);
	h->q->log.seg_size = 100000;
	h->q->log.making_failed = true;
	TAILQ_FIRST(&h->q->log.segs)->folding = true;
	fold_segment(h->q, TAILQ_FIRST(&h->q->log.segs));
	h_settle(h);
	began = clock_boot_ms();
	while (clock_boot_ms() - began < 300) {
		h_loop(h);
		passes++;
	}
	assert_in_range(passes, 1, 150);
	h->q->log.seg_size = SEG_SIZE_MIN;
	(void)close(h->q->deferred_dir);
	h->q->deferred_dir = good;
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE);
	TAILQ_FIRST(&h->q->log.segs)->folding = true;
	fold_segment(h->q, TAILQ_FIRST(&h->q->log.segs));
	H_UNTIL(h, h_files_in(h, "deferred") > 10);
	h_crash(h);
	assert_int_equal(h_mails(h), 150);
}

/* In a process of its own: 0 unless it started without some of its mails. */
static int
start_with_descriptors(struct harness *h, rlim_t limit, size_t mails)
{
	const struct rlimit few = { limit, limit };
	const struct queue_setup setup = {
		.base = h->base, .config = &h->config, .root = h->dir
	};
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		h->q = calloc(1, sizeof(*h->q));
		if (setrlimit(RLIMIT_NOFILE, &few) == -1)
			_exit(2);
		if (queue_open(h->q, &setup) == -1)
			_exit(0);
		_exit(h_mails(h) == mails ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
start_without_descriptors_fails_rather_than_forget(void **state)
{
	static char ids[100][QID_TEXT];
	struct harness *h = *state;
	int next;

	h_kill(h, PROC_RELAY);
	fill(h, 100, ids); /* three segments */
	h_stop(h);
	next = dup(h->dir);
	(void)close(next);
	for (rlim_t limit = (rlim_t)next; limit < (rlim_t)next + 40; limit++)
		assert_int_equal(start_with_descriptors(h, limit, 100), 0);
	h_open_queue(h);
	assert_int_equal(h_mails(h), 100);
	assert_int_equal(h->q->counts.corrupt, 0);
}

/* A content whose mail's record is lost is all there is of that mail. */
static void
large_content_is_kept_where_a_record_is_lost(void **state)
{
	struct harness *h = *state;
	struct answer_submit a;
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 70000 };
	const struct ipc_large_ask ask = { .expected = 70000 };
	struct ipc_chan *c = h->ours[PROC_SMTPD];
	const struct mail *mail;
	char path[200];
	char name[SEG_NAME];
	int fd;

	h_kill(h, PROC_DELIVER);
	assert_int_equal(
	    ipc_send_msg(c, large_ask, 0, ipc_expect(c, h_on_large, h), &ask),
	    0);
	H_UNTIL(h, h->large_fd != -1);
	assert_int_equal(ftruncate(h->large_fd, 70000), 0);
	m.large = h->large;
	a = h_submit(h, &m);
	assert_int_equal(a.code, 250);
	mail = mails_first(&h->q->mails);
	seg_name(mail->seg->slot, name);
	(void)snprintf(path, sizeof(path), "%s/log/%s", h->path, name);
	h_submit_ok(h, "a@b", "u@here"); /* knows that the first was durable */
	fd = open(path, O_WRONLY);
	assert_int_equal(
	    pwrite_all(fd, "damage", 6, (off_t)mail->base_at + 50), 0);
	(void)close(fd);
	assert_int_equal(h_files_in(h, "large"), 1);
	h_crash(h);
	assert_int_equal(h_mails(h), 1);
	assert_int_equal(h_files_in(h, "large"), 0);
	(void)snprintf(path, sizeof(path), "corrupt/%s.*", a.id);
	assert_int_equal(h_files_in(h, path), 1);
}

static void
segment_that_cannot_be_one_is_set_aside(void **state)
{
	struct harness *h = *state;
	char path[200];

	h_submit_ok(h, "a@b", "u@here");
	h_settle(h);
	(void)snprintf(path, sizeof(path), "%s/log/0098.seg", h->path);
	assert_int_equal(mkdir(path, 0700), 0);
	h_crash(h);
	assert_int_equal(h_mails(h), 1);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(h->q->counts.corrupt, 1);
}

/* -- a disk that fails --------------------------------------------------- */

static void
disk_that_fails_refuses_mail_and_all_comes_back(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@here", .size = 99 };
	struct harness *h = *state;
	struct answer_submit first;

	h->q->log.io = &disk_io;
	first = h_submit(h, &m);
	assert_int_equal(first.code, 250);
	H_UNTIL(h, h_open(h) == 1);
	H_UNTIL(h, !h->q->log.making);
	disk.fail_syncs = 1; /* the next segment takes it */
	assert_int_equal(h_submit(h, &m).code, 250);
	disk.fail_syncs = 4;
	assert_in_range(h_submit(h, &m).code, 451, 452);
	H_UNTIL(h, h->intake_code != 250);
	assert_in_range(h_submit(h, &m).code, 451, 452);
	/* What is queued goes on, and its result is written when it can. */
	h_answer(h, &h->given[0], STATUS_DONE);
	H_UNTIL(h, h->intake_code == 250);
	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_mails(h) == 2);
	h_crash(h);
	assert_int_equal(h_mails(h), 2);
}

/*
 * Mails come and go until another segment is written to; what was in
 * the hands of agents before stays there.
 */
static void
fill_the_segment(struct harness *h)
{
	const struct h_mail m = { .from = "a@b", .to = "u@here", .size = BIG };
	const uint64_t number = h->q->log.active->number;
	size_t before = h_mails(h);

	h->auto_status = STATUS_DONE;
	while (h->q->log.active->number == number)
		assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_mails(h) == before);
	h->auto_status = 0;
}

/*
 * The first mail lies in one segment and its end in the next, which fails
 * later and is needed by nobody then; the first segment is free, and as it
 * was.
 */
static void
nothing_rises_again_when_a_bad_segment_goes(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@here", .size = 99 };
	struct harness *h = *state;

	h->q->log.io = &disk_io;
	assert_int_equal(h_submit(h, &m).code, 250);
	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_open(h) == 2);
	fill_the_segment(h);
	h_answer(h, &h->given[0], STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 1);
	H_UNTIL(h, !h->q->log.making && h->intake_code == 250);
	disk.fail_syncs = 1;
	h->auto_status = STATUS_DONE;
	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_mails(h) == 1);
	h->auto_status = 0;
	h_answer(h, &h->given[1], STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	H_UNTIL(h, TAILQ_FIRST(&h->q->log.segs) == h->q->log.active);
	h_crash(h);
	assert_int_equal(h_mails(h), 0);
	assert_int_equal(h->q->counts.corrupt, 0);
}

static unsigned
files_of_log(const struct harness *h)
{
	return h_files_in(h, "log");
}

static void
bad_segments_do_not_pile_up(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@here", .size = 99 };
	struct harness *h = *state;

	h->q->log.io = &disk_io;
	h->auto_status = STATUS_DONE;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(h_submit(h, &m).code, 250);
		disk.fail_syncs = 1;
		assert_int_equal(h_submit(h, &m).code, 250);
		H_UNTIL(h, !h->q->log.making && h->q->space.now.code == 250);
	}
	H_UNTIL(h, h_mails(h) == 0);
	assert_true(files_of_log(h) <= SEGMENTS_MAX);
	/* And while the disk is bad, with nothing written to any. */
	for (int i = 0; i < 10; i++) {
		disk.fail_syncs = 2;
		(void)h_submit(h, &m);
		H_UNTIL(h, disk.fail_syncs == 0 && !h->q->log.making &&
			       h->q->space.now.code == 250);
		assert_true(files_of_log(h) <= SEGMENTS_MAX);
	}
}

/* -- crashes at any moment ----------------------------------------------- */

/*
 * Mails of all kinds come and go; at random moments the disk is copied and
 * a queue started on the copy. Whatever was acknowledged and not finished
 * is there, and nothing that was seen to be finished comes back.
 */
static void
crash_at_any_moment_loses_and_repeats_nothing(void **state)
{
	struct harness *h = *state;
	struct map open = MAP_INIT; /* acknowledged, not answered as done */
	unsigned seed = 12345;

	for (int crash = 0; crash < 12; crash++) {
		for (int step = 0; step < 60; step++) {
			struct h_mail m = { .from = "a@b",
				.to = "u@here",
				.size =
				    100 + (size_t)(rand_r(&seed) % 120000) };
			struct answer_submit a = { .there = false };
			struct given *g;

			if (rand_r(&seed) % 4 == 0)
				m.to = "v@far";
			h_send(h, &m, &a);
			for (int i = rand_r(&seed) % 3; i > 0; i--)
				h_loop(h);
			H_UNTIL(h, a.there);
			if (a.code == 250)
				(void)map_put(&open, slice_str(a.id), h);
			g = h_last(
			    h, rand_r(&seed) % 2 ? PROC_DELIVER : PROC_RELAY);
			if (g == NULL || rand_r(&seed) % 3 == 0)
				continue;
			if (rand_r(&seed) % 4 == 0) {
				h_answer(h, g, STATUS_DEFERRED);
				continue;
			}
			(void)map_del(&open, slice_str(g->id));
			h_answer(h, g, STATUS_DONE);
		}
		/* What was answered as done shall be known to be. */
		h_settle(h);
		h_crash(h);
		H_UNTIL(h, h->intake_code == 250);
		assert_int_equal(h_mails(h), open.count);
		for (const struct mail *m = mails_first(&h->q->mails);
		     m != NULL; m = TAILQ_NEXT(m, order)) {
			char id[QID_TEXT];

			qid_text(m->id, id);
			assert_non_null(map_get(&open, slice_str(id)));
		}
	}
	map_free(&open);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(lingering_mails_become_files_and_come_back),
		T(mails_move_in_the_log_where_no_file_can_be_made),
		T(results_after_folding_are_not_lost),
		T(damaged_file_is_held_and_the_others_go),
		T(odd_names_are_set_aside_and_half_files_removed),
		T(damage_in_the_log_costs_only_what_it_hit),
		T(mail_damaged_while_running_is_held),
		T(mail_that_cannot_be_read_does_not_keep_its_segment),
		T(folding_that_cannot_go_on_waits),
		T(start_without_descriptors_fails_rather_than_forget),
		T(large_content_is_kept_where_a_record_is_lost),
		T(segment_that_cannot_be_one_is_set_aside),
		T(disk_that_fails_refuses_mail_and_all_comes_back),
		T(nothing_rises_again_when_a_bad_segment_goes),
		T(bad_segments_do_not_pile_up),
		T(crash_at_any_moment_loses_and_repeats_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
