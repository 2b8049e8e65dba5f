#include "common/base/slice.h"

#include <errno.h>

#include "common/base/ascii.h"
#include "common/base/mem.h"

bool
slice_ieq(struct slice a, struct slice b)
{
	return a.len == b.len && slice_istarts(a, b);
}

bool
slice_istarts(struct slice s, struct slice prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
			return false;
	return true;
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

struct slice
slice_cut(struct slice s, char c, struct slice *head)
{
	const char *at = s.len == 0 ? NULL : memchr(s.p, c, s.len);

	if (at == NULL) {
		*head = s;
		return SLICE_EMPTY;
	}
	*head = slice_of(s.p, (size_t)(at - s.p));
	return slice_of(at + 1, s.len - head->len - 1);
}

int
slice_copy(char *dst, size_t cap, struct slice s)
{
	if (cap > 0)
		dst[0] = '\0';
	if (s.len >= cap) {
		errno = ENOBUFS;
		return -1;
	}
	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL) {
		errno = EINVAL;
		return -1;
	}
	if (s.len > 0)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return 0;
}

char *
slice_dup(struct slice s)
{
	char *copy = xcalloc(s.len + 1, 1);

	if (s.len > 0)
		memcpy(copy, s.p, s.len);
	return copy;
}
