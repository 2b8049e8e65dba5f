/*
 * libFuzzer: whole IMAP connections, front and session, against a model.
 *
 * Byte 0: bit 0 structured commands (else raw bytes), bit 1 raw bytes come
 * behind a login, bit 2 no TLS, bit 3 the commands are of two clients of one
 * user, in turn. Bytes 1 and 2: how the bytes are cut. For structured
 * commands the model (imap_world.h) says what each may be answered and what
 * must be told; each client's view, built from that, must be the model's
 * after every command, and the store's at the end.
 */
#define PEER_MAIN
#include "tests/fuzz/peer.h"

#include "imapd/front.h"
#include "imapd/session.h"
#include "tests/fuzz/front.h"
#include "tests/fuzz/home.h"
#include "tests/fuzz/imap_client.h"
#include "tests/fuzz/imap_judge.h"
#include "tests/fuzz/turns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LOGIN "l LOGIN pip secret\r\n"

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

/* -- the clients ---------------------------------------------------------- */

static bool tls;

static void
run_front(void)
{
	front_run(&imap_protocol, 20, tls, run_session);
}

/* All of the session has been judged but the login in front. */
static void
judge_login(struct view *v, struct slice output)
{
	struct slice line;

	*v = (struct view){ .w = { .out = output, .doing = LOGIN } };
	if (!walk_line(&v->w, &line) || !walk_begins(line, "l OK "))
		walk_fail(&v->w, "no login");
}

/* With FUZZ_SHOW in the environment: who says what, for who looks for it. */
static void
show(const struct client *c, const struct slice output[SEATS])
{
	if (getenv("FUZZ_SHOW") == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		(void)fprintf(stderr, "%d: %.*s", c->steps[i].who,
		    (int)(c->steps[i].end - c->steps[i].at),
		    c->in[c->steps[i].who].data + c->steps[i].at);
	for (int i = 0; i < c->seats; i++)
		(void)fprintf(stderr, "-- %d\n%.*s\n", i, SLICE_FMT(output[i]));
}

static void
judge(const struct client *c, const struct slice output[SEATS])
{
	static struct view views[SEATS];

	show(c, output);
	for (int i = 0; i < c->seats; i++)
		judge_login(&views[i], output[i]);
	for (size_t i = 0; i < c->count; i++) {
		const struct step *s = &c->steps[i];
		struct view *v = &views[s->who];

		v->w.doing = c->in[s->who].data + s->at;
		judge_step(v, s, c->seats == 1);
	}
	for (int i = 0; i < c->seats; i++)
		if (views[i].w.out.len > 0)
			walk_fail(&views[i].w, "nobody asked for this");
}

/* One client, whose bytes come as they come. */
static void
run_alone(struct client *c, uint32_t dice, bool commands)
{
	struct slice output[SEATS] = { SLICE_EMPTY };

	peer_begin(buf_slice(&c->in[0]), dice);
	run_front();
	output[0] = buf_slice(&peer.output);
	if (commands)
		judge(c, output);
	buf_free(&peer.output);
}

/* Each command is over before somebody else says one. */
static void
run_in_turn(struct client *c, uint32_t dice)
{
	struct slice output[SEATS];

	if (pthread_mutex_lock(&turns.lock) != 0)
		abort();
	turns.session = run_front;
	for (int i = 0; i < SEATS; i++) {
		turns_begin(i, buf_slice(&c->in[i]), dice);
		turns_give(i, strlen(LOGIN));
	}
	for (size_t i = 0; i < c->count; i++)
		turns_give(c->steps[i].who, c->steps[i].end);
	for (int i = 0; i < SEATS; i++) {
		turns_end(i);
		output[i] = buf_slice(&turns.turn[i].peer.output);
	}
	if (pthread_mutex_unlock(&turns.lock) != 0)
		abort();
	judge(c, output);
	for (int i = 0; i < SEATS; i++)
		buf_free(&turns.turn[i].peer.output);
}

static void
make_clients(struct client *c, const uint8_t *data, size_t size)
{
	*c = (struct client){ .dice = { data + 3, size - 3 },
		.seats = (data[0] & 9) == 9 ? 2 : 1 };
	world_init(&c->w);
	for (c->who = SEATS; c->who-- > 0;) {
		buf_init(&c->in[c->who], 1 << 20);
		if ((data[0] & 3) != 0)
			put(c, LOGIN);
	}
	c->who = 0;
	if ((data[0] & 1) != 0)
		make_commands(c);
	else if (buf_append(&c->in[0], c->dice.p, c->dice.left) == -1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client c;
	uint32_t dice;
	bool commands;

	if (size < 4 || size > 8192)
		return 0;
	commands = (data[0] & 1) != 0;
	tls = (data[0] & 4) == 0;
	dice = (uint32_t)data[1] << 8 | data[2];
	make_clients(&c, data, size);
	home = home_make();
	if (c.seats > 1)
		run_in_turn(&c, dice);
	else
		run_alone(&c, dice, commands);
	check_home(commands ? &c.w : NULL);
	home_remove(home);
	for (int i = 0; i < SEATS; i++)
		buf_free(&c.in[i]);
	return 0;
}
