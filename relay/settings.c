#include "relay/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/config/config.h"
#include "common/tls/ctx.h"
#include "relay/own.h"

#define PASSWORD_MAX 1024

static enum relay_tls
tls_of(const char *word)
{
	if (strcmp(word, "none") == 0)
		return RELAY_TLS_NONE;
	return strcmp(word, "must") == 0 ? RELAY_TLS_MUST : RELAY_TLS_MAY;
}

static int
read_password(struct settings *s, int fd)
{
	struct buf text = BUF_INIT(PASSWORD_MAX);
	int rc = -1;

	if (fd == -1 || file_pread(fd, &text) == -1) {
		log_error("event=relay-setup-failed "
			  "what=relay-host-password-file "
			  "error=\"cannot be read\"");
		goto out;
	}
	while (text.len > 0 && (text.data[text.len - 1] == '\n' ||
				   text.data[text.len - 1] == '\r'))
		buf_truncate(&text, text.len - 1);
	s->password = slice_dup(buf_slice(&text));
	rc = 0;
out:
	buf_wipe(&text);
	return rc;
}

static void
read_ports(struct settings *s, const struct config *c)
{
	uint64_t port;

	for (size_t i = 0; i < c->relay_ports.count; i++)
		if (s->port_count < RELAY_PORTS_MAX &&
		    num_parse(slice_str(c->relay_ports.items[i]), UINT16_MAX,
			&port) == 0)
			s->ports[s->port_count++] = (uint16_t)port;
}

int
settings_read(struct settings *s, const struct config *c, int password_fd)
{
	char err[256] = "";

	*s = (struct settings){ .hostname = c->hostname,
		.tls = tls_of(c->relay_tls),
		.connect_ms = c->relay_connect_timeout * 1000,
		.reply_ms = c->relay_timeout * 1000,
		.port = (uint16_t)c->relay_port,
		.listeners = &c->listen_smtp,
		.user = c->relay_host_user };
	(void)snprintf(
	    s->relay_host, sizeof(s->relay_host), "%s", c->relay_host);
	read_ports(s, c);
	s->own_count = own_addresses(s->own, RELAY_OWN_MAX);
	if (s->user[0] != '\0' && read_password(s, password_fd) == -1)
		return -1;
	s->ctx = tls_ctx_client(false, -1, err, sizeof(err));
	if (s->ctx == NULL) {
		log_error("event=relay-setup-failed what=tls error=%s", err);
		return -1;
	}
	return 0;
}

void
settings_free(struct settings *s)
{
	tls_ctx_unref(s->ctx);
	s->ctx = NULL;
	if (s->password != NULL)
		explicit_bzero(s->password, strlen(s->password));
	free(s->password);
	s->password = NULL;
}

bool
settings_port_allowed(const struct settings *s, uint16_t port)
{
	for (size_t i = 0; i < s->port_count; i++)
		if (s->ports[i] == port)
			return true;
	return false;
}

bool
settings_logs_in(const struct settings *s, struct slice next_hop)
{
	return s->user[0] != '\0' && s->password != NULL &&
	       slice_ieq(next_hop, slice_str(s->relay_host));
}
