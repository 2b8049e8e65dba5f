#include "common/base/rand.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include "common/base/log.h"

void
rand_bytes(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t k = getrandom(at, n, 0);

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			log_die(
			    "event=no-random-bytes error=%s", strerror(errno));
		at += k;
		n -= (size_t)k;
	}
}

uint64_t
rand_u64(void)
{
	uint64_t v;

	rand_bytes(&v, sizeof(v));
	return v;
}

uint64_t
rand_below(uint64_t limit)
{
	uint64_t top = UINT64_MAX - UINT64_MAX % limit;
	uint64_t v;

	do
		v = rand_u64();
	while (v >= top);
	return v % limit;
}
