#include "auth/ticket.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/wire.h"

/*
 * The first eight bytes find a ticket, the others are compared in constant
 * time. All live equally long, so the ring is in the order they end.
 */
#define NAME_SIZE 8

struct ticket {
	bool live;
	unsigned char bytes[TICKET_SIZE];
	int64_t until_ms;
	struct ticket_worth worth;
};

struct tickets {
	struct ticket *ring; /* TICKETS_MAX, owned */
	size_t next;         /* where the next one goes */
	struct map by_name;  /* to struct ticket, borrowed from ring */
};

struct tickets *
tickets_new(void)
{
	struct tickets *t = xcalloc(1, sizeof(*t));

	t->ring = xcalloc(TICKETS_MAX, sizeof(*t->ring));
	return t;
}

void
tickets_free(struct tickets *t)
{
	if (t == NULL)
		return;
	map_free(&t->by_name);
	explicit_bzero(t->ring, TICKETS_MAX * sizeof(*t->ring));
	free(t->ring);
	free(t);
}

static void
forget(struct tickets *t, struct ticket *k)
{
	if (!k->live)
		return;
	(void)map_del_u64(&t->by_name, wire_get_u64(k->bytes));
	explicit_bzero(k, sizeof(*k));
}

void
tickets_issue(struct tickets *t, const struct ticket_worth *worth,
    int64_t now_ms, unsigned char ticket[TICKET_SIZE])
{
	struct ticket *k = &t->ring[t->next];
	struct ticket *same;

	t->next = (t->next + 1) % TICKETS_MAX;
	forget(t, k);
	rand_bytes(k->bytes, TICKET_SIZE);
	k->live = true;
	k->until_ms = now_ms + TICKET_LIFE_MS;
	k->worth = *worth;
	same = map_get_u64(&t->by_name, wire_get_u64(k->bytes));
	if (same != NULL)
		forget(t, same); /* in 2^64 draws or so */
	(void)map_put_u64(&t->by_name, wire_get_u64(k->bytes), k);
	memcpy(ticket, k->bytes, TICKET_SIZE);
}

bool
tickets_redeem(struct tickets *t, struct slice ticket, uint8_t service,
    int64_t now_ms, struct ticket_worth *worth)
{
	struct ticket *k;
	bool good;

	if (ticket.len != TICKET_SIZE)
		return false;
	k = map_get_u64(&t->by_name, wire_get_u64(ticket.p));
	if (k == NULL)
		return false;
	good = CRYPTO_memcmp(k->bytes + NAME_SIZE, ticket.p + NAME_SIZE,
		   TICKET_SIZE - NAME_SIZE) == 0 &&
	       k->worth.service == service && now_ms < k->until_ms;
	if (good)
		*worth = k->worth;
	forget(t, k);
	return good;
}
