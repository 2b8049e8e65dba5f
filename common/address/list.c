#include "common/address/list.h"

#include <string.h>

#define NO_AT SIZE_MAX

/* Words being put together: where the last bare '@' stands, and quoting. */
struct words {
	struct buf *out;
	size_t at;    /* offset of the last '@' outside quotes, or NO_AT */
	bool quoted;  /* some of it was a quoted string */
	bool started; /* something was read, if only "" */
};

void
address_list_open(struct address_list *l, struct slice value)
{
	*l = (struct address_list){
		.c = { .in = value },
		.phrase = BUF_INIT(ADDRESS_TEXT_MAX),
		.comment = BUF_INIT(ADDRESS_TEXT_MAX),
		.spec = BUF_INIT(ADDRESS_TEXT_MAX),
	};
}

void
address_list_again(struct address_list *l, struct slice value)
{
	l->c = (struct token_in){ .in = value };
	l->count = 0;
	l->in_group = false;
}

void
address_list_close(struct address_list *l)
{
	buf_free(&l->phrase);
	buf_free(&l->comment);
	buf_free(&l->spec);
}

/* "[192.0.2.1]", with what is inside taken as it stands. */
static void
read_domain_literal(struct token_in *c, struct words *w)
{
	size_t start = c->at;

	while (
	    token_peek(c) != -1 && token_peek(c) != ']' && token_peek(c) != '>')
		c->at++;
	(void)token_skip(c, ']');
	token_put(w->out, slice_sub(c->in, start, c->at - start));
}

static void
read_word(struct token_in *c, struct words *w)
{
	int next = token_peek(c);

	w->started = true;
	if (next == '"') {
		w->quoted = true;
		token_quoted(c, w->out);
	} else if (next == '@') {
		w->at = w->out->len;
		token_put(w->out, slice_sub(c->in, c->at++, 1));
	} else if (next == '[') {
		read_domain_literal(c, w);
	} else {
		struct slice run = token_run(c, TOKEN_ADDRESS);

		if (run.len == 0) /* a control byte */
			c->at++;
		token_put(w->out, run);
	}
}

static bool
is_end(int c)
{
	return c == -1 || c == ',' || c == ';' || c == '<' || c == '>' ||
	       c == ':';
}

/*
 * Read words up to a separator. Where white space or a comment stood
 * between two of them one space stays, but none beside an '@'.
 */
static void
read_words(struct address_list *l, struct words *w)
{
	struct token_in *c = &l->c;
	bool gap;

	w->at = NO_AT;
	buf_truncate(w->out, 0);
	(void)token_cfws(c, &l->comment);
	while (!is_end(token_peek(c))) {
		read_word(c, w);
		gap = token_cfws(c, &l->comment);
		if (gap && w->out->len > 0 && w->at != w->out->len - 1 &&
		    !is_end(token_peek(c)) && token_peek(c) != '@')
			token_put(w->out, SLICE(" "));
	}
}

/* "a . b" stands for "a.b" in an address (RFC 5322 §4.4 obs-local-part). */
static void
squeeze_dots(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++) {
		bool beside = (n > 0 && b->data[n - 1] == '.') ||
			      (i + 1 < b->len && b->data[i + 1] == '.');

		if (b->data[i] != ' ' || !beside)
			b->data[n++] = b->data[i];
	}
	buf_truncate(b, n);
}

static struct slice
present(struct slice s)
{
	return s.p == NULL ? slice_of("", 0) : s;
}

/* What was read is an address: cut it at its '@'. */
static void
set_spec(struct address *a, struct words *w)
{
	struct slice all;

	if (!w->quoted && w->out->len > 0) {
		const char *at;

		squeeze_dots(w->out);
		at = memrchr(w->out->data, '@', w->out->len);
		w->at = at == NULL ? NO_AT : (size_t)(at - w->out->data);
	}
	all = present(buf_slice(w->out));
	a->local = slice_sub(all, 0, w->at);
	if (w->at != NO_AT)
		a->domain = slice_sub(all, w->at + 1, all.len);
}

/* "<@a,@b:local@domain>"; the cursor stands behind '<'. */
static void
read_angle(struct address_list *l, struct address *a)
{
	struct token_in *c = &l->c;
	struct words w = { .out = &l->spec };
	size_t colon;

	(void)token_cfws(c, &l->comment);
	if (token_peek(c) == '@') {
		for (colon = c->at; colon < c->in.len; colon++)
			if (c->in.p[colon] == ':' || c->in.p[colon] == '>')
				break;
		if (colon < c->in.len && c->in.p[colon] == ':') {
			a->route = slice_sub(c->in, c->at, colon - c->at);
			c->at = colon + 1;
		}
	}
	read_words(l, &w);
	set_spec(a, &w);
	while (token_peek(c) != -1 && token_peek(c) != '>' &&
	       token_peek(c) != ',' && token_peek(c) != ';')
		c->at++;
	(void)token_skip(c, '>');
}

/* Step over separators. True when a group was closed by one. */
static bool
skip_separators(struct address_list *l)
{
	for (;;) {
		(void)token_cfws(&l->c, NULL);
		if (token_skip(&l->c, ';')) {
			if (l->in_group)
				return true;
		} else if (!token_skip(&l->c, ',') && !token_skip(&l->c, '>')) {
			return false;
		}
	}
}

/* To the ',' or ';' behind an address; a comment there may be the name. */
static void
finish_mailbox(struct address_list *l)
{
	struct token_in *c = &l->c;

	(void)token_cfws(c, &l->comment);
	while (token_peek(c) != -1 && token_peek(c) != ',' &&
	       token_peek(c) != ';') {
		if (token_peek(c) == '"')
			token_quoted(c, NULL);
		else
			c->at++;
		(void)token_cfws(c, &l->comment);
	}
}

static void
read_mailbox(struct address_list *l, struct address *a, struct words *w)
{
	if (token_skip(&l->c, '<')) {
		read_angle(l, a);
		if (l->phrase.len > 0)
			a->name = buf_slice(&l->phrase);
	} else {
		set_spec(a, w);
		buf_truncate(&l->spec, 0);
	}
	finish_mailbox(l);
	if (a->name.p == NULL && l->comment.len > 0)
		a->name = buf_slice(&l->comment);
}

/* Read one entry; false when only a control byte or the like was there. */
static bool
read_entry(struct address_list *l, struct address *a)
{
	struct words w = { .out = &l->phrase };

	buf_truncate(&l->comment, 0);
	read_words(l, &w);
	if (token_peek(&l->c) == ':') {
		l->c.at++;
		if (l->in_group)
			return false;
		l->in_group = true;
		a->kind = ADDRESS_GROUP;
		a->name = present(buf_slice(&l->phrase));
		return true;
	}
	if (!w.started && token_peek(&l->c) != '<')
		return false;
	read_mailbox(l, a, &w);
	return true;
}

bool
address_list_next(struct address_list *l, struct address *a)
{
	while (l->count < ADDRESS_LIST_MAX) {
		*a = (struct address){ .kind = ADDRESS_MAILBOX };
		if (skip_separators(l) ||
		    (token_peek(&l->c) == -1 && l->in_group)) {
			l->in_group = false;
			a->kind = ADDRESS_GROUP_END;
			return true;
		}
		if (token_peek(&l->c) == -1)
			return false;
		if (read_entry(l, a)) {
			l->count++;
			return true;
		}
	}
	*a = (struct address){ .kind = ADDRESS_GROUP_END };
	if (!l->in_group)
		return false;
	l->in_group = false;
	return true;
}
