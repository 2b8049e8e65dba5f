#include "relay/pool.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/mem.h"

struct idle {
	TAILQ_ENTRY(idle) entry;
	struct pool *p;
	struct session *s; /* owned */
	char *next_hop;    /* owned; NULL: saying QUIT */
};

TAILQ_HEAD(idle_list, idle);

struct pool {
	struct idle_list list; /* longest idle first */
	size_t count;
	size_t waiting; /* of them not saying QUIT */
	void (*changed)(void *arg);
	void *arg;
};

static void
unlist(struct idle *i)
{
	TAILQ_REMOVE(&i->p->list, i, entry);
	i->p->count--;
	if (i->next_hop != NULL)
		i->p->waiting--;
	free(i->next_hop);
	free(i);
}

static void
on_ended(void *arg, struct session *s, const struct outcome *why, bool greeted,
    bool try_clear)
{
	struct idle *i = arg;
	struct pool *p = i->p;

	(void)why;
	(void)greeted;
	(void)try_clear;
	unlist(i);
	session_free(s);
	if (p->changed != NULL)
		p->changed(p->arg);
}

/* An idle session sends nothing, so nothing else is told. */
static const struct session_ops idle_ops = { .ended = on_ended };

static struct idle *
add(struct pool *p, struct session *s, char *next_hop)
{
	struct idle *i = xcalloc(1, sizeof(*i));

	i->p = p;
	i->s = s;
	i->next_hop = next_hop;
	session_ops(s, &idle_ops, i);
	TAILQ_INSERT_TAIL(&p->list, i, entry);
	p->count++;
	if (next_hop != NULL)
		p->waiting++;
	return i;
}

static void
say_quit(struct idle *i)
{
	if (i->next_hop != NULL)
		i->p->waiting--;
	free(i->next_hop);
	i->next_hop = NULL;
	session_quit(i->s);
}

struct pool *
pool_new(void (*changed)(void *arg), void *arg)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	TAILQ_INIT(&p->list);
	p->changed = changed;
	p->arg = arg;
	return p;
}

void
pool_free(struct pool *p)
{
	struct idle *i;

	while ((i = TAILQ_FIRST(&p->list)) != NULL) {
		/* unlist() took the last one off: it is not this one. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		session_free(i->s);
		unlist(i);
	}
	free(p);
}

static void
make_room(struct pool *p)
{
	struct idle *i = TAILQ_FIRST(&p->list);

	while (i != NULL && i->next_hop == NULL)
		i = TAILQ_NEXT(i, entry);
	if (i != NULL)
		say_quit(i);
}

void
pool_put(struct pool *p, struct slice next_hop, struct session *s)
{
	if (p->waiting >= POOL_IDLE_MAX)
		make_room(p);
	(void)add(p, s, slice_dup(next_hop));
	session_idle(s, POOL_WAIT_MS);
}

void
pool_quit(struct pool *p, struct session *s)
{
	(void)add(p, s, NULL);
	session_quit(s);
}

struct session *
pool_take(struct pool *p, struct slice next_hop)
{
	struct idle *i;
	struct session *s;

	/* The one used last is the least likely to be closed by now. */
	for (i = TAILQ_LAST(&p->list, idle_list); i != NULL;
	     i = TAILQ_PREV(i, idle_list, entry)) {
		if (i->next_hop == NULL ||
		    !slice_ieq(slice_str(i->next_hop), next_hop) ||
		    !session_reusable(i->s))
			continue;
		s = i->s;
		unlist(i);
		return s;
	}
	return NULL;
}

void
pool_drain(struct pool *p)
{
	struct idle *i;

	TAILQ_FOREACH(i, &p->list, entry)
	if (i->next_hop != NULL)
		say_quit(i);
}

size_t
pool_count(const struct pool *p)
{
	return p->count;
}
