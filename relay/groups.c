#include "relay/groups.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

struct told {
	int64_t at_ms;
	uint64_t group; /* its hash */
};

bool
groups_news(struct groups *g, struct slice next_hop, const char *group)
{
	struct told *t = map_get(&g->told, next_hop);
	uint64_t hash = map_hash(slice_str(group));
	int64_t now = clock_boot_ms();

	if (t != NULL && t->group == hash && now - t->at_ms < GROUPS_AGAIN_MS)
		return false;
	if (t == NULL) {
		if (g->told.count >= GROUPS_MAX)
			groups_clear(g);
		t = xcalloc(1, sizeof(*t));
		(void)map_put(&g->told, next_hop, t);
	}
	t->at_ms = now;
	t->group = hash;
	return true;
}

void
groups_clear(struct groups *g)
{
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&g->told, &at, &key, &value))
		free(value);
	map_free(&g->told);
}
