/* FETCH */
#include <errno.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/wire.h"
#include "common/mime/date.h"
#include "common/mime/imap.h"
#include "imapd/fetch.h"
#include "imapd/fetch_content.h"
#include "imapd/session_state.h"
#include "store/cache.h"

/* One answer of the cache, and the buffer it may be made in. */
#define META_MAX (16U << 20)
/* Read and sent in pieces of this size where it is larger. */
#define PIECE_SIZE 262144

struct fetch {
	struct session *s;
	const struct fetch_request *r;
	struct message m;
	struct content c;
	bool seen_now;      /* the \Seen flag was set by this command */
	bool uid;           /* tell the UID */
	bool first;         /* of the items of this message */
	int error;          /* why a content could not be had; 0: all were */
	struct buf scratch; /* picked header fields, rendered answers */
};

static int
open_content(struct fetch *f)
{
	if (f->c.fd != -1)
		return 0;
	return content_open(&f->c, f->s, f->m.uid);
}

static void
item(struct fetch *f, const char *name)
{
	if (!f->first)
		out_bytes(f->s, " ", 1);
	f->first = false;
	out_str(f->s, name);
	out_bytes(f->s, " ", 1);
}

/* Two digits, or with a blank for a leading zero. */
static void
put_two(char *at, int n, char zero)
{
	at[0] = (char)(n < 10 ? zero : '0' + n / 10);
	at[1] = (char)('0' + n % 10);
}

/* "17-Jul-1996 02:44:25 -0700": by hand, it is asked for so often. */
static void
out_internaldate(struct session *s, const struct message *m)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int zone = m->zone_min < 0 ? -m->zone_min : m->zone_min;
	char text[] = "\"00-Jan-0000 00:00:00 +0000\"";
	struct mime_date d;

	mime_date_from_unix(&d, m->date_s, m->zone_min);
	put_two(text + 1, d.day, ' ');
	memcpy(text + 4, months + (ptrdiff_t)3 * (d.month - 1), 3);
	put_two(text + 8, d.year / 100, '0');
	put_two(text + 10, d.year % 100, '0');
	put_two(text + 13, d.hour, '0');
	put_two(text + 16, d.minute, '0');
	put_two(text + 19, d.second, '0');
	text[22] = m->zone_min < 0 ? '-' : '+';
	put_two(text + 23, zone / 60 % 100, '0');
	put_two(text + 25, zone % 60, '0');
	out_bytes(s, text, sizeof(text) - 1);
}

/* What the index knows. */
static void
index_items(struct fetch *f)
{
	if (f->uid) {
		item(f, "UID");
		out_number(f->s, f->m.uid);
	}
	if ((f->r->items & FETCH_FLAGS) != 0 || f->seen_now) {
		item(f, "FLAGS");
		out_flags(f->s, &f->m);
	}
	if ((f->r->items & FETCH_INTERNALDATE) != 0) {
		item(f, "INTERNALDATE");
		out_internaldate(f->s, &f->m);
	}
	if ((f->r->items & FETCH_SIZE) != 0) {
		item(f, "RFC822.SIZE");
		out_number(f->s, f->m.size);
	}
}

/* Split CACHE_META. */
static bool
split_meta(struct slice entry, struct slice *envelope, struct slice *structure)
{
	size_t n;

	if (entry.len < 4)
		return false;
	n = wire_get_u32(entry.p);
	entry = slice_sub(entry, 4, entry.len);
	if (n > entry.len)
		return false;
	*envelope = slice_sub(entry, 0, n);
	*structure = slice_sub(entry, n, entry.len);
	return true;
}

/*
 * What cannot be rendered within META_MAX is told as if nobody could take
 * it apart.
 */
static int
put_envelope(struct fetch *f)
{
	struct mime_tree *t = &f->s->tree;

	if (mime_imap_envelope(
		&f->scratch, mime_part_header(t, &t->parts[0])) == 0)
		return 0;
	return buf_append_str(
	    &f->scratch, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}

static int
put_structure(struct fetch *f, bool extended)
{
	struct mime_tree *t = &f->s->tree;

	if (mime_imap_structure(&f->scratch, t, extended) == 0)
		return 0;
	return buf_printf(&f->scratch,
	    "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"8BIT\" %zu%s)",
	    t->parts[0].body_len, extended ? " NIL NIL NIL NIL" : "");
}

/* Render CACHE_META into scratch and keep it. */
static int
make_meta(struct fetch *f)
{
	struct buf *b = &f->scratch;
	char zero[4] = { 0 };

	if (open_content(f) == -1 || content_tree(&f->c) == -1)
		return -1;
	buf_truncate(b, 0);
	if (buf_append(b, zero, 4) == -1 || put_envelope(f) == -1)
		return -1;
	wire_set_u32(b->data, (uint32_t)(b->len - 4));
	if (put_structure(f, true) == -1)
		return -1;
	cache_put(f->s->mailbox, f->m.uid, CACHE_META, MIME_PARSER_VERSION,
	    buf_slice(b));
	return 0;
}

static int
meta_items(struct fetch *f)
{
	struct slice envelope;
	struct slice structure;
	struct slice entry;

	if (cache_get(f->s->mailbox, f->m.uid, CACHE_META, MIME_PARSER_VERSION,
		&entry) == -1 ||
	    !split_meta(entry, &envelope, &structure)) {
		if (make_meta(f) == -1 ||
		    !split_meta(buf_slice(&f->scratch), &envelope, &structure))
			return -1;
	}
	if ((f->r->items & FETCH_ENVELOPE) != 0) {
		item(f, "ENVELOPE");
		out_slice(f->s, envelope);
	}
	if ((f->r->items & FETCH_BODYSTRUCTURE) != 0) {
		item(f, "BODYSTRUCTURE");
		out_slice(f->s, structure);
	}
	return 0;
}

static int
body_item(struct fetch *f)
{
	struct mailbox *mb = f->s->mailbox;
	struct slice entry;

	if (cache_get(mb, f->m.uid, CACHE_BODY, MIME_PARSER_VERSION, &entry) ==
	    -1) {
		buf_truncate(&f->scratch, 0);
		if (open_content(f) == -1 || content_tree(&f->c) == -1 ||
		    put_structure(f, false) == -1)
			return -1;
		entry = buf_slice(&f->scratch);
		cache_put(mb, f->m.uid, CACHE_BODY, MIME_PARSER_VERSION, entry);
	}
	item(f, "BODY");
	out_slice(f->s, entry);
	return 0;
}

/* RFC 3501 §9: no NUL in a literal. The length must stay. */
static void
scrub(char *p, size_t n)
{
	char *nul;

	while (n > 0 && (nul = memchr(p, '\0', n)) != NULL) {
		*nul = (char)0x80;
		n -= (size_t)(nul - p);
		p = nul;
	}
}

/* Send n bytes of the file from an offset, through our buffer. */
static void
copy_file(struct fetch *f, uint64_t from, uint64_t n)
{
	while (n > 0 && !f->s->gone) {
		size_t now = (size_t)MIN(n, (uint64_t)PIECE_SIZE);
		char *room = out_reserve(f->s, now);

		if (room == NULL)
			return;
		if (pread_all(f->c.fd, room, now, (off_t)from) == -1) {
			/* the length was told: nothing true can follow */
			log_error("event=read-failed session=%08x uid=%u"
				  " error=%s",
			    f->s->start->number, f->m.uid, strerror(errno));
			f->s->gone = true;
			return;
		}
		scrub(room, now);
		out_commit(f->s, now);
		from += now;
		n -= now;
		if (n > 0)
			out_batch(f->s);
	}
}

static void
section_label(struct fetch *f, const struct fetch_section *sec)
{
	if (!f->first)
		out_bytes(f->s, " ", 1);
	f->first = false;
	out_slice(f->s,
	    slice_sub(buf_slice(&f->r->labels), sec->label, sec->label_len));
	out_bytes(f->s, " ", 1);
}

static void
literal_size(struct fetch *f, uint64_t n)
{
	out_bytes(f->s, "{", 1);
	out_number(f->s, n);
	out_bytes(f->s, "}\r\n", 3);
}

/* BODY[] itself: from the file to the client, looked at by nobody. */
static int
whole_message(struct fetch *f, const struct fetch_section *sec)
{
	uint64_t from = 0;
	uint64_t n;

	if (open_content(f) == -1)
		return -1;
	n = f->c.size;
	if (sec->partial) {
		from = MIN((uint64_t)sec->from, n);
		n = MIN((uint64_t)sec->length, n - from);
	}
	section_label(f, sec);
	literal_size(f, n);
	copy_file(f, from, n);
	return 0;
}

static void
out_literal(struct fetch *f, struct slice s)
{
	char *room;

	literal_size(f, s.len);
	while (s.len > 0) {
		size_t n = MIN(s.len, (size_t)PIECE_SIZE);

		room = out_reserve(f->s, n);
		if (room == NULL)
			return;
		memcpy(room, s.p, n);
		scrub(room, n);
		out_commit(f->s, n);
		s = slice_sub(s, n, s.len);
		if (s.len > 0)
			out_batch(f->s);
	}
}

/* Only the header of the message must be read for this. */
static int
top_header(struct fetch *f, const struct fetch_section *sec, struct slice *s)
{
	struct slice header;

	if (open_content(f) == -1 || content_header(&f->c, &header) == -1)
		return -1;
	*s = header;
	if (sec->text == SECTION_HEADER)
		return 0;
	buf_truncate(&f->scratch, 0);
	if (fetch_pick_fields(f->r, sec, header, &f->scratch) == -1)
		return -1;
	*s = buf_slice(&f->scratch);
	return 0;
}

static int
section_item(struct fetch *f, const struct fetch_section *sec)
{
	struct slice s;

	if (sec->depth == 0 && sec->text == SECTION_ALL)
		return whole_message(f, sec);
	if (sec->depth == 0 && sec->text != SECTION_TEXT) {
		if (top_header(f, sec, &s) == -1)
			return -1;
	} else {
		if (open_content(f) == -1 || content_tree(&f->c) == -1)
			return -1;
		s = fetch_section_bytes(f->r, sec, &f->s->tree, &f->scratch);
		if (s.p == NULL) {
			section_label(f, sec);
			out_str(f->s, "NIL");
			return 0;
		}
	}
	section_label(f, sec);
	out_literal(f, fetch_partial(sec, s));
	return 0;
}

static int
content_items(struct fetch *f)
{
	unsigned items = f->r->items;

	/* before a byte is sent, so that the answer can be taken back */
	if (f->r->section_count > 0 && open_content(f) == -1)
		return -1;
	if ((items & (FETCH_ENVELOPE | FETCH_BODYSTRUCTURE)) != 0 &&
	    meta_items(f) == -1)
		return -1;
	if ((items & FETCH_BODY) != 0 && body_item(f) == -1)
		return -1;
	for (size_t i = 0; i < f->r->section_count; i++)
		if (section_item(f, &f->r->sections[i]) == -1)
			return -1;
	return 0;
}

/* An answer that cannot be finished is taken back, if none of it left. */
static void
take_back(struct fetch *f, size_t mark, uint64_t sent)
{
	if (f->error == 0 || f->error == ENOENT)
		f->error = errno;
	if (errno != ENOENT)
		log_error("event=fetch-failed session=%08x uid=%u error=%s",
		    f->s->start->number, f->m.uid, strerror(errno));
	if (f->s->sent == sent)
		buf_truncate(&f->s->out, mark);
	else
		f->s->gone = true;
}

static void
fetch_message(struct fetch *f)
{
	struct session *s = f->s;
	uint64_t sent;
	size_t mark;

	out_batch(s);
	mark = s->out.len;
	sent = s->sent;
	f->first = true;
	out_bytes(s, "* ", 2);
	out_number(s, f->m.seq);
	out_str(s, " FETCH (");
	index_items(f);
	if (content_items(f) == -1)
		take_back(f, mark, sent);
	else
		out_bytes(s, ")\r\n", 3);
	content_close(&f->c);
}

/* §6.4.5: BODY[…] sets \Seen; one record for all messages. */
static int
set_seen(struct session *s, const struct uidset *seqs, struct uidset *changed)
{
	struct store_request request = { .how = STORE_ADD,
		.flags = MESSAGE_SEEN };
	struct uidset uids = UIDSET_INIT;
	struct message m;
	int rc = 0;

	for (size_t i = 0; i < seqs->count; i++)
		for (uint32_t seq = seqs->ranges[i].first;
		     rc == 0 && seq <= seqs->ranges[i].last; seq++) {
			if (mailbox_message(s->mailbox, seq, &m) == 0 &&
			    (m.flags & MESSAGE_SEEN) == 0)
				rc = uidset_add(&uids, m.uid, m.uid);
		}
	if (rc == 0 && uids.count > 0)
		rc = mailbox_store(s->mailbox, &uids, &request, changed, NULL);
	uidset_free(&uids);
	return rc;
}

static void
answer_fetched(struct fetch *f)
{
	cache_flush(f->s->mailbox);
	if (f->error == 0)
		answer_ok(f->s, NULL, "Fetch completed");
	else
		answer_unread(f->s, f->error);
}

static void
fetch_all(struct session *s, const struct fetch_request *r,
    const struct uidset *seqs, bool uid)
{
	struct fetch f = { .s = s,
		.r = r,
		.c = { .fd = -1 },
		.uid = uid || (r->items & FETCH_UID) != 0,
		.scratch = BUF_INIT(META_MAX) };
	struct uidset seen = UIDSET_INIT;

	if (r->sees && !mailbox_readonly(s->mailbox) &&
	    set_seen(s, seqs, &seen) == -1) {
		uidset_free(&seen);
		answer_errno(s, "NONEXISTENT");
		return;
	}
	for (size_t i = 0; i < seqs->count; i++)
		for (uint32_t seq = seqs->ranges[i].first;
		     seq <= seqs->ranges[i].last && !s->gone; seq++) {
			if (mailbox_message(s->mailbox, seq, &f.m) == -1)
				continue;
			f.seen_now =
			    seen.count > 0 && uidset_has(&seen, f.m.uid);
			fetch_message(&f);
		}
	answer_fetched(&f);
	uidset_free(&seen);
	buf_free(&f.scratch);
}

void
cmd_fetch(struct session *s, struct command_in *in)
{
	struct uidset seqs = UIDSET_INIT;
	struct fetch_request r;

	if (parse_space(&in->p) && session_set(s, in, &seqs) &&
	    parse_space(&in->p)) {
		if (fetch_parse(&in->p, &r))
			fetch_all(s, &r, &seqs, in->uid);
		fetch_request_free(&r);
	}
	uidset_free(&seqs);
}
