/*
 * libFuzzer: whole IMAP connections, front and session, against a model.
 *
 * Byte 0: bit 0 structured commands (else raw bytes), bit 1 raw bytes come
 * behind a login, bit 2 no TLS. Bytes 1 and 2: how the bytes are cut. For
 * structured commands the model (imap_world.h) says what each may be
 * answered; the client's view, built from what it was told, must be the
 * model's after every command, and the store's at the end.
 */
#define PEER_MAIN
#include "tests/fuzz/peer.h"

#include "imapd/front.h"
#include "imapd/session.h"
#include "tests/fuzz/front.h"
#include "tests/fuzz/home.h"
#include "tests/fuzz/imap_client.h"
#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOGIN "l LOGIN pip secret\r\n"

/* -- judging what was answered -------------------------------------------- */

/* The messages of the selected mailbox as the client knows them. */
struct view {
	struct walk w;
	uint32_t uid[64]; /* 0: not told yet */
	unsigned n;
	unsigned plus;
	bool found;
};

/* A number at the start of a line, cut off with its space. */
static bool
number(struct slice *s, uint32_t *n)
{
	size_t i = 0;

	for (*n = 0; i < s->len && s->p[i] >= '0' && s->p[i] <= '9'; i++)
		*n = *n * 10 + (uint32_t)(s->p[i] - '0');
	if (i == 0)
		return false;
	*s = slice_sub(*s, i + (i < s->len && s->p[i] == ' '), SIZE_MAX);
	return true;
}

/* A response, its literals left out. */
static void
response(struct view *v, struct slice *first, struct buf *all)
{
	struct slice line;

	buf_truncate(all, 0);
	for (;;) {
		uint32_t n;
		const char *open;
		struct slice rest;

		if (!walk_line(&v->w, &line))
			walk_fail(&v->w, "no answer");
		if (buf_append_slice(all, line) == -1)
			abort();
		open = line.len == 0 ? NULL : memrchr(line.p, '{', line.len);
		if (open == NULL || line.p[line.len - 1] != '}')
			break;
		rest = slice_sub(line, (size_t)(open - line.p) + 1, SIZE_MAX);
		if (!number(&rest, &n))
			break;
		if (n > v->w.out.len)
			walk_fail(&v->w, "half a literal");
		v->w.out = slice_sub(v->w.out, n, SIZE_MAX);
	}
	*first = buf_slice(all);
}

static uint8_t
flags_of(const char *at)
{
	static const char *const names[] = { "\\Seen", "\\Answered",
		"\\Flagged", "\\Deleted", "\\Draft", "Key" };
	const char *end = strchr(at, ')');
	uint8_t flags = 0;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		const char *has = strstr(at, names[i]);

		if (has != NULL && has < end)
			flags |= (uint8_t)(1U << i);
	}
	return flags;
}

/* FETCH of message n: flags, UID and size as the model has them. */
static void
judge_fetch(struct view *v, const struct step *s, uint32_t n, const char *text)
{
	const struct box *b =
	    s->after.selected == -1 ? NULL : &s->after.box[s->after.selected];
	const char *uid = strstr(text, "UID ");
	const char *flags = strstr(text, "FLAGS (");
	const char *size = strstr(text, "RFC822.SIZE ");
	unsigned k;

	if (b == NULL || n == 0 || n > v->n)
		walk_fail(&v->w, "FETCH of no message");
	if (uid != NULL) {
		uint32_t is = (uint32_t)strtoul(uid + 4, NULL, 10);

		if (v->uid[n - 1] != 0 && v->uid[n - 1] != is)
			walk_fail(&v->w, "its UID has changed");
		v->uid[n - 1] = is;
	}
	/* Before an EXPUNGE of the same command numbers are the old ones. */
	for (k = 0; k < b->n; k++)
		if (v->uid[n - 1] == b->m[k].uid)
			break;
	if (k == b->n)
		return;
	if (flags != NULL && flags_of(flags) != b->m[k].flags)
		walk_fail(&v->w, "other flags");
	if (size != NULL && strtoul(size + 12, NULL, 10) != b->m[k].text + 10U)
		walk_fail(&v->w, "another size");
}

static void
judge_search(struct view *v, const struct step *s, struct slice rest)
{
	const struct box *b = &s->before.box[s->before.selected];
	uint32_t bits = 0;
	uint32_t n;

	v->found = true;
	while (number(&rest, &n)) {
		unsigned k = 0;

		while (k < b->n && n != (s->as_uid ? b->m[k].uid : k + 1))
			k++;
		if (k == b->n)
			walk_fail(&v->w, "found what is not there");
		bits |= 1U << k;
	}
	if (bits != s->bits)
		walk_fail(&v->w, "found others");
}

static void
judge_status(struct view *v, const struct step *s, const char *text)
{
	const struct box *b = &s->after.box[s->status];
	unsigned unseen = b->n - world_count(world_flagged(b, SEEN));
	char want[80];

	(void)snprintf(want, sizeof(want), "(MESSAGES %u UIDNEXT %u UNSEEN %u)",
	    b->n, b->uidnext, unseen);
	if (strstr(text, want) == NULL)
		walk_fail(&v->w, want);
}

/* "* …" */
static void
judge_data(struct view *v, const struct step *s, struct slice rest)
{
	const char *text = rest.p;
	uint32_t n;

	if (walk_begins(rest, "SEARCH") && s->finds) {
		judge_search(v, s, slice_sub(rest, 7, SIZE_MAX));
	} else if (walk_begins(rest, "STATUS ") && s->status != -1) {
		judge_status(v, s, text);
	} else if (walk_begins(rest, "BYE") || walk_begins(rest, "NO ") ||
		   walk_begins(rest, "BAD ")) {
		walk_fail(&v->w, "why that?");
	} else if (number(&rest, &n)) {
		if (walk_begins(rest, "EXISTS")) {
			if (n < v->n || n > 64)
				walk_fail(&v->w, "EXISTS of fewer");
			while (v->n < n)
				v->uid[v->n++] = 0;
		} else if (walk_begins(rest, "EXPUNGE")) {
			if (n == 0 || n > v->n || s->keeps)
				walk_fail(&v->w, "EXPUNGE of that?");
			memmove(&v->uid[n - 1], &v->uid[n],
			    (--v->n - (n - 1)) * sizeof(v->uid[0]));
		} else if (walk_begins(rest, "FETCH")) {
			judge_fetch(v, s, n, text);
		}
	}
}

/* The view must be the model's now. */
static void
compare(struct view *v, const struct step *s)
{
	const struct box *b;

	if (s->after.selected == -1) {
		v->n = 0;
		return;
	}
	b = &s->after.box[s->after.selected];
	if (s->keeps)
		return;
	if (v->n != b->n)
		walk_fail(&v->w, "another number of messages");
	for (unsigned k = 0; k < b->n; k++) {
		if (v->uid[k] != 0 && v->uid[k] != b->m[k].uid)
			walk_fail(&v->w, "another message");
		v->uid[k] = b->m[k].uid;
	}
}

static void
judge_tagged(struct view *v, const struct step *s, struct slice rest)
{
	unsigned is = walk_begins(rest, "OK ")    ? OK
		      : walk_begins(rest, "NO ")  ? NO
		      : walk_begins(rest, "BAD ") ? BAD
						  : 0;

	if ((is & s->may) == 0)
		walk_fail(&v->w, "another answer");
	if (v->plus != s->plus)
		walk_fail(&v->w, "other continuations");
	if (is == OK && s->finds && !v->found)
		walk_fail(&v->w, "SEARCH without an answer");
	compare(v, s);
}

static void
judge_step(struct view *v, const struct step *s)
{
	struct buf all = BUF_INIT(1 << 20);
	struct slice line;
	size_t tag = strlen(s->tag);

	v->plus = 0;
	v->found = false;
	if (s->opens)
		v->n = 0;
	for (;;) {
		response(v, &line, &all);
		if (walk_begins(line, s->tag) && line.len > tag &&
		    line.p[tag] == ' ')
			break;
		if (walk_begins(line, "* "))
			judge_data(v, s, slice_sub(line, 2, SIZE_MAX));
		else if (walk_begins(line, "+ "))
			v->plus++;
		else
			walk_fail(&v->w, "what is this?");
	}
	judge_tagged(v, s, slice_sub(line, tag + 1, SIZE_MAX));
	buf_free(&all);
}

static void
judge(const struct client *c)
{
	struct view v = { .w = { .out = buf_slice(&peer.output) } };
	struct slice line;

	v.w.doing = LOGIN;
	if (!walk_line(&v.w, &line) || !walk_begins(line, "l OK "))
		walk_fail(&v.w, "no login");
	for (size_t i = 0; i < c->count; i++) {
		v.w.doing = c->in.data + c->steps[i].at;
		judge_step(&v, &c->steps[i]);
	}
	if (v.w.out.len > 0)
		walk_fail(&v.w, "nobody asked for this");
}

/* -- the house ------------------------------------------------------------ */

static int home;

static void
run_session(const char *tag, struct slice preread)
{
	struct imap_session_start start = { .fd = PEER_FD,
		.home = home,
		.user = "pip",
		.tag = tag,
		.preread = preread,
		.idle_ms = 60000,
		.literal_max = 1 << 20,
		.errors_max = 1000 };

	memcpy(start.boot_id, home_boot_id, sizeof(start.boot_id));
	if (imap_session_serve(&start) == -1)
		abort(); /* it calls its own store damaged */
}

static void
check_box(struct account *a, const struct box *b, const char *name)
{
	struct mailbox *mb = mailbox_open(a, slice_str(name), true);
	struct mailbox_status status;

	if ((mb != NULL) != b->exists)
		abort();
	if (mb == NULL)
		return;
	mailbox_status(mb, &status);
	if (status.exists != b->n || status.uidnext != b->uidnext)
		abort();
	for (unsigned k = 0; k < b->n; k++) {
		struct message m;

		if (mailbox_message(mb, k + 1, &m) == -1 ||
		    m.uid != b->m[k].uid || m.size != b->m[k].text + 10U)
			abort();
	}
	mailbox_close(mb);
}

/* Somebody else must see the same mail; w NULL: any mail at all. */
static void
check_home(const struct world *w)
{
	struct account *a = home_account(home);

	if (a == NULL)
		abort();
	for (int i = 0; w != NULL && i < BOXES; i++)
		check_box(a, &w->box[i], box_names[i]);
	account_close(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client c;
	bool commands;

	if (size < 4 || size > 8192)
		return 0;
	commands = (data[0] & 1) != 0;
	c = (struct client){
		.p = data + 3, .left = size - 3, .in = BUF_INIT(1 << 20)
	};
	world_init(&c.w);
	home = home_make();
	if ((data[0] & 3) != 0)
		put(&c, LOGIN);
	if (commands)
		make_commands(&c);
	else if (buf_append(&c.in, c.p, c.left) == -1)
		abort();
	peer_begin(buf_slice(&c.in), (uint32_t)data[1] << 8 | data[2]);
	front_run(&imap_protocol, 20, (data[0] & 4) == 0, run_session);
	if (commands)
		judge(&c);
	check_home(commands ? &c.w : NULL);
	home_remove(home);
	buf_free(&c.in);
	buf_free(&peer.output);
	return 0;
}
