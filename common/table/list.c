#include <stdio.h>
#include <string.h>

#include "common/table/table.h"

int
table_list_open(struct table_list *l, char *const *specs, size_t count,
    const struct table_place *place, char err[512])
{
	char why[512] = "";

	memset(l, 0, sizeof(*l));
	if (count > TABLE_LIST_MAX) {
		(void)snprintf(err, 512, "more than %d tables", TABLE_LIST_MAX);
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		l->tables[i] = table_open(specs[i], place, why, sizeof(why));
		if (l->tables[i] == NULL) {
			(void)snprintf(
			    err, 512, "%.200s: %.300s", specs[i], why);
			table_list_close(l);
			return -1;
		}
		l->count++;
	}
	return 0;
}

void
table_list_close(struct table_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		table_close(l->tables[i]);
	memset(l, 0, sizeof(*l));
}

enum table_result
table_list_lookup(struct table_list *l, struct slice key, struct buf *value)
{
	enum table_result rc = TABLE_NOT_FOUND;

	l->failed = NULL;
	for (size_t i = 0; i < l->count && rc == TABLE_NOT_FOUND; i++) {
		rc = table_lookup(l->tables[i], key, value);
		if (rc == TABLE_ERROR)
			l->failed = l->tables[i];
	}
	return rc;
}
