#include "common/login/talk.h"

#include <stdarg.h>
#include <string.h>

void
talk_say(struct talk *t, const char *text)
{
	if (buf_append_str(&t->out, text) == -1)
		t->errors = t->errors_max;
}

void
talk_printf(struct talk *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(&t->out, fmt, ap) == -1)
		t->errors = t->errors_max;
	va_end(ap);
}

bool
talk_is_http(struct slice line)
{
	static const char *const methods[] = {
		"GET",
		"POST",
		"HEAD",
		"PUT",
		"OPTIONS",
		"CONNECT",
		"DELETE",
		"PATCH",
		"TRACE",
	};
	struct slice verb;
	size_t i;

	slice_cut(line, ' ', &verb);
	if (verb.len == line.len)
		return false;
	for (i = 0; i < ARRAY_LEN(methods); i++) {
		if (slice_eq(verb, slice_str(methods[i])))
			return true;
	}
	return false;
}

void
talk_consume(struct buf *in, size_t n)
{
	if (n == 0)
		return;
	explicit_bzero(in->data, n);
	buf_consume(in, n);
}
