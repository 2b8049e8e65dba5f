#include "relay/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REPLY_CLOSING 421

static void
set_remote(struct outcome *o, const char *remote)
{
	(void)snprintf(o->remote, sizeof(o->remote), "%s", remote);
}

void
outcome_say(struct outcome *o, enum ipc_status status, const char *enhanced,
    const char *remote, const char *fmt, ...)
{
	va_list ap;

	*o = (struct outcome){ .status = status };
	(void)snprintf(o->enhanced, sizeof(o->enhanced), "%s", enhanced);
	set_remote(o, remote);
	va_start(ap, fmt);
	(void)vsnprintf(o->text, sizeof(o->text), fmt, ap);
	va_end(ap);
}

/* All of the reply on one line: "550 5.1.1 no such user here". */
static void
set_words(struct outcome *o, const struct smtp_reply *r)
{
	(void)snprintf(o->text, sizeof(o->text), "%u%s%s%s%.900s", r->code,
	    r->enhanced[0] == '\0' ? "" : " ", r->enhanced,
	    r->len == 0 ? "" : " ", r->text);
	for (char *c = o->text; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
}

void
outcome_reply(struct outcome *o, const struct smtp_reply *r, const char *remote)
{
	*o = (struct outcome){ .code = (uint16_t)r->code };
	if (r->code / 100 == 2)
		o->status = STATUS_DONE;
	else if (r->code / 100 == 5)
		o->status = STATUS_FAILED;
	else
		o->status = STATUS_DEFERRED;
	if (r->enhanced[0] != '\0')
		memcpy(o->enhanced, r->enhanced, sizeof(o->enhanced));
	else
		(void)snprintf(o->enhanced, sizeof(o->enhanced), "%u.0.0",
		    (r->code / 100) % 10);
	/* A 3xx where none belongs: there is no class 3. */
	if (o->status == STATUS_DEFERRED)
		o->enhanced[0] = '4';
	if (o->status == STATUS_DEFERRED &&
	    (r->code == REPLY_CLOSING || strncmp(o->enhanced, "4.7.", 4) == 0))
		o->blame = BLAME_POLICY;
	set_words(o, r);
	set_remote(o, remote);
}

void
outcome_soften(struct outcome *o)
{
	o->status = STATUS_DEFERRED;
	o->enhanced[0] = '4';
}
