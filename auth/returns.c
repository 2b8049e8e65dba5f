#include "auth/returns.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/wire.h"

/* The first eight bytes find a ticket, as in ticket.c. */
#define NAME_SIZE 8

struct back {
	TAILQ_ENTRY(back) order;
	unsigned char bytes[TICKET_SIZE];
	int64_t until_ms;
	uint32_t front;
	uint32_t uid;
	uint8_t service;
	size_t user_len;
	char text[]; /* user and home, a NUL behind each */
};

TAILQ_HEAD(backs, back);

struct returns {
	struct backs oldest_first;
	struct map by_name;
	struct map by_uid; /* to size_t, owned: how many there are */
};

struct returns *
returns_new(void)
{
	struct returns *r = xcalloc(1, sizeof(*r));

	TAILQ_INIT(&r->oldest_first);
	return r;
}

/* -- counting --------------------------------------------------------------
 */

size_t
returns_of(const struct returns *r, uint32_t uid)
{
	const size_t *n = map_get_u64(&r->by_uid, uid);

	return n == NULL ? 0 : *n;
}

size_t
returns_count(const struct returns *r)
{
	return r->by_name.count;
}

static void
count_one(struct returns *r, uint32_t uid)
{
	size_t *n = map_get_u64(&r->by_uid, uid);

	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		(void)map_put_u64(&r->by_uid, uid, n);
	}
	++*n;
}

static void
count_off(struct returns *r, uint32_t uid)
{
	size_t *n = map_get_u64(&r->by_uid, uid);

	if (n != NULL && --*n == 0)
		free(map_del_u64(&r->by_uid, uid));
}

/* -- tickets ---------------------------------------------------------------
 */

static void
forget(struct returns *r, struct back *b)
{
	TAILQ_REMOVE(&r->oldest_first, b, order);
	(void)map_del_u64(&r->by_name, wire_get_u64(b->bytes));
	count_off(r, b->uid);
	explicit_bzero(b->bytes, sizeof(b->bytes));
	free(b);
}

void
returns_free(struct returns *r)
{
	if (r == NULL)
		return;
	while (!TAILQ_EMPTY(&r->oldest_first))
		forget(r, TAILQ_FIRST(&r->oldest_first));
	map_free(&r->by_name);
	map_free(&r->by_uid);
	free(r);
}

static void
forget_old(struct returns *r, int64_t now_ms)
{
	struct back *b;

	while ((b = TAILQ_FIRST(&r->oldest_first)) != NULL &&
	       b->until_ms <= now_ms)
		forget(r, b);
}

static struct back *
back_new(const struct ticket_worth *worth, const struct return_terms *terms)
{
	size_t user = strlen(worth->user);
	size_t home = strlen(worth->home);
	struct back *b = xcalloc(1, sizeof(*b) + user + home + 2);

	b->until_ms = terms->now_ms + terms->life_ms;
	b->front = terms->front;
	b->uid = worth->uid;
	b->service = worth->service;
	b->user_len = user;
	memcpy(b->text, worth->user, user + 1);
	memcpy(b->text + user + 1, worth->home, home + 1);
	return b;
}

bool
returns_issue(struct returns *r, const struct ticket_worth *worth,
    const struct return_terms *terms, unsigned char ticket[TICKET_SIZE])
{
	struct back *b;

	forget_old(r, terms->now_ms);
	if (r->by_name.count >= RETURNS_MAX ||
	    returns_of(r, worth->uid) >= terms->most)
		return false;
	b = back_new(worth, terms);
	do
		rand_bytes(b->bytes, TICKET_SIZE);
	while (map_get_u64(&r->by_name, wire_get_u64(b->bytes)) != NULL);
	(void)map_put_u64(&r->by_name, wire_get_u64(b->bytes), b);
	TAILQ_INSERT_TAIL(&r->oldest_first, b, order);
	count_one(r, b->uid);
	memcpy(ticket, b->bytes, TICKET_SIZE);
	return true;
}

static struct back *
find(const struct returns *r, struct slice ticket)
{
	struct back *b;

	if (ticket.len != TICKET_SIZE)
		return NULL;
	b = map_get_u64(&r->by_name, wire_get_u64(ticket.p));
	if (b == NULL ||
	    CRYPTO_memcmp(b->bytes + NAME_SIZE, ticket.p + NAME_SIZE,
		TICKET_SIZE - NAME_SIZE) != 0)
		return NULL;
	return b;
}

bool
returns_redeem(struct returns *r, struct slice ticket, uint8_t service,
    int64_t now_ms, struct ticket_worth *worth)
{
	struct back *b = find(r, ticket);
	const char *home;
	bool good;

	if (b == NULL)
		return false;
	home = b->text + b->user_len + 1;
	worth->service = b->service;
	worth->uid = b->uid;
	good =
	    b->service == service && now_ms < b->until_ms &&
	    slice_copy(worth->user, sizeof(worth->user), slice_str(b->text)) ==
		0 &&
	    slice_copy(worth->home, sizeof(worth->home), slice_str(home)) == 0;
	forget(r, b);
	return good;
}

void
returns_drop(struct returns *r, struct slice ticket)
{
	struct back *b = find(r, ticket);

	if (b != NULL)
		forget(r, b);
}

void
returns_drop_front(struct returns *r, uint8_t service, uint32_t front)
{
	struct back *next;
	struct back *b;

	for (b = TAILQ_FIRST(&r->oldest_first); b != NULL; b = next) {
		next = TAILQ_NEXT(b, order);
		if (b->front == front && b->service == service)
			forget(r, b);
	}
}
