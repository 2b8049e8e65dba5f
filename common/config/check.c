#include "common/config/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/ascii.h"
#include "common/base/file.h"
#include "common/base/num.h"
#include "common/config/network.h"

#define FILE_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Each returns NULL when text is right, or what would be. */
typedef const char *rule(const char *text);

/* Labels of letters, digits and '-' (RFC 1035 §2.3.1); IDNA as A-labels. */
static const char *
want_domain(const char *text)
{
	size_t n = strlen(text);
	size_t label = 0;

	if (n == 0 || n > 253)
		goto bad;
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '.' && label > 0) {
			label = 0;
			continue;
		}
		if (++label > 63 ||
		    (!ascii_alnum(text[i]) && text[i] != '-' && text[i] != '_'))
			goto bad;
	}
	if (label > 0)
		return NULL;
bad:
	return "a domain name such as example.org (international ones in "
	       "their xn-- form)";
}

static const char *
want_domain_or_none(const char *text)
{
	return text[0] == '\0' ? NULL : want_domain(text);
}

static const char *
want_network(const char *text)
{
	struct network n;

	if (network_parse(slice_str(text), &n) == 0)
		return NULL;
	return "an address or network such as 192.0.2.0/24 or [2001:db8::]/32";
}

static const char *
want_listener(const char *text)
{
	struct endpoint e;

	if (endpoint_parse(slice_str(text), &e) == 0)
		return NULL;
	return "address:port such as 127.0.0.1:25, [::1]:25 or *:25";
}

static const char *
want_path(const char *text)
{
	return text[0] == '/' ? NULL : "an absolute path";
}

static const char *
want_path_or_none(const char *text)
{
	return text[0] == '\0' ? NULL : want_path(text);
}

static const char *
want_log(const char *text)
{
	if (strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0 ||
	    text[0] == '/')
		return NULL;
	return "stderr, syslog or the absolute path of a file";
}

static const char *
want_level(const char *text)
{
	static const char *const levels[] = { "debug", "info", "warn",
		"error" };

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(text, levels[i]) == 0)
			return NULL;
	return "debug, info, warn or error";
}

static const char *
want_table(const char *text)
{
	static const char *const types[] = {
		"hash:", "btree:", "text:", "inline:"
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strncmp(text, types[i], strlen(types[i])) == 0 &&
		    text[strlen(types[i])] != '\0')
			return NULL;
	return "a table such as hash:aliases, btree:, text: or inline:";
}

static const char *
want_delimiter(const char *text)
{
	if (text[0] == '\0' || (text[1] == '\0' && ascii_print(text[0]) &&
				   !ascii_alnum(text[0]) && text[0] != '@'))
		return NULL;
	return "one sign such as + or -, or nothing";
}

static const char *
want_tls(const char *text)
{
	if (strcmp(text, "none") == 0 || strcmp(text, "may") == 0 ||
	    strcmp(text, "must") == 0)
		return NULL;
	return "none, may or must";
}

static const char *
want_port(const char *text)
{
	uint64_t v;

	if (num_parse(slice_str(text), 65535, &v) == 0 && v > 0)
		return NULL;
	return "port numbers";
}

static const struct {
	const char *key;
	rule *want;
} rules[] = {
	{ "hostname", want_domain_or_none },
	{ "domains", want_domain },
	{ "relay-domains", want_domain },
	{ "networks", want_network },
	{ "cleartext-networks", want_network },
	{ "state-directory", want_path },
	{ "run-directory", want_path },
	{ "table-directory", want_path },
	{ "program-directory", want_path_or_none },
	{ "log", want_log },
	{ "log-level", want_level },
	{ "listen-smtp", want_listener },
	{ "listen-submission", want_listener },
	{ "listen-submissions", want_listener },
	{ "listen-imap", want_listener },
	{ "listen-imaps", want_listener },
	{ "listen-pop3", want_listener },
	{ "listen-pop3s", want_listener },
	{ "tls-certificate", want_path_or_none },
	{ "tls-key", want_path_or_none },
	{ "recipient-delimiter", want_delimiter },
	{ "alias-maps", want_table },
	{ "virtual-alias-maps", want_table },
	{ "transport-maps", want_table },
	{ "relay-host-password-file", want_path_or_none },
	{ "relay-tls", want_tls },
	{ "relay-ports", want_port },
	{ "dns-trust-anchor", want_path_or_none },
	{ "clock-shift-file", want_path_or_none },
};

bool
check_value(const char *key, const char *text, char *why, size_t cap)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const char *wanted;

		if (strcmp(rules[i].key, key) != 0)
			continue;
		wanted = rules[i].want(text);
		if (wanted == NULL)
			return true;
		(void)snprintf(
		    why, cap, "'%s' is wrong here, it wants %s", text, wanted);
		return false;
	}
	return true;
}

static void
say(struct buf *problems, const char *path, const char *what)
{
	/* A full buffer of problems says enough. */
	(void)!buf_printf(problems, "%s: %s\n", path, what);
}

void
check_whole(const struct config *c, const char *path, struct buf *problems)
{
	if ((c->tls_certificate[0] == '\0') != (c->tls_key[0] == '\0'))
		say(problems, path,
		    "tls-certificate and tls-key go together: give both or "
		    "none");
	if (c->user_uid_first > c->user_uid_last)
		say(problems, path,
		    "user-uid-first is greater than user-uid-last");
	if (c->base_uid != 0 && c->base_uid + 64 > c->user_uid_first &&
	    c->base_uid <= c->user_uid_last)
		say(problems, path,
		    "base-uid .. base-uid+63 are the daemons' and may not lie "
		    "among the users' uids (user-uid-first .. user-uid-last)");
	if (c->queue_retry_min > c->queue_retry_max)
		say(problems, path,
		    "queue-retry-min is greater than queue-retry-max");
	if ((c->relay_host_user[0] == '\0') !=
	    (c->relay_host_password_file[0] == '\0'))
		say(problems, path,
		    "relay-host-user and relay-host-password-file go together");
	for (size_t i = 0; i < c->domains.count; i++)
		if (config_list_has(
			&c->relay_domains, slice_str(c->domains.items[i])))
			say(problems, path,
			    "a domain stands in domains and in relay-domains; "
			    "it can be only one of them");
}

void
check_file(const char *path, struct buf *problems)
{
	struct buf text = BUF_INIT(FILE_BYTES_MAX);
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	/* What cannot be read is told by who reads it. */
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		goto out;
	if ((st.st_mode & S_IWOTH) != 0)
		say(problems, path, "anybody can write it; chmod o-w mends it");
	if (file_read(fd, &text) == 0 && text.len > 0 &&
	    memchr(text.data, '\0', text.len) != NULL)
		say(problems, path, "it holds a NUL byte, which no text has");
out:
	buf_free(&text);
	fd_close(fd);
}
