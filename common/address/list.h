#ifndef COMMON_ADDRESS_LIST_H
#define COMMON_ADDRESS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address/token.h"
#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * list - the addresses of a header field (RFC 5322 §3.4, obsolete forms of
 * §4.4 included), one at a time. Anything is accepted; of malformed input
 * the most useful reading is given. Time is linear, nothing nests.
 */
#define ADDRESS_LIST_MAX 10000 /* entries; what follows is left out */
#define ADDRESS_TEXT_MAX 65536 /* bytes of one name or address; then cut */

enum address_kind {
	ADDRESS_MAILBOX,
	ADDRESS_GROUP,     /* a group begins; its name is in `name` */
	ADDRESS_GROUP_END, /* and ends */
};

/*
 * One entry; quoting undone, encoded words (RFC 2047) left as they are.
 * A slice with p == NULL was not there at all.
 */
struct address {
	enum address_kind kind;
	struct slice name;   /* display name, else the last comment */
	struct slice route;  /* obsolete "@a,@b" */
	struct slice local;  /* mailbox only */
	struct slice domain; /* mailbox only */
};

struct address_list {
	struct token_in c;
	struct buf phrase; /* words before '<', or the whole address */
	struct buf comment;
	struct buf spec; /* what stands between < and > */
	size_t count;
	bool in_group;
};

/* Begin with a field value, folding still in it, borrowed while open. */
void address_list_open(struct address_list *l, struct slice value);

/* Begin anew with another value and the memory of the last. */
void address_list_again(struct address_list *l, struct slice value);

/* The next entry, borrowed until the next call; false behind the last. */
bool address_list_next(struct address_list *l, struct address *a);

/* Release what the list owns. */
void address_list_close(struct address_list *l);

#endif
