#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "queue/chunk.h"
#include "queue/seg.h"

#define READ_STEP (256U * 1024)

/* A segment in memory, as far as it could be read. */
struct image {
	char *p;
	size_t len;
	uint32_t seed;
};

/* Parts that cannot be read stay zero: no record passes for valid there. */
static int
image_read(const struct seg *s, struct image *im)
{
	size_t good = 0;

	im->len = s->size;
	im->seed = s->seed;
	im->p = calloc(1, im->len);
	if (im->p == NULL)
		return -1;
	for (size_t at = 0; at < im->len; at += READ_STEP) {
		size_t n = MIN(READ_STEP, im->len - at);

		if (pread_all(s->read_fd, im->p + at, n, (off_t)at) == 0) {
			good += n;
			continue;
		}
		log_error("event=spool-read-failed segment=%llu offset=%zu "
			  "errno=%d",
		    (unsigned long long)s->number, at, errno);
		memset(im->p + at, 0, n);
	}
	if (good > 0)
		return 0;
	free(im->p);
	errno = EIO;
	return -1;
}

static struct slice
image_from(const struct image *im, size_t at)
{
	return slice_sub(slice_of(im->p, im->len), at, im->len);
}

static size_t
chunk_span(const struct chunk_head *h)
{
	size_t n = CHUNK_HEAD + h->length;

	return (n + CHUNK_PAGE - 1) & ~(size_t)(CHUNK_PAGE - 1);
}

/* Is the chunk at this place whole? */
static bool
chunk_whole(const struct image *im, size_t at, const struct chunk_head *h)
{
	struct slice in = slice_sub(image_from(im, at), CHUNK_HEAD, h->length);
	struct record r;
	uint32_t n = 0;
	size_t size;

	while (in.len > 0) {
		if (record_read(in, im->seed, &r, &size) != RECORD_OK)
			return false;
		in = slice_sub(in, size, in.len);
		n++;
	}
	return n == h->count;
}

static void
give(struct seg_replay *r, struct seg *s, const struct record *rec, size_t at)
{
	r->records++;
	if (rec->kind != RECORD_VOID)
		r->record(r->arg, s, rec, at);
}

static void
chunk_give(struct seg_replay *r, struct seg *s, const struct image *im,
    size_t at, const struct chunk_head *h)
{
	size_t end = at + CHUNK_HEAD + h->length;
	struct record rec;
	size_t size;

	for (at += CHUNK_HEAD; at < end; at += size) {
		if (record_read(image_from(im, at), im->seed, &rec, &size) !=
		    RECORD_OK)
			return;
		give(r, s, &rec, at);
	}
}

/* Every record that is still whole between two offsets. */
static void
salvage(struct seg_replay *r, struct seg *s, const struct image *im, size_t at,
    size_t end)
{
	struct record rec;
	size_t size;

	r->damaged++;
	r->damage(r->arg, s, slice_of(im->p + at, end - at), at);
	while (at < end) {
		struct slice in = slice_of(im->p + at, end - at);

		if (record_read(in, im->seed, &rec, &size) == RECORD_OK) {
			give(r, s, &rec, at);
			at += size;
		} else {
			at += 8;
		}
	}
}

/* What stands behind a place where the chain of chunks breaks. */
struct beyond {
	bool found;
	size_t at;        /* the next chunk */
	uint64_t durable; /* the most any later one knew */
};

static void
look_beyond(
    const struct image *im, size_t at, uint64_t sequence, struct beyond *b)
{
	struct chunk_head h;

	*b = (struct beyond){ .found = false };
	for (; at < im->len; at += CHUNK_PAGE) {
		if (!chunk_head_read(image_from(im, at), im->seed, &h) ||
		    h.sequence < sequence)
			continue;
		if (!b->found && h.sequence > sequence) {
			b->found = true;
			b->at = at;
		}
		b->durable = MAX(b->durable, h.durable);
	}
}

/*
 * The chain breaks at this place, before chunk r->next. Returns where to go
 * on, or 0 when this is the end: a torn tail, or all that was left is lost.
 */
static size_t
mend(struct seg_replay *r, struct seg *s, const struct image *im, size_t at)
{
	struct beyond b;
	size_t end;

	look_beyond(im, at, r->next, &b);
	if (r->is_last && b.durable < r->next)
		return 0; /* never acknowledged */
	end = b.found ? b.at : im->len;
	salvage(r, s, im, at, end);
	return b.found ? end : 0;
}

static void
replay_image(struct seg_replay *r, struct seg *s, const struct image *im)
{
	size_t at = SEG_HEAD;
	struct chunk_head h;

	while (at < im->len && (r->is_last || r->next < r->end)) {
		if (!chunk_head_read(image_from(im, at), im->seed, &h) ||
		    h.sequence < r->next || !chunk_whole(im, at, &h)) {
			at = mend(r, s, im, at);
			if (at == 0)
				break;
			(void)chunk_head_read(image_from(im, at), im->seed, &h);
			r->next = h.sequence;
			continue;
		}
		if (!r->is_last && h.sequence >= r->end)
			break; /* failed to sync, written anew elsewhere */
		chunk_give(r, s, im, at, &h);
		r->tail = MAX(r->tail, h.tail);
		r->next = h.sequence + 1;
		at += chunk_span(&h);
	}
	s->used = at == 0 ? s->size : at;
}

int
seg_replay(struct seg *s, struct seg_replay *r)
{
	struct image im;

	if (image_read(s, &im) == -1)
		return -1;
	r->next = s->first;
	r->tail = s->tail;
	replay_image(r, s, &im);
	free(im.p);
	return 0;
}

int
seg_read(struct seg *s, uint64_t at, size_t len, char *to)
{
	struct record r;
	size_t size;

	if (pread_all(s->read_fd, to, record_size(len), (off_t)at) == -1)
		return -1;
	if (record_read(slice_of(to, record_size(len)), s->seed, &r, &size) ==
		RECORD_OK &&
	    r.body.len == len)
		return 0;
	errno = EBADMSG;
	return -1;
}
