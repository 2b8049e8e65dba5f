#include "queue/id.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/rand.h"

#define TIME_DIGITS  11 /* 55 bits of microseconds: a thousand years */
#define NONCE_DIGITS 13

/* In the order of their bytes, without letters that look like digits. */
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void
qid_source_init(struct qid_source *s, uint64_t last_us)
{
	s->last_us = last_us;
	s->nonce = rand_u64();
}

struct qid
qid_next(struct qid_source *s)
{
	int64_t now = clock_wall_us();

	if (now > 0 && (uint64_t)now > s->last_us)
		s->last_us = (uint64_t)now;
	else
		s->last_us++;
	return (struct qid){ .time_us = s->last_us, .nonce = s->nonce };
}

static void
put_digits(uint64_t v, char *at, int n)
{
	while (n-- > 0) {
		at[n] = digits[v & 31];
		v >>= 5;
	}
}

void
qid_text(struct qid id, char text[QID_TEXT])
{
	put_digits(id.time_us, text, TIME_DIGITS);
	put_digits(id.nonce, text + TIME_DIGITS, NONCE_DIGITS);
	text[TIME_DIGITS + NONCE_DIGITS] = '\0';
}

/* -1 when a character is no digit or the number is over max. */
static int
get_digits(const char *at, int n, uint64_t max, uint64_t *v)
{
	*v = 0;
	for (int i = 0; i < n; i++) {
		const char *d = at[i] == '\0' ? NULL : strchr(digits, at[i]);

		if (d == NULL || *v > max >> 5)
			return -1;
		*v = *v << 5 | (uint64_t)(d - digits);
	}
	return *v > max ? -1 : 0;
}

int
qid_parse(struct slice text, struct qid *id)
{
	if (text.len == TIME_DIGITS + NONCE_DIGITS &&
	    get_digits(text.p, TIME_DIGITS, (1ULL << 55) - 1, &id->time_us) ==
		0 &&
	    get_digits(text.p + TIME_DIGITS, NONCE_DIGITS, UINT64_MAX,
		&id->nonce) == 0)
		return 0;
	errno = EINVAL;
	return -1;
}

int
qid_compare(struct qid a, struct qid b)
{
	if (a.time_us != b.time_us)
		return a.time_us < b.time_us ? -1 : 1;
	if (a.nonce != b.nonce)
		return a.nonce < b.nonce ? -1 : 1;
	return 0;
}
