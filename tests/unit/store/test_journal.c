#include "common/base/mem.h"
#include "store/journal.h"
#include "tests/unit/store/fixture.h"

/* A journal of its own in the fixture's home. */
static void
open_journal(struct fixture *x, struct journal *j)
{
	int dir = openat(x->home, "journal", O_RDONLY | O_DIRECTORY);

	*j = (struct journal){ .dir = -1 };
	assert_int_equal(journal_open(j, dir), 0);
}

static void
begin(struct fixture *x, struct journal *j)
{
	open_journal(x, j);
	assert_int_equal(journal_create(j, 100, 0, 0), 0);
	assert_int_equal(
	    journal_seek(j, UINT64_C(100) << JOURNAL_SHIFT | JOURNAL_START), 0);
}

/* What a holder of the lock does: bytes of damage that were cut off. */
static uint64_t
cut(struct journal *j)
{
	struct segment_tail tail;

	assert_int_equal(journal_tail(j, &tail), 0);
	assert_int_equal(journal_cut(j, &tail), 0);
	return tail.torn ? 0 : tail.bytes;
}

static uint64_t
write_number(struct journal *j, uint32_t n, size_t extra)
{
	struct buf b = BUF_INIT(1 << 20);
	uint64_t pos = j->pos;
	char zeros[1000] = { 0 };

	assert_int_equal(record_start(&b, 0), 0);
	assert_int_equal(wire_put_u32(&b, n), 0);
	assert_int_equal(buf_append(&b, zeros, extra), 0);
	assert_int_equal(journal_append(j, &b, RECORD_SUBSCRIBE), 0);
	journal_pass(j, b.len);
	buf_free(&b);
	return pos;
}

static uint32_t
number(const struct record *r)
{
	return wire_get_u32(r->payload.p);
}

static void
records_come_back(void **state)
{
	struct fixture *x = *state;
	struct journal w;
	struct journal j;
	struct record r;
	uint64_t pos[300];

	begin(x, &w);
	open_journal(x, &j);
	assert_int_equal(journal_seek(&j, w.pos), 0);
	assert_int_equal(journal_next(&j, &r), 0);
	for (uint32_t i = 0; i < 300; i++)
		pos[i] = write_number(&w, i, i * 3);
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(journal_next(&j, &r), 1);
		assert_int_equal(number(&r), i);
		assert_int_equal(r.pos, pos[i]);
	}
	assert_int_equal(journal_next(&j, &r), 0);
	/* Backwards, as chains are walked. */
	for (uint32_t i = 300; i-- > 0;) {
		assert_int_equal(journal_at(&j, pos[i], &r), 0);
		assert_int_equal(number(&r), i);
	}
	assert_int_equal(journal_at(&j, pos[5] + 1, &r), -1);
	assert_int_equal(errno, EUCLEAN);
	journal_close(&j);
	journal_close(&w);
}

/* Whatever is read at once, and given back in between. */
static void
long_records_come_back_after_a_rest(void **state)
{
	static const size_t sizes[] = { 8, 4000, 9000, 70000, 200000, 16,
		5000 };
	struct fixture *x = *state;
	struct journal w;
	struct journal j;
	struct record r;
	uint64_t pos[ARRAY_LEN(sizes)];
	struct buf b;

	begin(x, &w);
	open_journal(x, &j);
	assert_int_equal(journal_seek(&j, w.pos), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *zeros = xcalloc(sizes[i], 1);

		buf_init(&b, 1 << 20);
		assert_int_equal(record_start(&b, 0), 0);
		assert_int_equal(wire_put_u32(&b, (uint32_t)i), 0);
		assert_int_equal(buf_append(&b, zeros, sizes[i]), 0);
		assert_int_equal(journal_append(&w, &b, RECORD_SUBSCRIBE), 0);
		pos[i] = w.pos;
		journal_pass(&w, b.len);
		buf_free(&b);
		free(zeros);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(journal_next(&j, &r), 1);
		assert_int_equal(number(&r), i);
		assert_int_equal(r.payload.len, sizes[i] + 4);
		if (i % 2 == 0)
			journal_rest(&j);
	}
	assert_int_equal(journal_next(&j, &r), 0);
	for (size_t i = ARRAY_LEN(sizes); i-- > 0;) {
		assert_int_equal(journal_at(&j, pos[i], &r), 0);
		assert_int_equal(number(&r), i);
		if (i % 2 == 0)
			journal_rest(&j);
	}
	journal_close(&j);
	journal_close(&w);
}

/* Wherever the last record is torn, those before stay and it is cut off. */
static void
torn_tail_is_cut_at_every_byte(void **state)
{
	struct fixture *x = *state;
	struct journal j;
	struct record r;
	struct stat st;
	uint64_t first;
	uint64_t last;
	off_t size;

	begin(x, &j);
	first = write_number(&j, 1, 0);
	last = write_number(&j, 2, 60);
	size = (off_t)(j.pos & JOURNAL_OFFSET);
	for (off_t at = size - 1; at >= (off_t)(last & JOURNAL_OFFSET); at--) {
		assert_int_equal(ftruncate(j.now.fd, at), 0);
		j.pos = first;
		j.ahead.len = 0;
		assert_int_equal(journal_next(&j, &r), 1);
		assert_int_equal(number(&r), 1);
		assert_int_equal(journal_next(&j, &r), 0);
		assert_int_equal(j.pos, last);
		assert_int_equal(cut(&j), 0);
		assert_int_equal(fstat(j.now.fd, &st), 0);
		assert_int_equal(st.st_size, last & JOURNAL_OFFSET);
		(void)write_number(&j, 2, 60);
	}
	journal_close(&j);
}

/* Bytes of the segment behind j->pos, which has been read up to. */
static void
put_behind(struct journal *j, const char *p, size_t n)
{
	assert_int_equal(
	    pwrite(j->now.fd, p, n, (off_t)(j->pos & JOURNAL_OFFSET)),
	    (ssize_t)n);
	j->ahead.len = 0;
}

/* A killed writer leaves whole pages; what ends elsewhere is damage. */
static void
torn_pages_are_told_from_damage(void **state)
{
	struct fixture *x = *state;
	char record[10000];
	struct journal j;
	struct record r;
	uint64_t end;
	size_t head; /* bytes of the record up to the next page */

	begin(x, &j);
	for (uint32_t i = 0; i < 100; i++)
		(void)write_number(&j, i, 7 * i % 400);
	end = j.pos;
	assert_int_equal(journal_next(&j, &r), 0);
	assert_int_equal(cut(&j), 0);
	memset(record, 'x', sizeof(record));
	wire_set_u32(record, sizeof(record));
	head = 4096 - (end & 4095);
	for (size_t pages = 0; pages < 3; pages++) {
		put_behind(&j, record, head + pages * 4096);
		assert_int_equal(journal_next(&j, &r), 0);
		assert_int_equal(cut(&j), 0);
		(void)write_number(&j, 1000, 200);
		j.pos = end;
		j.ahead.len = 0;
		assert_int_equal(journal_next(&j, &r), 1);
		assert_int_equal(journal_next(&j, &r), 0);
		assert_int_equal(
		    ftruncate(j.now.fd, (off_t)(end & JOURNAL_OFFSET)), 0);
		j.pos = end;
	}
	/* Whole, but not with the right checksum; and no length at all. */
	put_behind(&j, record, sizeof(record));
	assert_int_equal(journal_next(&j, &r), 0);
	assert_int_equal(cut(&j), sizeof(record));
	wire_set_u32(record, 300);
	put_behind(&j, record, 300);
	assert_int_equal(journal_next(&j, &r), 0);
	assert_int_equal(cut(&j), 300);
	wire_set_u32(record, 0);
	put_behind(&j, record, 300);
	assert_int_equal(journal_next(&j, &r), 0);
	assert_int_equal(cut(&j), 300);
	journal_close(&j);
}

/* One bit of a length, which seems to reach beyond all there is then. */
static void
damaged_length_is_no_torn_end(void **state)
{
	struct fixture *x = *state;
	uint64_t pos[4];
	struct journal j;
	struct record r;
	uint32_t len;
	off_t at;

	begin(x, &j);
	for (uint32_t i = 0; i < 4; i++)
		pos[i] = write_number(&j, i, 33 * i);
	/* Of the last one, too, which no other record follows. */
	for (unsigned i = 4; i-- > 0;) {
		at = (off_t)(pos[i] & JOURNAL_OFFSET);
		assert_int_equal(pread(j.now.fd, &len, sizeof(len), at), 4);
		len ^= 1U << 16;
		assert_int_equal(pwrite(j.now.fd, &len, sizeof(len), at), 4);
		j.pos = pos[0];
		j.ahead.len = 0;
		for (unsigned k = 0; k < i; k++)
			assert_int_equal(journal_next(&j, &r), 1);
		assert_int_equal(journal_next(&j, &r), 0);
		assert_int_equal(j.pos, pos[i]);
		assert_true(cut(&j) > 0);
		if (i > 0)
			(void)write_number(&j, i, 33 * i);
	}
	journal_close(&j);
}

/* … nor where it ends with a page, as what a killed writer leaves. */
static void
whole_record_tells_a_damaged_length(void **state)
{
	struct fixture *x = *state;
	struct journal j;
	struct record r;
	uint64_t first;
	size_t head;
	char len = 1;

	begin(x, &j);
	first = write_number(&j, 1, 0);
	head = 4096 - (j.pos & 4095);
	for (; head > 900; head = 4096 - (j.pos & 4095))
		(void)write_number(&j, 2, 700);
	(void)write_number(&j, 3, head - 20 - 8);
	put_behind(&j, "whatever", 8);
	j.pos = first;
	assert_int_equal(
	    pwrite(j.now.fd, &len, 1, (off_t)(first & JOURNAL_OFFSET) + 2), 1);
	assert_int_equal(journal_next(&j, &r), 0);
	assert_true(cut(&j) > 4000);
	journal_close(&j);
}

/* Most records overwrite zeros: the file does not grow. */
static void
segment_grows_in_steps(void **state)
{
	struct fixture *x = *state;
	struct journal j;
	struct stat st;
	off_t size = 0;
	unsigned grown = 0;

	begin(x, &j);
	for (uint32_t i = 0; i < 2000; i++) {
		(void)write_number(&j, i, 100);
		assert_int_equal(fstat(j.now.fd, &st), 0);
		assert_true((uint64_t)st.st_size >= (j.pos & JOURNAL_OFFSET));
		assert_true(
		    (uint64_t)st.st_size <= (j.pos & JOURNAL_OFFSET) + 16384);
		grown += st.st_size != size;
		size = st.st_size;
	}
	assert_in_range(grown, 1, 40);
	journal_close(&j);
}

/* A changed bit anywhere in a record: it is no record any more. */
static void
damage_is_noticed_in_every_byte(void **state)
{
	struct fixture *x = *state;
	struct journal j;
	struct record r;
	uint64_t first;
	uint64_t last;
	char byte;

	begin(x, &j);
	first = write_number(&j, 1, 20);
	last = write_number(&j, 2, 20);
	for (uint64_t at = first; at < last; at++) {
		off_t off = (off_t)(at & JOURNAL_OFFSET);

		assert_int_equal(pread(j.now.fd, &byte, 1, off), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(j.now.fd, &byte, 1, off), 1);
		j.pos = first;
		j.ahead.len = 0;
		assert_int_equal(journal_next(&j, &r), 0);
		byte ^= 0x10;
		assert_int_equal(pwrite(j.now.fd, &byte, 1, off), 1);
	}
	j.ahead.len = 0;
	assert_int_equal(journal_next(&j, &r), 1);
	/* What is damaged but whole is set aside and reported. */
	byte = 0x77;
	assert_int_equal(
	    pwrite(j.now.fd, &byte, 1, (off_t)(last & JOURNAL_OFFSET) + 9), 1);
	j.ahead.len = 0;
	assert_int_equal(journal_next(&j, &r), 0);
	assert_true(cut(&j) > 0);
	assert_int_equal(faccessat(j.dir, "00000064.damaged", F_OK, 0), 0);
	journal_close(&j);
}

/* A record copied to another place, or of another segment, is none. */
static void
records_do_not_travel(void **state)
{
	struct fixture *x = *state;
	struct journal j;
	struct record r;
	uint64_t first;
	char raw[20];

	begin(x, &j);
	first = write_number(&j, 1, 0);
	assert_int_equal(
	    pread(j.now.fd, raw, sizeof(raw), (off_t)(first & JOURNAL_OFFSET)),
	    sizeof(raw));
	assert_int_equal(
	    pwrite(j.now.fd, raw, sizeof(raw), (off_t)(j.pos & JOURNAL_OFFSET)),
	    sizeof(raw));
	assert_int_equal(journal_next(&j, &r), 0);
	journal_close(&j);
}

static void
segments_follow_each_other(void **state)
{
	struct fixture *x = *state;
	struct journal w;
	struct journal j;
	struct record r;
	uint64_t *bases;
	uint64_t first;
	size_t n;

	begin(x, &w);
	open_journal(x, &j);
	first = w.pos;
	assert_int_equal(journal_seek(&j, first), 0);
	(void)write_number(&w, 1, 0);
	assert_int_equal(journal_roll(&w, 100, false), 0);
	assert_int_equal(w.now.base, 100);
	assert_int_equal(journal_roll(&w, 100, true), 0);
	assert_true(w.now.base > 1600000000);
	assert_int_equal(w.now.epoch, 100);
	(void)write_number(&w, 2, 0);
	assert_int_equal(journal_roll(&w, 0, true), 0);
	assert_int_equal(w.now.epoch, w.now.base);
	(void)write_number(&w, 3, 0);
	assert_int_equal(journal_sync(&w), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(journal_next(&j, &r), 1);
		assert_int_equal(number(&r), i);
	}
	assert_int_equal(j.pos, w.pos);
	assert_true(r.pos > first);
	assert_int_equal(journal_at(&j, first, &r), 0);
	assert_int_equal(number(&r), 1);
	assert_int_equal(journal_list(&j, &bases, &n), 0);
	assert_int_equal(n, 3);
	free(bases);
	journal_close(&j);
	journal_close(&w);
}

static void
page_is_believed_only_whole(void **state)
{
	struct fixture *x = *state;
	struct journal_page p = { .boot_id = { 1 }, .epoch = 7, .pending = 9 };
	struct journal_page q;
	struct journal j;
	char byte;

	open_journal(x, &j);
	assert_int_equal(journal_page_read(&j, &q), -1);
	assert_int_equal(journal_page_write(&j, &p), 0);
	for (off_t i = 0; i < 40; i++) {
		assert_int_equal(pread(j.lock_fd, &byte, 1, i), 1);
		byte ^= 1;
		assert_int_equal(pwrite(j.lock_fd, &byte, 1, i), 1);
		assert_int_equal(journal_page_read(&j, &q), -1);
		byte ^= 1;
		assert_int_equal(pwrite(j.lock_fd, &byte, 1, i), 1);
	}
	assert_int_equal(journal_page_read(&j, &q), 0);
	assert_int_equal(q.pending, 9);
	journal_close(&j);
}

static void
sync_is_shared(void **state)
{
	struct fixture *x = *state;
	struct journal w;
	struct journal j;

	begin(x, &w);
	open_journal(x, &j);
	assert_int_equal(journal_seek(&j, w.pos), 0);
	(void)write_number(&w, 1, 0);
	assert_int_equal(journal_sync(&w), 0);
	j.now.fd = -1; /* so that a sync would fail */
	assert_int_equal(journal_sync_to(&j, w.pos), 0);
	assert_int_equal(journal_sync_to(&j, w.pos + 1), -1);
	journal_close(&j);
	journal_close(&w);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(records_come_back),
		T(long_records_come_back_after_a_rest),
		T(torn_tail_is_cut_at_every_byte),
		T(torn_pages_are_told_from_damage),
		T(damaged_length_is_no_torn_end),
		T(whole_record_tells_a_damaged_length),
		T(segment_grows_in_steps),
		T(damage_is_noticed_in_every_byte),
		T(records_do_not_travel),
		T(segments_follow_each_other),
		T(page_is_believed_only_whole),
		T(sync_is_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
