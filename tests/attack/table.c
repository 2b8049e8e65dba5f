/*
 * Linked into master only: prints the table of the house, the messages and
 * the attempts, one a line, for the test, which has no list of its own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/ipc/messages.h"
#include "master/backoff.h"
#include "master/services.h"
#include "tests/attack/attack.h"

uint32_t __wrap_backoff_ms(const struct life *l, unsigned *failures);

/* One process life an attempt: who has been killed is wanted back at once. */
uint32_t
__wrap_backoff_ms(const struct life *l, unsigned *failures)
{
	(void)l;
	*failures = 0;
	return 0;
}

static void
print_services(void)
{
	const struct service *s;

	for (size_t i = 0; (s = service_at(i)) != NULL; i++)
		(void)printf("service %s %u may=%u listeners=%u tls=%d\n",
		    proc_name(s->proc), (unsigned)s->proc, s->may, s->listeners,
		    (s->files & FILE_TLS) != 0);
	for (unsigned a = 0; a < PROC_COUNT; a++)
		for (unsigned b = a + 1; b < PROC_COUNT; b++)
			if (service_may_talk((enum proc)a, (enum proc)b))
				(void)printf("pair %s %s\n",
				    proc_name((enum proc)a),
				    proc_name((enum proc)b));
}

__attribute__((constructor)) static void
print_table(void)
{
	const struct ipc_rule *r;
	const struct attempt *t;

	if (getenv("WM_ATTACK_TABLE") == NULL)
		return;
	(void)printf("rights read=%u write=%u connect=%u datagram=%u "
		     "thread=%u fork=%u pair=%u nobody=%u soft=%u session=%u\n",
	    MAY_READ, MAY_WRITE, MAY_CONNECT, MAY_DATAGRAM, MAY_THREAD,
	    MAY_FORK, MAY_PAIR, NOBODY, SOFT, SESSION);
	print_services();
	for (size_t i = 0; (r = ipc_rule_at(i)) != NULL; i++)
		(void)printf("message %u %s from=%u to=%u\n", r->type, r->name,
		    r->from, r->to);
	for (size_t i = 0; (t = attempt_at(i)) != NULL; i++)
		(void)printf("attempt %zu %s needs=%u own=%u\n", i, t->name,
		    t->needs, t->where_allowed);
	exit(0);
}
