#include "cli/check.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/config/anchor.h"
#include "common/config/config.h"
#include "common/table/table.h"
#include "common/tls/ctx.h"

static int
check_table(const struct config *c, const char *key, const char *spec,
    struct buf *problems)
{
	struct table_place place = { .configured = c->table_directory,
		.seen = c->table_directory };
	char err[512] = "";
	struct table *t = table_open(spec, &place, err, sizeof(err));
	int rc = 0;

	if (t == NULL)
		rc = buf_printf(problems, "%s: %s: %s\n", key, spec, err);
	else if (table_check(t) == -1)
		rc = buf_printf(problems, "%s: %s: %s%s\n", key, spec,
		    table_problem(t),
		    strncmp(spec, "text:", 5) == 0 ? ""
						   : "; `wemmick map build` "
						     "makes it");
	table_close(t);
	return rc;
}

static int
check_tables(const struct config *c, struct buf *problems)
{
	const struct {
		const char *key;
		const struct config_list *list;
	} lists[] = {
		{ "alias-maps", &c->alias_maps },
		{ "virtual-alias-maps", &c->virtual_alias_maps },
		{ "transport-maps", &c->transport_maps },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct config_list *l = lists[i].list;

		if (l->count > TABLE_LIST_MAX &&
		    buf_printf(problems, "%s: more than %d tables\n",
			lists[i].key, TABLE_LIST_MAX) == -1)
			return -1;
		for (size_t n = 0; n < l->count; n++)
			if (check_table(
				c, lists[i].key, l->items[n], problems) == -1)
				return -1;
	}
	return 0;
}

/* 0 with a descriptor or -1 in *fd after a line in problems. */
static int
open_file(const char *key, const char *path, struct buf *problems, int *fd)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (*fd != -1)
		return 0;
	return buf_printf(problems, "%s: %s: %s\n", key, path, strerror(errno));
}

static int
check_secret(const char *key, const char *path, int fd, struct buf *notes)
{
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1 || (st.st_mode & 077) == 0 ||
	    ((st.st_mode & 07) == 0 && st.st_uid == 0))
		return 0;
	return buf_printf(
	    notes, "%s: %s can be read by others than root\n", key, path);
}

static int
check_tls(const struct config *c, struct buf *problems, struct buf *notes)
{
	char err[256] = "";
	struct tls_ctx *ctx;
	int cert = -1;
	int key = -1;
	int rc;

	if (c->tls_certificate[0] == '\0' && c->tls_key[0] == '\0')
		return 0; /* made at the first start */
	rc = open_file("tls-certificate", c->tls_certificate, problems, &cert);
	if (rc == 0)
		rc = open_file("tls-key", c->tls_key, problems, &key);
	if (rc == 0)
		rc = check_secret("tls-key", c->tls_key, key, notes);
	if (rc == 0 && cert != -1 && key != -1) {
		ctx = tls_ctx_server(cert, key, NULL, err, sizeof(err));
		if (ctx == NULL)
			rc = buf_printf(
			    problems, "tls-certificate, tls-key: %s\n", err);
		tls_ctx_unref(ctx);
	}
	fd_close(cert);
	fd_close(key);
	return rc;
}

static bool
has_anchor(int fd)
{
	struct buf text = BUF_INIT(ANCHOR_BYTES_MAX);
	struct anchor_in in;
	const char *record;
	struct slice owner;
	bool any = false;
	int rc = file_read(fd, &text);

	anchor_open(&in, buf_slice(&text));
	while (rc != -1 && (rc = anchor_next(&in, &record, &owner)) == 1)
		any = true;
	anchor_close(&in);
	buf_free(&text);
	return rc == 0 && any;
}

static int
check_anchor(const char *path, struct buf *problems)
{
	int fd;
	int rc;

	if (path[0] == '\0')
		return 0;
	rc = open_file("dns-trust-anchor", path, problems, &fd);
	if (rc == 0 && fd != -1 && !has_anchor(fd))
		rc = buf_printf(problems,
		    "dns-trust-anchor: %s: not a zone file with DS or DNSKEY "
		    "records\n",
		    path);
	fd_close(fd);
	return rc;
}

static int
check_files(const struct config *c, struct buf *problems, struct buf *notes)
{
	const char *secret = c->relay_host_password_file;
	int rc = 0;
	int fd;

	if (secret[0] != '\0') {
		rc = open_file(
		    "relay-host-password-file", secret, problems, &fd);
		if (rc == 0)
			rc = check_secret(
			    "relay-host-password-file", secret, fd, notes);
		fd_close(fd);
	}
	return rc == 0 ? check_anchor(c->dns_trust_anchor, problems) : rc;
}

static int
check_users(const struct config *c, struct buf *problems, struct buf *notes)
{
	char *path = xasprintf("%s/mailboxes.db", c->table_directory);
	int rc = 0;

	if (access(path, F_OK) == -1)
		rc = buf_printf(notes,
		    "there is no mailbox user yet; `wemmick user add` "
		    "makes one\n");
	else
		rc = check_table(c, "mailboxes", "hash:mailboxes", problems);
	free(path);
	if (rc == 0 && c->base_uid == 0 && getpwnam("wm-router") == NULL)
		rc = buf_printf(problems,
		    "base-uid: there are no system users wm-*; install the "
		    "sysusers.d file, or set base-uid\n");
	return rc;
}

int
check_places(const struct config *c, struct buf *problems, struct buf *notes)
{
	if (check_tables(c, problems) == -1 ||
	    check_tls(c, problems, notes) == -1 ||
	    check_files(c, problems, notes) == -1 ||
	    check_users(c, problems, notes) == -1)
		return -1;
	return 0;
}
