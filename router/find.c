#include "router/find.h"

#include <stdio.h>

#include "common/base/log.h"
#include "common/config/config.h"

struct search {
	const struct config *config;
	const struct lookup *lookup;
	const struct path *path;
	struct found *f;
	bool tagged; /* the local part has a tag */
	struct slice user;
	struct slice tag;
};

bool
find_is_local(const struct config *c, const char *domain)
{
	return config_list_has(&c->domains, slice_str(domain));
}

/* The same address without its tag, in canonical form. */
static size_t
format_untagged(const struct search *s, char text[PATH_TEXT_MAX])
{
	struct path p = *s->path;

	p.local[s->user.len] = '\0';
	return path_format(&p, text);
}

static enum table_result
ask(struct search *s, enum lookup_map map, struct slice key)
{
	return s->lookup->ask(s->lookup->arg, map, key, &s->f->value);
}

/* A whole address, then without its tag. */
static enum table_result
ask_address(struct search *s, enum lookup_map map)
{
	char text[PATH_TEXT_MAX];
	size_t n = path_format(s->path, text);
	enum table_result rc = ask(s, map, slice_of(text, n));

	if (rc != TABLE_NOT_FOUND || !s->tagged)
		return rc;
	n = format_untagged(s, text);
	rc = ask(s, map, slice_of(text, n));
	if (rc == TABLE_FOUND)
		s->f->tag = s->tag;
	return rc;
}

static enum table_result
ask_local(struct search *s)
{
	struct slice local = slice_str(s->path->local);
	enum table_result rc = ask(s, MAP_ALIASES, local);

	s->f->name = local;
	if (rc != TABLE_NOT_FOUND || !s->tagged)
		return rc;
	rc = ask(s, MAP_ALIASES, s->user);
	s->f->name = s->user;
	if (rc == TABLE_FOUND)
		s->f->tag = s->tag;
	return rc;
}

static enum table_result
ask_domain(struct search *s)
{
	char key[PATH_DOMAIN_MAX + 2];

	(void)snprintf(key, sizeof(key), "@%s", s->path->domain);
	return ask(s, MAP_VIRTUAL, slice_str(key));
}

/* What a mailbox record says may be wrong; it must not get far. */
static bool
take_account(struct search *s)
{
	struct found *f = s->f;

	if (userdb_parse_mailbox(buf_slice(&f->value), &f->account) == 0 &&
	    f->account.uid >= s->config->user_uid_first &&
	    f->account.uid <= s->config->user_uid_last)
		return true;
	log_error("event=bad-mailbox-record address=%s@%s value=%s",
	    s->path->local, s->path->domain, buf_str(&f->value));
	return false;
}

/* True when the search is over. */
static bool
settle(struct search *s, enum table_result rc, enum find_kind kind)
{
	switch (rc) {
	case TABLE_NOT_FOUND:
		return false;
	case TABLE_ERROR:
		s->f->kind = FIND_TROUBLE;
		return true;
	case TABLE_FOUND:
		break;
	}
	s->f->kind = kind;
	if (kind == FIND_MAILBOX && !take_account(s))
		s->f->kind = FIND_TROUBLE;
	return true;
}

static void
search_others(struct search *s)
{
	if (settle(s, ask_address(s, MAP_VIRTUAL), FIND_VIRTUAL) ||
	    settle(s, ask_domain(s), FIND_VIRTUAL))
		return;
	s->f->kind = FIND_OTHER;
}

static void
search_ours(struct search *s)
{
	if (settle(s, ask_address(s, MAP_VIRTUAL), FIND_VIRTUAL) ||
	    settle(s, ask_local(s), FIND_ALIAS) ||
	    settle(s, ask_address(s, MAP_MAILBOXES), FIND_MAILBOX) ||
	    settle(s, ask_domain(s), FIND_VIRTUAL))
		return;
	s->f->kind = FIND_UNKNOWN;
}

void
find_address(const struct config *c, const struct lookup *lookup,
    const struct path *path, unsigned flags, struct found *f)
{
	struct search s = {
		.config = c, .lookup = lookup, .path = path, .f = f
	};

	*f = (struct found){ .kind = FIND_UNKNOWN };
	buf_init(&f->value, LOOKUP_VALUE_MAX);
	s.tagged =
	    path_split_tag(path, c->recipient_delimiter, &s.user, &s.tag);
	if ((flags & FIND_MAILBOX_ONLY) != 0)
		(void)settle(&s, ask_address(&s, MAP_MAILBOXES), FIND_MAILBOX);
	else if (path->kind == PATH_NAME && find_is_local(c, path->domain))
		search_ours(&s);
	else
		search_others(&s);
}

void
find_free(struct found *f)
{
	buf_free(&f->value);
}
