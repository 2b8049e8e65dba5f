#include "common/base/recent.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/map.h"

struct recent_answer {
	int64_t asked_ms;
	size_t key_len;
	size_t value_len;
	char bytes[]; /* key, value */
};

static size_t
place_of(struct slice key)
{
	return (size_t)(map_hash(key) % RECENT_SLOTS);
}

void
recent_put(
    struct recent *r, struct slice key, struct slice value, int64_t asked_ms)
{
	struct recent_answer **place = &r->slots[place_of(key)];
	struct recent_answer *a;

	if (key.len == 0 || key.len > RECENT_BYTES ||
	    value.len > RECENT_BYTES - key.len || asked_ms <= r->cleared_ms)
		return;
	a = malloc(sizeof(*a) + key.len + value.len);
	if (a == NULL)
		return; /* it will be asked for again */
	a->asked_ms = asked_ms;
	a->key_len = key.len;
	a->value_len = value.len;
	memcpy(a->bytes, key.p, key.len);
	if (value.len > 0)
		memcpy(a->bytes + key.len, value.p, value.len);
	free(*place);
	*place = a;
}

bool
recent_get(const struct recent *r, struct slice key, int64_t now_ms,
    struct slice *value)
{
	const struct recent_answer *a = r->slots[place_of(key)];

	/* Asked later than now: somebody has shifted the clock. */
	if (a == NULL || now_ms < a->asked_ms ||
	    now_ms - a->asked_ms >= RECENT_MS ||
	    !slice_eq(slice_of(a->bytes, a->key_len), key))
		return false;
	*value = slice_of(a->bytes + a->key_len, a->value_len);
	return true;
}

void
recent_clear(struct recent *r, int64_t now_ms)
{
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		free(r->slots[i]);
	*r = (struct recent){ .cleared_ms = now_ms };
}

void
recent_wait(void)
{
	struct timespec left = { 0, (RECENT_MS + 1) * 1000000 };

	while (nanosleep(&left, &left) == -1)
		continue;
}
