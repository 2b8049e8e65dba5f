#include "router/tables.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"

#define MAPS         4
#define LOG_EVERY_MS 5000 /* a table that fails fails for every mail */

struct tables {
	struct table_list maps[MAPS]; /* by enum lookup_map */
	int64_t logged_ms;
	unsigned long failures;
};

static const char *const names[MAPS] = { [MAP_MAILBOXES] = "mailboxes",
	[MAP_ALIASES] = "alias-maps",
	[MAP_VIRTUAL] = "virtual-alias-maps",
	[MAP_TRANSPORT] = "transport-maps" };

static enum table_result
ask(void *arg, enum lookup_map map, struct slice key, struct buf *value)
{
	struct tables *t = arg;
	struct table_list *l = &t->maps[map];
	enum table_result rc = table_list_lookup(l, key, value);
	int64_t now;

	if (rc != TABLE_ERROR)
		return rc;
	t->failures++;
	now = clock_boot_ms();
	if (t->logged_ms == 0 || now - t->logged_ms >= LOG_EVERY_MS) {
		t->logged_ms = now;
		log_error("event=table-failed map=%s table=%s error=%s "
			  "failures=%lu",
		    names[map], table_spec(l->failed), table_problem(l->failed),
		    t->failures);
	}
	return rc;
}

struct lookup
tables_lookup(struct tables *t)
{
	return (struct lookup){ .ask = ask, .arg = t };
}

unsigned long
tables_failures(const struct tables *t)
{
	return t->failures;
}

static int
open_map(struct tables *t, enum lookup_map map, char *const *specs,
    size_t count, const struct table_place *place)
{
	char err[512] = "";

	if (table_list_open(&t->maps[map], specs, count, place, err) == 0)
		return 0;
	log_error("event=bad-table map=%s error=%s", names[map], err);
	return -1;
}

struct tables *
tables_open(const struct config *c)
{
	const struct table_place place = { .configured = c->table_directory,
		.seen = "/" };
	char mailboxes[] = "hash:mailboxes";
	char *const own[] = { mailboxes };
	struct tables *t = xcalloc(1, sizeof(*t));

	if (open_map(t, MAP_MAILBOXES, own, 1, &place) == 0 &&
	    open_map(t, MAP_ALIASES, c->alias_maps.items, c->alias_maps.count,
		&place) == 0 &&
	    open_map(t, MAP_VIRTUAL, c->virtual_alias_maps.items,
		c->virtual_alias_maps.count, &place) == 0 &&
	    open_map(t, MAP_TRANSPORT, c->transport_maps.items,
		c->transport_maps.count, &place) == 0)
		return t;
	tables_close(t);
	return NULL;
}

void
tables_close(struct tables *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < MAPS; i++)
		table_list_close(&t->maps[i]);
	free(t);
}
