/*
 * libFuzzer: deliveries to a server that says what it likes.
 *
 * Byte 0: recipients (1 to 3), and bit 7 without PIPELINING. Each further
 * byte is the reply to one line of ours: the polite one, another one, raw
 * bytes of the input and then nothing more, or the end. A model of what the
 * server has said (RFC 5321 §4.1.1, RFC 2920) says which recipients it has
 * taken; each is told once what became of it, and told "done" exactly then.
 */
#include "tests/unit/relay/world.h"

#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RCPTS   3
#define CONTENT "Subject: x\r\n\r\n.\r\n..y\r\nend\r\n"

static const char *const rcpts[RCPTS + 1] = { "r0@remote.test",
	"r1@remote.test", "r2@remote.test", NULL };

/* clang-format off */
static const char *const replies[] = {
	"250 2.0.0 ok\r\n", "220 fake ESMTP\r\n", "354 go\r\n",
	"421 4.3.2 bye\r\n", "450 4.2.1 later\r\n", "451 4.7.1 grey\r\n",
	"452 4.5.3 many\r\n", "500 what\r\n", "502 no\r\n", "503 5.5.1 bad\r\n",
	"550 5.1.1 none\r\n", "552 5.2.2 full\r\n", "554 5.7.1 no\r\n",
	"251 will forward\r\n", "252 2.1.5 perhaps\r\n", "221 2.0.0 bye\r\n",
	"250-one\r\n250-two\r\n250 three\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n",
	"250\r\n", "450\r\n", "250 \r\n", "550-\r\n550\r\n",
	"250-fake\r\n250-SIZE 5\r\n250 DSN\r\n", "250-fake\r\n250 SIZE\r\n",
	"250-fake\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING\r\n",
};
/* clang-format on */

/* What one server has said on one connection. */
struct talk_model {
	const struct client *c;
	bool odd;          /* raw bytes, or content out of turn: no rules */
	bool mail;         /* there is a transaction */
	unsigned accepted; /* its recipients, as bits */
};

static struct talk_model talks[64];
static size_t talk_count;
static unsigned taken; /* recipients a server has taken, as bits */
static bool odd;       /* on some connection */
static bool never_twice;
static const uint8_t *dice;
static size_t dice_left;

static struct talk_model *
talk_of(const struct client *c)
{
	for (size_t i = 0; i < talk_count; i++)
		if (talks[i].c == c)
			return &talks[i];
	if (talk_count == ARRAY_LEN(talks))
		abort();
	talks[talk_count] = (struct talk_model){ .c = c };
	return &talks[talk_count++];
}

static void
note(struct talk_model *t, const char *line, const char *reply)
{
	bool yes = reply[0] == '2';
	bool takes = strncmp(reply, "354", 3) == 0;

	if (takes && strcmp(line, "DATA") != 0)
		t->odd = true;
	else if (strncmp(line, "RCPT TO:<r", 10) == 0 && yes && t->mail)
		t->accepted |= 1U << (line[10] - '0');
	else if (strncmp(line, "MAIL", 4) == 0 || strcmp(line, "RSET") == 0 ||
		 strncmp(line, "EHLO", 4) == 0) {
		t->mail = line[0] == 'M' && yes;
		t->accepted = 0;
	} else if (strcmp(line, ".") == 0) {
		if (yes && (taken & t->accepted) != 0 && !t->odd)
			never_twice = false;
		if (yes)
			taken |= t->accepted;
		t->mail = false;
		t->accepted = 0;
	}
	odd = odd || t->odd;
}

/* Some of the input, as it is; then the end. */
static const char *
raw(struct client *c, struct talk_model *t)
{
	size_t n = MIN(dice_left, (size_t)1 + dice_left % 40);

	t->odd = true;
	odd = true;
	(void)stream_write(c->s, dice, n);
	dice += n;
	dice_left -= n;
	return NULL;
}

static const char *
last_mail(const struct server *v)
{
	return v->mail_count == 0 ? "" : v->mails[v->mail_count - 1];
}

static const char *
say(struct client *c, const char *line)
{
	struct talk_model *t = talk_of(c);
	const char *reply = polite(c, line);
	uint8_t die = dice_left == 0 ? 0 : *dice;

	if (dice_left > 0) {
		dice++;
		dice_left--;
	}
	/* Content is for somebody; for nobody there is but a dot (RFC 2920). */
	if (strcmp(line, ".") == 0 && t->accepted == 0 && !t->odd &&
	    last_mail(&world.server)[0] != '\0')
		abort();
	/* It counts good recipients, whatever it has said of them. */
	if (strcmp(line, "DATA") == 0)
		reply = t->accepted != 0 ? "354 go\r\n" : "503 no\r\n";
	if (die == 255)
		return raw(c, t);
	if (die == 254)
		return NULL;
	if (die >= 100)
		reply = replies[die % ARRAY_LEN(replies)];
	note(t, line, reply);
	return reply;
}

static const char *
say_plainly(struct client *c, const char *line)
{
	const char *reply = say(c, line);

	if (reply != NULL && strncmp(line, "EHLO", 4) == 0 && reply[0] == '2')
		return "250 fake\r\n";
	return reply;
}

/* -- the world ------------------------------------------------------------ */

static void
forget_clients(struct world *w)
{
	struct server *v = &w->server;

	pool_free(w->pool);
	for (int i = 0; i < 3; i++)
		(void)event_base_loop(w->base, EVLOOP_NONBLOCK);
	for (size_t i = 0; i < v->client_count; i++) {
		stream_free(v->clients[i]->s);
		buf_free(&v->clients[i]->content);
		free(v->clients[i]);
	}
	for (size_t i = 0; i < v->mail_count; i++)
		free(v->mails[i]);
	buf_free(&v->lines);
	v->client_count = v->mail_count = 0;
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	w->result_count = 0;
}

/* Each recipient once, and "done" where a server took it. */
static void
judge(const struct world *w, size_t count)
{
	unsigned told = 0;
	unsigned done = 0;

	for (size_t i = 0; i < w->result_count; i++) {
		unsigned bit = 1U << w->results[i].rcpt;

		if ((told & bit) != 0)
			abort();
		told |= bit;
		if (w->results[i].o.status == STATUS_DONE)
			done |= bit;
	}
	if (told != (1U << count) - 1)
		abort();
	if (!odd && done != taken)
		abort(); /* lost, or sent again */
	if (!never_twice)
		abort();
	for (size_t i = 0; !odd && i < w->server.mail_count; i++)
		if (w->server.mails[i][0] != '\0' &&
		    strcmp(w->server.mails[i], CONTENT) != 0)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = &world;
	const char *some[RCPTS + 1] = { NULL };
	size_t count;

	if (size < 2 || size > 512)
		return 0;
	if (w->base == NULL) {
		world_open(w);
		log_level(LOG_FAIL + 1);
	}
	count = 1 + data[0] % RCPTS;
	memcpy(some, rcpts, count * sizeof(some[0]));
	talk_count = 0;
	taken = 0;
	odd = false;
	never_twice = true;
	dice = data + 1;
	dice_left = size - 1;
	w->server.script = (data[0] & 128) != 0 ? say_plainly : say;
	deliver(w, job(at(&w->server), CONTENT, some));
	judge(w, count);
	forget_clients(w);
	return 0;
}
