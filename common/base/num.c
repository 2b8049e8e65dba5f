#include "common/base/num.h"

#include <errno.h>

#include "common/base/ascii.h"

int
num_parse(struct slice s, uint64_t max, uint64_t *v)
{
	uint64_t n = 0;

	if (s.len == 0) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned d = (unsigned)(s.p[i] - '0');

		if (!ascii_digit(s.p[i])) {
			errno = EINVAL;
			return -1;
		}
		if (n > (UINT64_MAX - d) / 10 || n * 10 + d > max) {
			errno = ERANGE;
			return -1;
		}
		n = n * 10 + d;
	}
	*v = n;
	return 0;
}

static int
parse_scaled(struct slice s, uint64_t unit, uint64_t max, uint64_t *v)
{
	if (num_parse(s, max / unit, v) == -1)
		return -1;
	*v *= unit;
	return 0;
}

int
num_parse_size(struct slice s, uint64_t max, uint64_t *v)
{
	static const struct {
		char letter;
		unsigned shift;
	} units[] = { { 'k', 10 }, { 'm', 20 }, { 'g', 30 } };

	for (size_t i = 0; s.len > 0 && i < ARRAY_LEN(units); i++)
		if (ascii_lower(s.p[s.len - 1]) == units[i].letter)
			return parse_scaled(slice_of(s.p, s.len - 1),
			    1ULL << units[i].shift, max, v);
	return num_parse(s, max, v);
}

int
num_parse_time(struct slice s, uint64_t max_s, uint64_t *v_s)
{
	static const struct {
		char letter;
		unsigned seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };

	for (size_t i = 0; s.len > 0 && i < ARRAY_LEN(units); i++)
		if (ascii_lower(s.p[s.len - 1]) == units[i].letter)
			return parse_scaled(slice_of(s.p, s.len - 1),
			    units[i].seconds, max_s, v_s);
	return num_parse(s, max_s, v_s);
}
