#ifndef TESTS_UNIT_ROUTER_FAKE_H
#define TESTS_UNIT_ROUTER_FAKE_H

#include <string.h>

#include "common/base/ascii.h"
#include "router/lookup.h"

/* Tables of a test: rows until map -1. A value NULL: the lookup fails. */
struct fake_row {
	int map;
	const char *key;
	const char *value;
};

static enum table_result
fake_ask(void *arg, enum lookup_map map, struct slice key, struct buf *value)
{
	const struct fake_row *r = arg;

	buf_truncate(value, 0);
	for (; r->map != -1; r++) {
		if (r->map != (int)map || !slice_ieq(key, slice_str(r->key)))
			continue;
		if (r->value == NULL || buf_append_str(value, r->value) == -1)
			return TABLE_ERROR;
		return TABLE_FOUND;
	}
	return TABLE_NOT_FOUND;
}

static inline struct lookup
fake_lookup(struct fake_row *rows)
{
	return (struct lookup){ .ask = fake_ask, .arg = rows };
}

#endif
