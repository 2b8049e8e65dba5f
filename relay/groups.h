#ifndef RELAY_GROUPS_H
#define RELAY_GROUPS_H

#include <stdbool.h>

#include "common/base/map.h"

/*
 * groups - which sets of mail servers queue has been told of, so that it
 * hears of each next hop once in a while and not with every mail.
 */
#define GROUPS_MAX      10000  /* then all is forgotten and told anew */
#define GROUPS_AGAIN_MS 600000 /* told again after so long, or on change */

struct groups {
	struct map told; /* next hop -> struct told */
};

#define GROUPS_INIT                                                            \
	{                                                                      \
		.told = MAP_INIT                                               \
	}

/* Is this news for queue? It counts as told from now on. */
bool groups_news(struct groups *g, struct slice next_hop, const char *group);

/* Queue is a new one: it knows nothing. */
void groups_clear(struct groups *g);

#endif
