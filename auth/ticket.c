#include "auth/ticket.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/wire.h"

/*
 * The first eight bytes find a ticket, the others are compared in constant
 * time.
 */
#define NAME_SIZE 8

struct ticket {
	TAILQ_ENTRY(ticket) order;
	unsigned char bytes[TICKET_SIZE];
	int64_t until_ms;
	uint32_t front;
	uint32_t uid;
	uint8_t service;
	size_t user_len;
	char text[]; /* user and home, a NUL behind each */
};

TAILQ_HEAD(queue, ticket);

struct tickets {
	size_t max;
	enum tickets_full full;
	struct queue oldest_first;
	struct map by_name;
	struct map by_uid; /* to size_t, owned: how many there are */
};

struct tickets *
tickets_new(size_t max, enum tickets_full full)
{
	struct tickets *t = xcalloc(1, sizeof(*t));

	t->max = max;
	t->full = full;
	TAILQ_INIT(&t->oldest_first);
	return t;
}

/* -- counting --------------------------------------------------------------
 */

size_t
tickets_of(const struct tickets *t, uint32_t uid)
{
	const size_t *n = map_get_u64(&t->by_uid, uid);

	return n == NULL ? 0 : *n;
}

size_t
tickets_count(const struct tickets *t)
{
	return t->by_name.count;
}

static void
count_one(struct tickets *t, uint32_t uid)
{
	size_t *n = map_get_u64(&t->by_uid, uid);

	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		(void)map_put_u64(&t->by_uid, uid, n);
	}
	++*n;
}

static void
count_off(struct tickets *t, uint32_t uid)
{
	size_t *n = map_get_u64(&t->by_uid, uid);

	if (n != NULL && --*n == 0)
		free(map_del_u64(&t->by_uid, uid));
}

/* -- tickets ---------------------------------------------------------------
 */

static void
forget(struct tickets *t, struct ticket *k)
{
	TAILQ_REMOVE(&t->oldest_first, k, order);
	(void)map_del_u64(&t->by_name, wire_get_u64(k->bytes));
	count_off(t, k->uid);
	explicit_bzero(k->bytes, sizeof(k->bytes));
	free(k);
}

void
tickets_free(struct tickets *t)
{
	if (t == NULL)
		return;
	while (!TAILQ_EMPTY(&t->oldest_first))
		forget(t, TAILQ_FIRST(&t->oldest_first));
	map_free(&t->by_name);
	map_free(&t->by_uid);
	free(t);
}

static void
forget_old(struct tickets *t, int64_t now_ms)
{
	struct ticket *k;

	while ((k = TAILQ_FIRST(&t->oldest_first)) != NULL &&
	       k->until_ms <= now_ms)
		forget(t, k);
}

/* Is there room for one more, for now or by what is given up? */
static bool
make_room(struct tickets *t)
{
	if (t->by_name.count < t->max)
		return true;
	if (t->full == TICKETS_REFUSE)
		return false;
	forget(t, TAILQ_FIRST(&t->oldest_first));
	return true;
}

static struct ticket *
ticket_new(const struct ticket_worth *worth, const struct ticket_terms *terms)
{
	size_t user = strlen(worth->user);
	size_t home = strlen(worth->home);
	struct ticket *k = xcalloc(1, sizeof(*k) + user + home + 2);

	k->until_ms = terms->now_ms + terms->life_ms;
	k->front = terms->front;
	k->uid = worth->uid;
	k->service = worth->service;
	k->user_len = user;
	memcpy(k->text, worth->user, user + 1);
	memcpy(k->text + user + 1, worth->home, home + 1);
	return k;
}

bool
tickets_issue(struct tickets *t, const struct ticket_worth *worth,
    const struct ticket_terms *terms, unsigned char ticket[TICKET_SIZE])
{
	struct ticket *k;

	forget_old(t, terms->now_ms);
	if (tickets_of(t, worth->uid) >= terms->most || !make_room(t))
		return false;
	k = ticket_new(worth, terms);
	do
		rand_bytes(k->bytes, TICKET_SIZE);
	while (map_get_u64(&t->by_name, wire_get_u64(k->bytes)) != NULL);
	(void)map_put_u64(&t->by_name, wire_get_u64(k->bytes), k);
	TAILQ_INSERT_TAIL(&t->oldest_first, k, order);
	count_one(t, k->uid);
	memcpy(ticket, k->bytes, TICKET_SIZE);
	return true;
}

static struct ticket *
find(const struct tickets *t, struct slice ticket)
{
	struct ticket *k;

	if (ticket.len != TICKET_SIZE)
		return NULL;
	k = map_get_u64(&t->by_name, wire_get_u64(ticket.p));
	if (k == NULL ||
	    CRYPTO_memcmp(k->bytes + NAME_SIZE, ticket.p + NAME_SIZE,
		TICKET_SIZE - NAME_SIZE) != 0)
		return NULL;
	return k;
}

bool
tickets_redeem(struct tickets *t, struct slice ticket, uint8_t service,
    int64_t now_ms, struct ticket_worth *worth)
{
	struct ticket *k = find(t, ticket);
	const char *home;
	bool good;

	if (k == NULL)
		return false;
	home = k->text + k->user_len + 1;
	worth->service = k->service;
	worth->uid = k->uid;
	good =
	    k->service == service && now_ms < k->until_ms &&
	    slice_copy(worth->user, sizeof(worth->user), slice_str(k->text)) ==
		0 &&
	    slice_copy(worth->home, sizeof(worth->home), slice_str(home)) == 0;
	forget(t, k);
	return good;
}

void
tickets_drop(struct tickets *t, struct slice ticket)
{
	struct ticket *k = find(t, ticket);

	if (k != NULL)
		forget(t, k);
}

void
tickets_drop_front(struct tickets *t, uint8_t service, uint32_t front)
{
	struct ticket *next;
	struct ticket *k;

	for (k = TAILQ_FIRST(&t->oldest_first); k != NULL; k = next) {
		next = TAILQ_NEXT(k, order);
		if (k->front == front && k->service == service)
			forget(t, k);
	}
}
