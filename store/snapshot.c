#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "store/name.h"
#include "store/state.h"

/*
 * The file `account`: all of the state but the messages, at a position of
 * the journal. Magic, length, CRC, then fields as wire.h has them. The one
 * before stays as account.1.
 */
#define MAGIC        0x31414d57 /* "WMA1" */
#define HEAD         12
#define SNAPSHOT_MAX ((size_t)64 << 20)
#define FILE_NOW     "account"
#define FILE_BEFORE  "account.1"
#define FILE_NEW     "account.new"

static int
put_u64s(struct buf *b, const uint64_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (wire_put_u64(b, v[i]) == -1)
			return -1;
	return 0;
}

static int
put_folder(struct buf *b, const struct folder *f)
{
	const uint64_t fields[] = {
		f->id,
		f->uidvalidity,
		f->uses,
		f->n.exists,
		f->n.unseen,
		f->n.deleted,
		f->n.recent,
		f->n.recent_uid,
		f->n.uidnext,
		f->n.bytes,
		f->n.modseq,
		f->n.unmoved,
		f->last,
		f->created,
		f->folded,
		f->folded_before,
		f->checked,
		f->sure,
		f->tail,
		f->touched,
	};

	if (put_u64s(b, fields, ARRAY_LEN(fields)) == -1 ||
	    wire_put_bytes(b, slice_str(f->name)) == -1 ||
	    wire_put_u8(b, (uint8_t)f->keyword_count) == -1)
		return -1;
	for (unsigned i = 0; i < f->keyword_count; i++)
		if (wire_put_bytes(b, slice_str(f->keywords[i])) == -1)
			return -1;
	return 0;
}

static int
get_folder(struct account *a, struct wire_in *in)
{
	struct keyword_defs d = { .first = 0 };
	struct folder head = { .id = (uint32_t)wire_u64(in) };
	struct folder *f;

	head.uidvalidity = (uint32_t)wire_u64(in);
	head.uses = (unsigned)wire_u64(in);
	head.n.exists = (uint32_t)wire_u64(in);
	head.n.unseen = (uint32_t)wire_u64(in);
	head.n.deleted = (uint32_t)wire_u64(in);
	head.n.recent = (uint32_t)wire_u64(in);
	head.n.recent_uid = (uint32_t)wire_u64(in);
	head.n.uidnext = (uint32_t)wire_u64(in);
	head.n.bytes = wire_u64(in);
	head.n.modseq = wire_u64(in);
	head.n.unmoved = wire_u64(in) != 0;
	head.last = wire_u64(in);
	head.created = wire_u64(in);
	head.folded = wire_u64(in);
	head.folded_before = wire_u64(in);
	head.checked = wire_u64(in);
	head.sure = (uint32_t)wire_u64(in);
	head.tail = wire_u64(in);
	head.touched = wire_u64(in);
	if (MAX(MAX(head.last, head.created), head.n.modseq) > a->snapshot)
		return -1; /* it has read the journal up to there only */
	f = folder_add(a, head.id, wire_bytes(in, NAME_MAX_BYTES));
	if (f == NULL)
		return -1;
	head.name = f->name;
	head.disk = f->disk;
	*f = head;
	d.count = wire_u8(in);
	if (d.count > KEYWORDS_MAX)
		return -1;
	for (unsigned i = 0; i < d.count; i++)
		d.names[i] = wire_bytes(in, KEYWORD_MAX_SIZE);
	return in->failed ? -1 : folder_define_keywords(f, &d);
}

static int
get_subscriptions(struct account *a, struct wire_in *in)
{
	uint32_t count = wire_u32(in);
	struct slice name;

	for (uint32_t i = 0; i < count; i++) {
		name = wire_bytes(in, NAME_MAX_BYTES);
		if (in->failed)
			return -1;
		map_put(&a->subscribed, name, a);
	}
	return 0;
}

static int
decode(struct account *a, struct slice body)
{
	struct wire_in in = wire_in(body);
	uint64_t count;

	a->snapshot = wire_u64(&in);
	a->checkpoint = wire_u64(&in);
	a->moved = a->snapshot; /* as far as is known */
	a->next_id = (uint32_t)wire_u64(&in);
	a->last_uidvalidity = (uint32_t)wire_u64(&in);
	count = wire_u64(&in);
	for (uint64_t i = 0; i < count; i++)
		if (in.failed || get_folder(a, &in) == -1)
			return -1;
	if (get_subscriptions(a, &in) == -1)
		return -1;
	return wire_done(&in);
}

static int
read_file(struct account *a, const char *name, struct buf *b)
{
	if (file_read_at(a->home, name, b) == -1) {
		if (errno == EISDIR || errno == ELOOP || errno == EAGAIN ||
		    errno == ENOBUFS)
			errno = EUCLEAN; /* never written by us */
		return -1;
	}
	if (b->len < HEAD || wire_get_u32(b->data) != MAGIC ||
	    wire_get_u32(b->data + 4) != b->len ||
	    wire_get_u32(b->data + 8) !=
		crc32c(0, b->data + HEAD, b->len - HEAD) ||
	    decode(a, slice_of(b->data + HEAD, b->len - HEAD)) == -1) {
		folder_table_free(a);
		errno = EUCLEAN;
		return -1;
	}
	return 0;
}

int
snapshot_read(struct account *a)
{
	struct buf b = BUF_INIT(SNAPSHOT_MAX);
	int saved;
	int rc;

	rc = read_file(a, FILE_NOW, &b);
	if (rc == -1 && (errno == ENOENT || errno == EUCLEAN)) {
		buf_truncate(&b, 0);
		rc = read_file(a, FILE_BEFORE, &b);
	}
	saved = errno;
	buf_free(&b);
	errno = saved;
	return rc;
}

uint64_t
snapshot_peek(const struct account *a)
{
	char raw[HEAD + 8];
	uint64_t pos = 0;
	int fd;

	fd = openat(a->home, FILE_NOW,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return 0;
	if (pread_all(fd, raw, sizeof(raw), 0) == 0 &&
	    wire_get_u32(raw) == MAGIC)
		pos = wire_get_u64(raw + HEAD);
	fd_close(fd);
	/* Not believed where it cannot be true. */
	return pos <= a->j.pos ? pos : 0;
}

static int
encode(const struct account *a, struct buf *b)
{
	const uint64_t fields[] = {
		a->j.pos,
		a->checkpoint,
		a->next_id,
		a->last_uidvalidity,
		a->folder_count,
	};
	struct slice name;
	void *value;
	size_t at = 0;

	if (buf_append(b, "\0\0\0\0\0\0\0\0\0\0\0", HEAD) == -1 ||
	    put_u64s(b, fields, ARRAY_LEN(fields)) == -1)
		return -1;
	for (size_t i = 0; i < a->folder_count; i++)
		if (put_folder(b, a->folders[i]) == -1)
			return -1;
	if (wire_put_u32(b, (uint32_t)a->subscribed.count) == -1)
		return -1;
	while (map_next(&a->subscribed, &at, &name, &value))
		if (wire_put_bytes(b, name) == -1)
			return -1;
	wire_set_u32(b->data, MAGIC);
	wire_set_u32(b->data + 4, (uint32_t)b->len);
	wire_set_u32(b->data + 8, crc32c(0, b->data + HEAD, b->len - HEAD));
	return 0;
}

/*
 * What the snapshot says must not be ahead of a journal that a power cut
 * would take back, others' records included, so it is synced first.
 */
int
snapshot_write(struct account *a)
{
	struct buf b = BUF_INIT(SNAPSHOT_MAX);
	int saved;
	int rc = -1;

	if (journal_sync_to(&a->j, a->j.pos) == -1 || encode(a, &b) == -1)
		goto out;
	if (unlinkat(a->home, FILE_BEFORE, 0) == -1 && errno != ENOENT)
		goto out;
	if (linkat(a->home, FILE_NOW, a->home, FILE_BEFORE, 0) == -1 &&
	    errno != ENOENT)
		goto out;
	rc = file_publish(a->home, FILE_NEW, FILE_NOW, buf_slice(&b), 0600);
	if (rc == 0)
		a->snapshot = a->j.pos;
out:
	saved = errno;
	buf_free(&b);
	errno = saved;
	return rc;
}
