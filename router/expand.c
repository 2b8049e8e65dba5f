#include "router/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address/idna.h"
#include "common/base/ascii.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "router/target.h"

void
expansion_init(struct expansion *x, const struct config *c,
    const struct lookup *lookup, struct route_answer *a)
{
	*x = (struct expansion){ .config = c, .lookup = lookup, .answer = a };
}

void
expansion_free(struct expansion *x)
{
	for (size_t i = 0; i < x->owner_count; i++)
		free(x->owners[i]);
	free(x->owners);
	free(x->items);
	map_free(&x->expanded);
	map_free(&x->answered);
}

void
expansion_add(struct expansion *x, const struct item *item)
{
	struct item copy = *item; /* may lie in items, which moves */

	if (x->count == ROUTE_RESULTS_MAX) {
		x->too_many = true;
		return;
	}
	if (x->count == x->cap) {
		x->cap = x->cap == 0 ? 8 : x->cap * 2;
		x->items = xreallocarray(x->items, x->cap, sizeof(*x->items));
	}
	x->items[x->count++] = copy;
}

bool
expansion_descends(
    const struct expansion *x, size_t at, const struct path *path)
{
	while (x->items[at].parent != at) {
		const struct path *p = &x->items[x->items[at].parent].path;

		at = x->items[at].parent;
		if (slice_ieq(slice_str(p->local), slice_str(path->local)) &&
		    slice_eq(slice_str(p->domain), slice_str(path->domain)))
			return true;
	}
	return false;
}

/* What makes two results the same for their receiver. */
static int
result_key(const struct ipc_route *m, struct buf *key)
{
	if (buf_append_byte(key, (char)m->kind) == -1)
		return -1;
	if (m->kind == ROUTE_LOCAL) {
		if (buf_append_slice(key, m->home) == -1 ||
		    buf_append_byte(key, '\0') == -1)
			return -1;
		return buf_append_slice(key, m->tag);
	}
	return buf_append_slice(key, m->address);
}

void
expansion_answer(struct expansion *x, const struct ipc_route *m)
{
	struct buf key = BUF_INIT(4096);
	struct buf payload = BUF_INIT(IPC_MAX_PAYLOAD);

	if (result_key(m, &key) == -1 || ipc_route_encode(m, &payload) == -1) {
		log_error(
		    "event=route-too-long address=%.*s", SLICE_FMT(m->address));
		x->failed = true;
	} else if (map_get(&x->answered, buf_slice(&key)) == NULL) {
		(void)map_put(&x->answered, buf_slice(&key), x);
		if (wire_put_bytes(&x->answer->payloads, buf_slice(&payload)) ==
		    -1)
			x->too_many = true;
		else
			x->answer->count++;
	}
	buf_free(&key);
	buf_free(&payload);
}

void
expansion_refuse(struct expansion *x, const char *address, const char *enhanced,
    const char *text)
{
	const struct ipc_route m = {
		.kind = enhanced[0] == '5' ? ROUTE_FAIL : ROUTE_DEFER,
		.address = slice_str(address),
		.enhanced = slice_str(enhanced),
		.text = slice_str(text),
	};

	expansion_answer(x, &m);
}

/*
 * An alias `list` whose lists of addresses have an owner: bounces go to
 * owner-list. Its index + 1, the parent's when there is none.
 */
static size_t
find_owner(struct expansion *x, const struct item *from, struct slice name)
{
	char key[PATH_LOCAL_MAX + 8];
	struct buf value = BUF_INIT(LOOKUP_VALUE_MAX);
	enum table_result rc;

	if (slice_istarts(name, SLICE("owner-")))
		return from->owner;
	(void)snprintf(key, sizeof(key), "owner-%.*s", SLICE_FMT(name));
	if (strlen(key) > PATH_LOCAL_MAX)
		return from->owner;
	rc =
	    x->lookup->ask(x->lookup->arg, MAP_ALIASES, slice_str(key), &value);
	buf_free(&value);
	if (rc == TABLE_ERROR)
		x->failed = true;
	if (rc != TABLE_FOUND)
		return from->owner;
	for (char *p = key; *p != '\0'; p++)
		*p = ascii_lower(*p);
	x->owners =
	    xreallocarray(x->owners, x->owner_count + 1, sizeof(*x->owners));
	x->owners[x->owner_count++] =
	    xasprintf("%s@%s", key, from->path.domain);
	return x->owner_count;
}

/* user+tag of the alias goes on to targets in our domains without a tag. */
static void
hand_on_tag(const struct expansion *x, struct path *p, const struct found *f)
{
	const char *delimiter = x->config->recipient_delimiter;
	struct slice user, tag;
	size_t n = strlen(p->local);

	if (f->tag.len == 0 || !find_is_local(x->config, p->domain) ||
	    path_split_tag(p, delimiter, &user, &tag) ||
	    n + 1 + f->tag.len > PATH_LOCAL_MAX)
		return;
	p->local[n] = delimiter[0];
	memcpy(p->local + n + 1, f->tag.p, f->tag.len);
	p->local[n + 1 + f->tag.len] = '\0';
}

/* The address a target means; bare names are in the alias' own domain. */
static bool
target_path(struct path *p, enum target_kind kind, struct slice text,
    const struct path *from)
{
	unsigned flags = PATH_ALLOW_UTF8;
	struct buf full = BUF_INIT(2 * PATH_TEXT_MAX);
	bool ok = false;

	if (kind == TARGET_DOMAIN) {
		*p = *from;
		ok = path_check_domain(text, true) == PATH_OK &&
		     slice_copy(p->domain, sizeof(p->domain), text) == 0;
		for (char *d = p->domain; ok && *d != '\0'; d++)
			*d = ascii_lower(*d);
		return ok;
	}
	if (path_from_address(p, text, flags) == PATH_OK)
		return true;
	if (buf_append_slice(&full, text) == 0 &&
	    buf_printf(&full, "@%s", from->domain) == 0)
		ok = path_from_address(p, buf_slice(&full), flags) == PATH_OK;
	buf_free(&full);
	return ok;
}

static void
refuse_target(struct expansion *x, const struct item *from,
    enum target_kind kind, struct slice text)
{
	char address[PATH_TEXT_MAX];
	const char *what = "an address that is none";

	if (kind == TARGET_COMMAND)
		what = "a command";
	else if (kind == TARGET_FILE)
		what = "a file";
	else if (kind == TARGET_INCLUDE)
		what = "a list in a file";
	(void)path_format(&from->path, address);
	log_error("event=alias-not-supported address=%s what=%s target=%.*s",
	    address, what, SLICE_FMT(text));
	expansion_refuse(x, address, "4.3.5",
	    "The address is an alias of something not supported here");
}

void
expansion_follow(struct expansion *x, size_t at, const struct found *f)
{
	struct item from = x->items[at]; /* items moves as it grows */
	struct slice rest = buf_slice(&f->value);
	struct slice text;
	enum target_kind kind;
	size_t owner = from.owner;

	if (f->kind == FIND_ALIAS)
		owner = find_owner(x, &from, f->name);
	while (
	    !x->too_many && (kind = target_next(&rest, &text)) != TARGET_END) {
		struct item next = { .parent = at,
			.depth = from.depth + 1,
			.literal = kind == TARGET_LITERAL,
			.owner = owner };

		if (kind == TARGET_COMMAND || kind == TARGET_FILE ||
		    kind == TARGET_INCLUDE ||
		    !target_path(&next.path, kind, text, &from.path)) {
			refuse_target(x, &from, kind, text);
			continue;
		}
		if (idna_path(&next.path) == -1)
			x->failed = true;
		hand_on_tag(x, &next.path, f);
		expansion_add(x, &next);
	}
}
