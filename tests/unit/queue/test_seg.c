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
#include "queue/chunk.h"
#include "queue/seg.h"
#include "tests/unit/tmp.h"

#define SIZE ((uint64_t)SEG_SIZE_MIN)

struct fixture {
	char path[TMP_PATH];
	int dir;
	struct chunk_stock stock;
	struct seg *seg;
	uint64_t next; /* sequence */
	uint64_t durable;
	/* what replay gave */
	uint64_t ids[64];
	unsigned count;
	unsigned damaged;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct seg_start start = {
		.number = 3, .first = 10, .durable = 9, .tail = 2
	};
	bool fresh;

	if (tmp_make(f->path) == -1)
		return -1;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
	chunk_stock_init(&f->stock);
	if (seg_create(f->dir, 1, SIZE) == -1)
		return -1;
	f->seg = seg_open(f->dir, 1, &fresh);
	if (f->seg == NULL || !fresh)
		return -1;
	seg_begin(f->seg, &start);
	f->next = 10;
	f->durable = 9;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	seg_close(f->seg);
	chunk_stock_free(&f->stock);
	(void)close(f->dir);
	assert_int_equal(tmp_remove(f->path), 0);
	free(f);
	return 0;
}

/* A chunk with one record, of this id and so many further bytes. */
static struct chunk *
chunk_of(struct fixture *f, uint64_t n, size_t more)
{
	struct chunk *c = chunk_new(&f->stock, RECORD_ID + more);
	char *body = calloc(1, RECORD_ID + more);

	memset(body, 'x', RECORD_ID + more);
	wire_set_u64(body, n);
	assert_non_null(chunk_add(
	    c, RECORD_END, slice_of(body, RECORD_ID + more), SLICE_EMPTY));
	free(body);
	return c;
}

/* Write chunks as one batch; all are durable afterwards when sync says. */
static void
put(struct fixture *f, unsigned n, size_t more)
{
	struct chunk *chunks[8];
	struct seg_batch b = { .seg = f->seg,
		.chunks = chunks,
		.count = n,
		.sequence = f->next,
		.durable = f->durable,
		.tail = 2,
		.at = f->seg->used };

	for (unsigned i = 0; i < n; i++)
		chunks[i] = chunk_of(f, f->next + i, more);
	assert_int_equal(seg_write(&b), 0);
	f->seg->is_new = false;
	f->next += n;
	f->durable = f->next - 1;
	for (unsigned i = 0; i < n; i++) {
		f->seg->used += chunk_padded(chunks[i]);
		chunk_release(chunks[i]);
	}
}

static void
take(void *arg, struct seg *s, const struct record *r, uint64_t at)
{
	struct fixture *f = arg;
	struct qid id;

	(void)s;
	assert_true(at % 8 == 0);
	assert_int_equal(record_id(r->body, &id), 0);
	f->ids[f->count++] = id.time_us;
}

static void
damaged(void *arg, struct seg *s, struct slice bytes, uint64_t at)
{
	struct fixture *f = arg;

	(void)s;
	assert_true(bytes.len > 0 && at >= SEG_HEAD);
	f->damaged++;
}

/* Open it again as recovery does, and replay. */
static uint64_t
replay(struct fixture *f, uint64_t end)
{
	struct seg_replay r = { .arg = f,
		.record = take,
		.damage = damaged,
		.is_last = end == 0,
		.end = end };
	bool fresh;
	struct seg *s = seg_open(f->dir, 1, &fresh);

	assert_non_null(s);
	assert_int_equal(s->number, 3);
	f->count = 0;
	f->damaged = 0;
	assert_int_equal(seg_replay(s, &r), 0);
	seg_close(s);
	return r.next;
}

static void
poke(struct fixture *f, uint64_t at, const void *p, size_t n)
{
	int fd = openat(f->dir, "0001.seg", O_WRONLY);

	assert_int_not_equal(fd, -1);
	assert_int_equal(pwrite_all(fd, p, n, (off_t)at), 0);
	assert_int_equal(fsync(fd), 0);
	(void)close(fd);
}

static void
assert_ids(const struct fixture *f, unsigned n, ...)
{
	va_list ap;

	assert_int_equal(f->count, n);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(f->ids[i], (uint64_t)va_arg(ap, int));
	va_end(ap);
}

static void
segment_never_written_is_fresh_and_one_written_is_not(void **state)
{
	struct fixture *f = *state;
	struct seg *s;
	bool fresh;

	s = seg_open(f->dir, 1, &fresh);
	assert_non_null(s);
	assert_true(fresh);
	seg_close(s);
	put(f, 1, 0);
	s = seg_open(f->dir, 1, &fresh);
	assert_non_null(s);
	assert_false(fresh);
	assert_int_equal(s->first, 10);
	assert_int_equal(s->tail, 2);
	seg_close(s);
}

static void
all_records_come_back_in_order(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0);
	put(f, 3, 5000);
	put(f, 1, 200000);
	put(f, 2, 1);
	assert_int_equal(replay(f, 0), 17);
	assert_ids(f, 7, 10, 11, 12, 13, 14, 15, 16);
	assert_int_equal(f->damaged, 0);
}

static void
torn_tail_is_cut(void **state)
{
	struct fixture *f = *state;
	uint64_t at;

	put(f, 2, 0);
	at = f->seg->used;
	put(f, 1, 10000);
	poke(f, at + 5000, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(replay(f, 0), 12);
	assert_ids(f, 2, 10, 11);
	assert_int_equal(f->damaged, 0);
}

/* Of one write a later chunk may have landed and an earlier one not. */
static void
torn_group_is_cut_at_its_first_hole(void **state)
{
	struct fixture *f = *state;
	uint64_t at;

	put(f, 1, 0);
	at = f->seg->used;
	put(f, 3, 100);
	poke(f, at + 70, "zzzz", 4);
	assert_int_equal(replay(f, 0), 11);
	assert_ids(f, 1, 10);
	assert_int_equal(f->damaged, 0);
}

static void
damage_below_the_durable_number_is_told_and_the_rest_read(void **state)
{
	struct fixture *f = *state;
	uint64_t at;

	put(f, 1, 0);
	at = f->seg->used;
	put(f, 1, 100);
	put(f, 1, 0); /* knows that the one before was durable */
	put(f, 1, 0);
	poke(f, at + 90, "zzzz", 4);
	assert_int_equal(replay(f, 0), 14);
	assert_ids(f, 3, 10, 12, 13);
	assert_int_equal(f->damaged, 1);
}

static void
damaged_head_of_a_chunk_spares_its_records(void **state)
{
	struct fixture *f = *state;
	uint64_t at;

	put(f, 1, 0);
	at = f->seg->used;
	put(f, 1, 100);
	put(f, 1, 0);
	poke(f, at + 8, "zzzz", 4);
	assert_int_equal(replay(f, 0), 13);
	assert_ids(f, 3, 10, 11, 12);
	assert_int_equal(f->damaged, 1);
}

/* Everything before the next segment's first number was durable. */
static void
sealed_segment_has_no_torn_tail(void **state)
{
	struct fixture *f = *state;
	uint64_t at;

	put(f, 1, 0);
	at = f->seg->used;
	put(f, 1, 100);
	poke(f, at + 90, "zzzz", 4);
	(void)replay(f, 12);
	assert_ids(f, 1, 10);
	assert_int_equal(f->damaged, 1);
}

/* A sync failed, and the chunk was written anew to the next segment. */
static void
chunks_the_next_segment_claims_do_not_count(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 0);
	put(f, 2, 0);
	assert_int_equal(replay(f, 11), 11);
	assert_ids(f, 1, 10);
	assert_int_equal(f->damaged, 0);
}

static void
records_of_an_older_use_are_not_seen(void **state)
{
	const struct seg_start again = {
		.number = 3, .first = 30, .durable = 29, .tail = 3
	};
	struct fixture *f = *state;

	put(f, 4, 0);
	seg_begin(f->seg, &again);
	f->next = 30;
	f->durable = 29;
	put(f, 1, 0);
	assert_int_equal(replay(f, 0), 31);
	assert_ids(f, 1, 30);
	assert_int_equal(f->damaged, 0);
}

/* A mail may hold whatever its sender likes, a whole chunk as well. */
static void
chunk_inside_a_record_is_not_seen(void **state)
{
	struct fixture *f = *state;
	struct chunk *inner = chunk_of(f, 99, 0);
	struct chunk_head h = { .sequence = 11, .durable = 10, .segment = 3 };
	struct chunk *outer;
	struct seg_batch b;
	char *body;

	chunk_stamp(inner, &h, 12345); /* cannot know the nonce */
	put(f, 1, 0);
	body = calloc(1, 9000);
	memcpy(body + 4096 - CHUNK_HEAD - RECORD_HEAD, inner->data, 200);
	outer = chunk_new(&f->stock, 9000);
	assert_non_null(
	    chunk_add(outer, RECORD_END, slice_of(body, 9000), SLICE_EMPTY));
	b = (struct seg_batch){ .seg = f->seg,
		.chunks = &outer,
		.count = 1,
		.sequence = 11,
		.durable = 10,
		.at = f->seg->used };
	assert_int_equal(seg_write(&b), 0);
	poke(f, f->seg->used + 70, "zz", 2); /* torn: the search begins */
	assert_int_equal(replay(f, 0), 11);
	assert_ids(f, 1, 10);
	chunk_release(inner);
	chunk_release(outer);
	free(body);
}

static void
segment_with_a_bad_head_does_not_open(void **state)
{
	struct fixture *f = *state;
	bool fresh;

	put(f, 1, 0);
	poke(f, 40, "z", 1);
	assert_null(seg_open(f->dir, 1, &fresh));
	assert_int_equal(errno, EBADMSG);
	assert_false(fresh);
}

static void
read_back_sees_damage(void **state)
{
	struct fixture *f = *state;
	uint64_t at = f->seg->used + CHUNK_HEAD;
	char *to = malloc(record_size(RECORD_ID + 100));

	put(f, 1, 100);
	assert_int_equal(seg_read(f->seg, at, RECORD_ID + 100, to), 0);
	assert_int_equal(wire_get_u64(to + RECORD_HEAD), 10);
	assert_int_equal(seg_read(f->seg, at, RECORD_ID + 90, to), -1);
	poke(f, at + 50, "z", 1);
	assert_int_equal(seg_read(f->seg, at, RECORD_ID + 100, to), -1);
	assert_int_equal(errno, EBADMSG);
	free(to);
}

/* Every byte of a small log, flipped: never a wrong record, never a crash. */
static void
any_flipped_byte_costs_at_most_its_own_records(void **state)
{
	struct fixture *f = *state;
	uint64_t end;

	put(f, 1, 0);
	put(f, 2, 30);
	put(f, 1, 0);
	end = f->seg->used;
	for (uint64_t at = SEG_HEAD; at < end; at += 4) {
		int fd;
		char was;
		char now;

		if (at % CHUNK_PAGE >= 160)
			continue; /* padding */
		fd = openat(f->dir, "0001.seg", O_RDONLY);
		assert_int_equal(pread_all(fd, &was, 1, (off_t)at), 0);
		(void)close(fd);
		now = (char)~was;
		poke(f, at, &now, 1);
		(void)replay(f, 0);
		assert_true(f->count >= 2);
		for (unsigned i = 0; i < f->count; i++)
			assert_in_range(f->ids[i], 10, 13);
		poke(f, at, &was, 1);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(segment_never_written_is_fresh_and_one_written_is_not),
		T(all_records_come_back_in_order),
		T(torn_tail_is_cut),
		T(torn_group_is_cut_at_its_first_hole),
		T(damage_below_the_durable_number_is_told_and_the_rest_read),
		T(damaged_head_of_a_chunk_spares_its_records),
		T(sealed_segment_has_no_torn_tail),
		T(chunks_the_next_segment_claims_do_not_count),
		T(records_of_an_older_use_are_not_seen),
		T(chunk_inside_a_record_is_not_seen),
		T(segment_with_a_bad_head_does_not_open),
		T(read_back_sees_damage),
		T(any_flipped_byte_costs_at_most_its_own_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
