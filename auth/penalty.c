#include "auth/penalty.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/config/network.h"

struct entry {
	struct entry *older;
	struct entry *newer;
	char *key; /* owned */
	size_t key_len;
	unsigned busy; /* attempts being verified */
	unsigned score;
	int64_t forgiven_ms; /* when the score last went down */
	int64_t line_ms;     /* the end of the line of its attempts */
	uint64_t last;       /* the last failed attempt */
};

/* One kind of key, in the order of use. */
struct tally {
	struct map map; /* key to entry, owned */
	struct entry *oldest;
	struct entry *newest;
};

struct penalties {
	struct tally clients;
	struct tally users;
};

struct penalties *
penalties_new(void)
{
	return xcalloc(1, sizeof(struct penalties));
}

static void
unlink_entry(struct tally *t, struct entry *e)
{
	if (e->older != NULL)
		e->older->newer = e->newer;
	else
		t->oldest = e->newer;
	if (e->newer != NULL)
		e->newer->older = e->older;
	else
		t->newest = e->older;
	e->older = e->newer = NULL;
}

static void
link_newest(struct tally *t, struct entry *e)
{
	e->older = t->newest;
	if (t->newest != NULL)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
}

static void
drop(struct tally *t, struct entry *e)
{
	unlink_entry(t, e);
	(void)map_del(&t->map, slice_of(e->key, e->key_len));
	free(e->key);
	free(e);
}

static void
tally_free(struct tally *t)
{
	while (t->oldest != NULL)
		drop(t, t->oldest);
	map_free(&t->map);
}

void
penalties_free(struct penalties *p)
{
	if (p == NULL)
		return;
	tally_free(&p->clients);
	tally_free(&p->users);
	free(p);
}

static void
forgive(struct entry *e, int64_t now_ms)
{
	int64_t steps = (now_ms - e->forgiven_ms) / PENALTY_FORGIVE_MS;

	if (steps <= 0)
		return;
	e->score -= (unsigned)MIN(steps, (int64_t)e->score);
	e->forgiven_ms += steps * PENALTY_FORGIVE_MS;
}

static struct entry *
look_up(struct tally *t, struct slice key, int64_t now_ms)
{
	struct entry *e = map_get(&t->map, key);

	if (e != NULL)
		forgive(e, now_ms);
	return e;
}

static struct entry *
look_up_or_add(struct tally *t, struct slice key, int64_t now_ms)
{
	struct entry *e = look_up(t, key, now_ms);

	if (e != NULL) {
		unlink_entry(t, e);
		link_newest(t, e);
		return e;
	}
	if (t->map.count >= PENALTY_ENTRIES)
		drop(t, t->oldest);
	e = xcalloc(1, sizeof(*e));
	e->key = slice_dup(key);
	e->key_len = key.len;
	e->forgiven_ms = now_ms;
	(void)map_put(&t->map, key, e);
	link_newest(t, e);
	return e;
}

/* IPv4 addresses are one customer each, IPv6 /64s too. */
size_t
penalties_key(struct slice client, char key[PENALTY_KEY_MAX])
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff };
	size_t len = MIN(client.len, (size_t)PENALTY_KEY_MAX);
	struct network n;

	if (network_parse(client, &n) == -1) {
		if (len > 0)
			memcpy(key, client.p, len);
		return len;
	}
	len = memcmp(n.address, mapped, sizeof(mapped)) == 0 ? 16 : 8;
	memcpy(key, n.address, len);
	return len;
}

static int64_t
step(unsigned score, unsigned free_of_charge, int64_t longest)
{
	int64_t ms = PENALTY_STEP_MS;

	if (score < free_of_charge)
		return 0;
	for (; score > free_of_charge && ms < longest; score--)
		ms *= 2;
	return MIN(ms, longest);
}

int64_t
penalties_wait(
    struct penalties *p, struct slice client, struct slice user, int64_t now_ms)
{
	char key[PENALTY_KEY_MAX];
	size_t len = penalties_key(client, key);
	struct entry *c = look_up(&p->clients, slice_of(key, len), now_ms);
	struct entry *u = look_up(&p->users, user, now_ms);
	int64_t own = 0;
	int64_t wait = 0;

	if (u != NULL)
		own = step(u->score, PENALTY_FREE_USER, PENALTY_USER_MS);
	if (c != NULL)
		wait = step(c->score, PENALTY_FREE_CLIENT, PENALTY_CLIENT_MS);
	if (wait == 0)
		return own;
	wait += MAX(c->line_ms - now_ms, 0);
	if (wait > PENALTY_LINE_MS)
		return -1;
	c->line_ms = now_ms + wait;
	return MAX(wait, own);
}

static void
count(struct tally *t, struct slice key, uint64_t attempt, int64_t now_ms)
{
	struct entry *e = look_up_or_add(t, key, now_ms);

	if (e->score > 0 && e->last == attempt)
		return;
	e->last = attempt;
	if (e->score == 0)
		e->forgiven_ms = now_ms;
	if (e->score < PENALTY_SCORE_MAX)
		e->score++;
}

void
penalties_fail(struct penalties *p, struct slice client, struct slice user,
    uint64_t attempt, int64_t now_ms)
{
	char key[PENALTY_KEY_MAX];
	size_t len = penalties_key(client, key);

	count(&p->clients, slice_of(key, len), attempt, now_ms);
	count(&p->users, user, attempt, now_ms);
}

bool
penalties_enter(struct penalties *p, struct slice client, int64_t now_ms)
{
	char key[PENALTY_KEY_MAX];
	size_t len = penalties_key(client, key);
	struct entry *e =
	    look_up_or_add(&p->clients, slice_of(key, len), now_ms);

	if (e->busy >= PENALTY_PARALLEL)
		return false;
	e->busy++;
	return true;
}

void
penalties_leave(struct penalties *p, struct slice client, int64_t now_ms)
{
	char key[PENALTY_KEY_MAX];
	size_t len = penalties_key(client, key);
	struct entry *e = look_up(&p->clients, slice_of(key, len), now_ms);

	/* It may have made room for others meanwhile. */
	if (e == NULL)
		return;
	if (e->busy > 0)
		e->busy--;
	if (e->busy == 0 && e->score == 0 && e->line_ms <= now_ms)
		drop(&p->clients, e);
}

unsigned
penalties_score(struct penalties *p, struct slice client, int64_t now_ms)
{
	char key[PENALTY_KEY_MAX];
	size_t len = penalties_key(client, key);
	const struct entry *e =
	    look_up(&p->clients, slice_of(key, len), now_ms);

	return e == NULL ? 0 : e->score;
}
