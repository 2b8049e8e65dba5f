#include "queue/limits.h"

#include <stdlib.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "queue/sched.h"

#define WINDOW_LOCAL 100000.0 /* credits are limit enough */

struct limits *
limits_new(void)
{
	struct limits *l = xcalloc(1, sizeof(*l));

	TAILQ_INIT(&l->members);
	return l;
}

static void
set_window(struct limits *l, double first, double most)
{
	l->window_max = most;
	if (l->window == 0 || l->window > most)
		l->window = MIN(first, most);
}

/* By what is configured for one of those who share it. */
static void
tighten(
    struct limits *l, const struct config_destination *c, int64_t *concurrency)
{
	int64_t gap_ms;

	if (c->concurrency > 0 &&
	    (*concurrency == 0 || c->concurrency < *concurrency))
		*concurrency = c->concurrency;
	if (c->rate_per_min > 0) {
		gap_ms = MAX(60000 / c->rate_per_min, (int64_t)1);
		l->gap_ms = MAX(l->gap_ms, gap_ms);
	}
}

void
limits_configure(const struct sched *s, struct limits *l)
{
	int64_t most = 0;
	struct dest *d;

	l->gap_ms = 0;
	if (TAILQ_FIRST(&l->members)->kind != AGENT_RELAY) {
		set_window(l, WINDOW_LOCAL, WINDOW_LOCAL);
		return;
	}
	TAILQ_FOREACH(d, &l->members, member)
	{
		if (d->config != NULL)
			tighten(l, d->config, &most);
	}
	if (most == 0)
		most = s->config->queue_concurrency;
	set_window(l, LIMITS_WINDOW_FIRST, (double)most);
}

void
limits_join(const struct sched *s, struct limits *l, struct dest *d)
{
	d->limits = l;
	TAILQ_INSERT_TAIL(&l->members, d, member);
	l->member_count++;
	l->active += (unsigned)d->sent;
	if (l->member_count == 1 || d->config != NULL)
		limits_configure(s, l);
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
	if (l->member_count > 0) {
		if (d->config != NULL)
			limits_configure(s, l);
		return;
	}
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
