#include "master/backoff.h"

#include "common/base/attr.h"

uint32_t
backoff_ms(const struct life *l, unsigned *failures)
{
	const uint32_t most = l->own_will ? RENEWAL_MS : BACKOFF_MAX_MS;
	unsigned before = *failures;

	/*
	 * Whoever ends at once again and again waits, whatever it says; but
	 * one user's sessions that crash must not keep an usher away.
	 */
	if (l->lived_ms > STEADY_MS ||
	    (l->own_will && l->lived_ms > RENEWAL_MS))
		before = 0;
	*failures = before + 1;
	if (before == 0)
		return 0;
	return MIN((uint32_t)BACKOFF_FIRST_MS << MIN(before - 1, 10U), most);
}
