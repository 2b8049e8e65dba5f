/*
 * The client's name: its address to a name, and that name back to the
 * address, or else everybody could be called anything. Nothing waits for
 * the answer; without one in time the client is "unknown".
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/address/path.h"
#include "common/base/mem.h"
#include "common/base/wire.h"
#include "common/ipc/messages.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

struct ptr_lookup {
	uint32_t request;
	char *name; /* owned; what the address says it is called */
};

void
ptr_stop(struct session *s)
{
	struct ptr_lookup *p = s->ptr;

	if (p == NULL)
		return;
	if (p->request != 0 && s->smtpd->resolver != NULL)
		ipc_forget(s->smtpd->resolver, p->request);
	free(p->name);
	free(p);
	s->ptr = NULL;
}

static void
ask(struct session *s, enum ipc_dns type, const char *name, ipc_answer *answer)
{
	struct ipc_chan *c = s->smtpd->resolver;
	const struct ipc_resolve_ask m = { .type = (uint8_t)type,
		.name = slice_str(name) };

	s->ptr->request = ipc_expect(c, answer, s);
	if (ipc_send_msg(c, resolve_ask, 0, s->ptr->request, &m) == -1)
		ptr_stop(s);
}

/* The 4 or 16 bytes of the client's address; 0 when it has none. */
static size_t
address_bytes(const char *text, char bytes[16])
{
	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

static void
on_forward(void *arg, struct ipc_frame *f)
{
	struct session *s = arg;
	struct ipc_resolved m;
	struct ipc_dns_record r;
	struct wire_in w;
	char bytes[16];
	size_t n = address_bytes(s->address, bytes);

	s->ptr->request = 0;
	if (f != NULL && ipc_resolved_decode(&m, f->payload) == 0) {
		w = wire_in(m.records);
		while (s->name == NULL && w.rest.len > 0 &&
		       ipc_dns_record_get(&r, &w) == 0)
			if (slice_eq(r.data, slice_of(bytes, n)))
				s->name = xstrdup(s->ptr->name);
	}
	ptr_stop(s);
}

static void
on_name(void *arg, struct ipc_frame *f)
{
	struct session *s = arg;
	struct ipc_resolved m;
	struct ipc_dns_record r;
	struct wire_in w;

	s->ptr->request = 0;
	if (f != NULL && s->smtpd->resolver != NULL &&
	    ipc_resolved_decode(&m, f->payload) == 0) {
		w = wire_in(m.records);
		if (ipc_dns_record_get(&r, &w) == 0 &&
		    path_check_domain(r.data, false) == PATH_OK) {
			s->ptr->name = slice_dup(r.data);
			ask(s, strchr(s->address, ':') ? DNS_AAAA : DNS_A,
			    s->ptr->name, on_forward);
			return;
		}
	}
	ptr_stop(s);
}

static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

void
ptr_start(struct session *s)
{
	if (is_loopback(s->address)) {
		s->name = xstrdup("localhost");
		return;
	}
	if (s->smtpd->resolver == NULL)
		return;
	s->ptr = xcalloc(1, sizeof(*s->ptr));
	ask(s, DNS_PTR, s->address, on_name);
}
