#include "auth/users.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/scheme.h"
#include "common/address/path.h"
#include "common/base/ascii.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/table/write.h"

#define SAMPLE_ROWS 64

struct users {
	struct table *table;
	struct buf value;
	unsigned generation; /* of the table when sample was taken */
	char sample[SCHEME_HASH_MAX];
};

struct sampling {
	struct users *users;
	size_t rows;
};

struct users *
users_open(void)
{
	const struct table_place place = { .configured = "/", .seen = "/" };
	struct users *u = xcalloc(1, sizeof(*u));
	char err[512] = "";

	buf_init(&u->value, USERDB_MAX);
	u->table = table_open("hash:users", &place, err, sizeof(err));
	if (u->table == NULL)
		log_die("event=start-failed what=users error=%s", err);
	return u;
}

void
users_close(struct users *u)
{
	if (u == NULL)
		return;
	table_close(u->table);
	buf_wipe(&u->value);
	explicit_bzero(u->sample, sizeof(u->sample));
	free(u);
}

/* The first one whose hash costs time; else any. */
static int
take_sample(void *arg, struct slice key, struct slice value)
{
	struct sampling *s = arg;
	struct userdb_record a;

	(void)key;
	if (userdb_parse(value, &a) == -1 || a.hash.len >= SCHEME_HASH_MAX)
		return 0;
	if (a.hash.p[0] != '$' && s->users->sample[0] != '\0')
		return ++s->rows >= SAMPLE_ROWS;
	if (slice_copy(s->users->sample, SCHEME_HASH_MAX, a.hash) == -1)
		return 0;
	return s->users->sample[0] == '$' || ++s->rows >= SAMPLE_ROWS;
}

static void
refresh_sample(struct users *u)
{
	struct sampling s = { .users = u };
	char err[512] = "";

	if (u->generation == table_generation(u->table))
		return;
	u->generation = table_generation(u->table);
	u->sample[0] = '\0';
	if (table_each("/users.db", take_sample, &s, err) == -1)
		log_warn("event=table-failed table=users error=%s", err);
}

const char *
users_sample(const struct users *u)
{
	return u->sample;
}

enum table_result
users_find(struct users *u, const char *name, struct userdb_record *a)
{
	enum table_result rc;

	*a = (struct userdb_record){ .uid = 0 };
	/* Asked for in any case, so that a table in trouble shows. */
	rc = table_lookup(
	    u->table, slice_str(name[0] == '\0' ? "@" : name), &u->value);
	if (rc == TABLE_ERROR) {
		log_error("event=table-failed table=users error=%s",
		    table_problem(u->table));
		return rc;
	}
	refresh_sample(u);
	if (rc == TABLE_FOUND && userdb_parse(buf_slice(&u->value), a) == -1) {
		log_error("event=bad-user-record user=%s", name);
		return TABLE_ERROR;
	}
	return rc;
}

bool
users_name(const struct config *c, struct slice given, char name[321])
{
	/* Not from the heap: no memory would be no such user. */
	char full[1024];
	char text[PATH_TEXT_MAX];
	struct path p;
	bool ok = false;

	name[0] = '\0';
	if (given.len == 0 || slice_copy(full, sizeof(full), given) == -1)
		return false;
	if (memchr(given.p, '@', given.len) == NULL && c->domains.count > 0) {
		size_t room = sizeof(full) - given.len;
		int n = snprintf(
		    full + given.len, room, "@%s", c->domains.items[0]);

		if (n < 0 || (size_t)n >= room)
			return false;
	}
	if (path_from_address(&p, slice_str(full), PATH_ALLOW_UTF8) ==
		PATH_OK &&
	    p.kind == PATH_NAME) {
		size_t n = path_format(&p, text);

		ok = slice_copy(name, 321, slice_of(text, n)) == 0;
	}
	for (char *s = name; *s != '\0'; s++)
		*s = ascii_lower(*s);
	return ok;
}
