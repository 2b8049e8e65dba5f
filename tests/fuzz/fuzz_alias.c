/*
 * libFuzzer: values of the administrator's tables: targets of aliases,
 * transports, users and their mailboxes, pairs of inline tables.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/table/entry.h"
#include "common/table/userdb.h"
#include "router/target.h"
#include "router/transport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Targets lie in the value, in their order, and come to an end. */
static void
check_targets(struct slice in)
{
	struct slice rest = in;
	struct slice text;
	size_t before;

	do {
		before = rest.len;
		if (target_next(&rest, &text) == TARGET_END)
			return;
		if (text.len > 0 &&
		    (text.p < in.p || text.p + text.len > in.p + in.len))
			abort();
	} while (rest.len < before);
	abort();
}

static void
check_transport(struct slice in)
{
	struct transport t;
	bool known = transport_parse(in, &t);

	if (!known && t.kind != TRANSPORT_DEFER)
		abort();
	if (t.kind == TRANSPORT_RELAY && t.next_hop[0] != '\0' &&
	    !transport_next_hop_fine(slice_str(t.next_hop)))
		abort();
	if (t.kind == TRANSPORT_FAIL && t.enhanced[0] != '5')
		abort();
	if (t.kind == TRANSPORT_DEFER && t.enhanced[0] != '4')
		abort();
}

static bool
same_user(const struct userdb_record *a, const struct userdb_record *b)
{
	return slice_eq(a->hash, b->hash) && slice_eq(a->home, b->home) &&
	       a->uid == b->uid && a->flags == b->flags;
}

/* What is read can be written, and is read as the same again. */
static void
check_users(struct slice in)
{
	struct userdb_record again;
	struct userdb_record a;
	struct buf b = BUF_INIT(USERDB_MAX);

	if (userdb_parse(in, &a) == 0) {
		if (!userdb_home_fine(a.home) || userdb_print(&a, &b) == -1 ||
		    userdb_parse(buf_slice(&b), &again) == -1 ||
		    !same_user(&a, &again))
			abort();
	}
	buf_truncate(&b, 0);
	if (userdb_parse_mailbox(in, &a) == 0) {
		if (!userdb_home_fine(a.home) ||
		    userdb_print_mailbox(&a, &b) == -1 ||
		    userdb_parse_mailbox(buf_slice(&b), &again) == -1 ||
		    a.uid != again.uid || !slice_eq(a.home, again.home))
			abort();
	}
	buf_free(&b);
}

static void
check_pairs(struct slice rest)
{
	struct slice key;
	struct slice value;
	size_t before;

	do
		before = rest.len;
	while (entry_inline_next(&rest, &key, &value) == ENTRY_OK &&
	       rest.len < before);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size > 8192)
		return 0;
	check_targets(in);
	check_transport(in);
	check_users(in);
	check_pairs(in);
	return 0;
}
