#include "router/transport.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "common/base/ascii.h"
#include "common/base/log.h"
#include "common/base/num.h"

#define TRANSPORT_VALUE_MAX 1024

static bool
port_fine(struct slice text)
{
	uint64_t v;

	return num_parse(text, 65535, &v) == 0 && v > 0;
}

static bool
bracketed_fine(struct slice host)
{
	char literal[PATH_DOMAIN_MAX + 1];
	uint8_t address[16];

	if (host.len <= 2)
		return false;
	if (path_parse_literal(host, literal) == PATH_OK)
		return true;
	host = slice_sub(host, 1, host.len - 2);
	/* Unlike in mail addresses, IPv6 may go without its "IPv6:". */
	if (slice_copy(literal, sizeof(literal), host) == 0 &&
	    inet_pton(AF_INET6, literal, address) == 1)
		return true;
	return path_check_domain(host, false) == PATH_OK;
}

bool
transport_next_hop_fine(struct slice text)
{
	struct slice host, port;
	size_t end = 0;

	if (text.len == 0 || text.len > 320)
		return false;
	if (text.p[0] != '[') {
		bool has_port = memchr(text.p, ':', text.len) != NULL;

		port = slice_cut(text, ':', &host);
		return path_check_domain(host, false) == PATH_OK &&
		       (!has_port || port_fine(port));
	}
	while (end < text.len && text.p[end] != ']')
		end++;
	if (end == text.len)
		return false;
	host = slice_sub(text, 0, end + 1);
	port = slice_sub(text, end + 1, text.len);
	if (port.len > 0 &&
	    (port.p[0] != ':' || !port_fine(slice_sub(port, 1, port.len))))
		return false;
	return bracketed_fine(host);
}

/* "5.1.6" in front of the words, of that class? */
static bool
is_code(struct slice word, char class)
{
	unsigned dots = 0;

	if (word.len < 5 || word.len > 9 || word.p[0] != class ||
	    word.p[1] != '.' || word.p[word.len - 1] == '.')
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.p[i] == '.')
			dots++;
		else if (!ascii_digit(word.p[i]))
			return false;
	}
	return dots == 2;
}

static void
set_words(struct transport *t, char class, struct slice rest)
{
	struct slice word;
	struct slice words = slice_trim(slice_cut(rest, ' ', &word));

	if (is_code(word, class)) {
		(void)snprintf(
		    t->enhanced, sizeof(t->enhanced), "%.*s", SLICE_FMT(word));
	} else {
		(void)snprintf(
		    t->enhanced, sizeof(t->enhanced), "%c.0.0", class);
		words = rest;
	}
	if (words.len == 0)
		words = class == '5' ? SLICE("Mail is not taken here")
				     : SLICE("Mail is not taken now");
	(void)snprintf(t->text, sizeof(t->text), "%.*s",
	    (int)MIN(words.len, sizeof(t->text) - 1), words.p);
}

static bool
not_understood(struct transport *t)
{
	t->kind = TRANSPORT_DEFER;
	(void)snprintf(t->enhanced, sizeof(t->enhanced), "4.3.5");
	(void)snprintf(
	    t->text, sizeof(t->text), "Mail transport is configured wrongly");
	return false;
}

bool
transport_parse(struct slice value, struct transport *t)
{
	struct slice name;
	struct slice rest = slice_trim(slice_cut(value, ':', &name));

	*t = (struct transport){ .kind = TRANSPORT_NONE };
	name = slice_trim(name);
	if (name.len == 0 && rest.len == 0)
		return true; /* ":" as in Postfix: the default */
	if (name.len == 0 || slice_ieq(name, SLICE("relay")) ||
	    slice_ieq(name, SLICE("smtp"))) {
		if (name.len > 0 && rest.len == 0)
			return true; /* "smtp:": the default too */
		if (!transport_next_hop_fine(rest))
			return not_understood(t);
		t->kind = TRANSPORT_RELAY;
		(void)snprintf(
		    t->next_hop, sizeof(t->next_hop), "%.*s", SLICE_FMT(rest));
	} else if (slice_ieq(name, SLICE("local"))) {
		t->kind = TRANSPORT_LOCAL;
	} else if (slice_ieq(name, SLICE("discard"))) {
		t->kind = TRANSPORT_DISCARD;
	} else if (slice_ieq(name, SLICE("error"))) {
		t->kind = TRANSPORT_FAIL;
		set_words(t, '5', rest);
	} else if (slice_ieq(name, SLICE("retry"))) {
		t->kind = TRANSPORT_DEFER;
		set_words(t, '4', rest);
	} else {
		return not_understood(t);
	}
	return true;
}

static enum table_result
ask(const struct lookup *l, struct slice key, struct buf *value,
    struct transport *t)
{
	enum table_result rc = l->ask(l->arg, MAP_TRANSPORT, key, value);

	if (rc == TABLE_FOUND && !transport_parse(buf_slice(value), t))
		log_error("event=transport-not-understood key=%.*s value=%s",
		    SLICE_FMT(key), buf_str(value));
	return rc;
}

bool
transport_find(const struct lookup *l, const struct path *path, bool ours,
    struct transport *t)
{
	struct buf value = BUF_INIT(TRANSPORT_VALUE_MAX);
	struct slice domain = slice_str(path->domain);
	bool parents = !ours && path->kind == PATH_NAME;
	char address[PATH_TEXT_MAX];
	enum table_result rc;
	size_t n = path_format(path, address);

	*t = (struct transport){ .kind = TRANSPORT_NONE };
	rc = ask(l, slice_of(address, n), &value, t);
	if (rc == TABLE_NOT_FOUND)
		rc = ask(l, domain, &value, t);
	/* ".example.net" for everything beneath it */
	for (size_t i = 1; parents && rc == TABLE_NOT_FOUND && i < domain.len;
	     i++)
		if (domain.p[i] == '.')
			rc =
			    ask(l, slice_sub(domain, i, domain.len), &value, t);
	if (rc == TABLE_NOT_FOUND && !ours)
		rc = ask(l, SLICE("*"), &value, t);
	buf_free(&value);
	return rc != TABLE_ERROR;
}
