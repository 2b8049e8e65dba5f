#ifndef ROUTER_LOOKUP_H
#define ROUTER_LOOKUP_H

#include "common/address/path.h"
#include "common/table/table.h"

/*
 * lookup - how the rules of the router ask tables: the real ones, or those
 * of a unit test.
 */
enum lookup_map { MAP_MAILBOXES, MAP_ALIASES, MAP_VIRTUAL, MAP_TRANSPORT };

struct lookup {
	/* value is emptied first; its max bounds the answer. */
	enum table_result (*ask)(void *arg, enum lookup_map map,
	    struct slice key, struct buf *value);
	void *arg;
};

/* Bytes of an alias' targets, and with them the tables' longest values. */
#define LOOKUP_VALUE_MAX (1024 * 1024)

#endif
