#include "queue/limits.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "queue/sched.h"

#define WINDOW_LOCAL 100000.0 /* credits are limit enough */

void
limits_configure(const struct sched *s, struct limits *l, const struct dest *d)
{
	const struct config_destination *c = d->config;
	int64_t most = s->config->queue_concurrency;

	l->gap_ms = 0;
	if (d->kind != AGENT_RELAY) {
		l->window_max = WINDOW_LOCAL;
		l->window = WINDOW_LOCAL;
		return;
	}
	if (c != NULL && c->concurrency > 0)
		most = c->concurrency;
	if (c != NULL && c->rate_per_min > 0)
		l->gap_ms = MAX(60000 / c->rate_per_min, (int64_t)1);
	l->window_max = (double)most;
	if (l->window == 0 || l->window > l->window_max)
		l->window = MIN(LIMITS_WINDOW_FIRST, l->window_max);
}

struct limits *
limits_new(const struct sched *s, const struct dest *d)
{
	struct limits *l = xcalloc(1, sizeof(*l));

	TAILQ_INIT(&l->members);
	limits_configure(s, l, d);
	return l;
}

void
limits_join(struct limits *l, struct dest *d)
{
	d->limits = l;
	TAILQ_INSERT_TAIL(&l->members, d, member);
	l->member_count++;
	l->active += (unsigned)d->sent;
}

void
limits_leave(struct sched *s, struct dest *d)
{
	struct limits *l = d->limits;

	TAILQ_REMOVE(&l->members, d, member);
	l->member_count--;
	l->active -= (unsigned)d->sent;
	if (l->probe != NULL && l->probe->dest == d)
		l->probe = NULL; /* its end is told to others */
	d->limits = NULL;
	if (l->member_count > 0)
		return;
	heap_remove(&s->wakes, &l->wake);
	if (l->group != NULL)
		(void)map_del(&s->groups, slice_str(l->group));
	free(l->group);
	free(l);
}

bool
limits_allow(const struct limits *l, int64_t now_ms)
{
	if (l->until_ms > now_ms || l->next_ms > now_ms)
		return false;
	if (l->dead)
		return l->probe ==
		       NULL; /* one, to see whether it lives again */
	return (double)l->active < l->window || l->active == 0;
}
