#include "smtpd/trace.h"

#include <string.h>

const char *
trace_protocol(const struct trace *t)
{
	static const char *const names[] = { "ESMTP", "ESMTPS", "ESMTPA",
		"ESMTPSA", "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" };

	if (!t->esmtp)
		return "SMTP";
	return names[(t->tls_version != NULL) + 2 * t->authenticated +
		     4 * t->utf8];
}

/*
 * RFC 5322 §3.3; always UTC: there are no time zones in our root, and
 * strftime() would look for them.
 */
static int
put_time(struct buf *b, time_t when)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL)
		tm = (struct tm){ .tm_mday = 1, .tm_wday = 4, .tm_year = 70 };
	return buf_printf(b, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000",
	    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* All of them, up to the NULL. This is for every mail: no printf(). */
static int
put_all(struct buf *b, const char *const *words)
{
	for (; *words != NULL; words++)
		if (buf_append_str(b, *words) == -1)
			return -1;
	return 0;
}

static int
put_from(struct buf *b, const struct trace *t)
{
	bool v6 = strchr(t->address, ':') != NULL;
	const char *const words[] = { "Received: from ",
		t->helo == NULL ? "unknown" : t->helo, " (",
		t->name == NULL ? "unknown" : t->name, v6 ? " [IPv6:" : " [",
		t->address, "])\r\n", NULL };

	return put_all(b, words);
}

static int
put_by(struct buf *b, const struct trace *t)
{
	const char *const words[] = { "\tby ", t->host, " with ",
		trace_protocol(t), " id ", t->id, NULL };

	return put_all(b, words);
}

static int
put_for(struct buf *b, const struct trace *t)
{
	const char *const words[] = { "\r\n\tfor <", t->recipient, ">", NULL };

	return put_all(b, words);
}

int
trace_received(struct buf *b, const struct trace *t)
{
	if (put_from(b, t) == -1)
		return -1;
	if (t->tls_version != NULL &&
	    buf_printf(b, "\t(using %s with cipher %s)\r\n", t->tls_version,
		t->tls_cipher == NULL ? "unknown" : t->tls_cipher) == -1)
		return -1;
	if (put_by(b, t) == -1)
		return -1;
	/* Several would tell blind copies (RFC 5321 §7.2). */
	if (t->recipient != NULL && put_for(b, t) == -1)
		return -1;
	if (buf_append_str(b, ";\r\n\t") == -1 || put_time(b, t->when) == -1)
		return -1;
	return buf_append_str(b, "\r\n");
}

int
trace_date(struct buf *b, time_t when)
{
	if (buf_append_str(b, "Date: ") == -1 || put_time(b, when) == -1)
		return -1;
	return buf_append_str(b, "\r\n");
}

int
trace_message_id(struct buf *b, const char random[16], const char *host)
{
	if (buf_append_str(b, "Message-ID: <") == -1)
		return -1;
	for (size_t i = 0; i < 16; i++)
		if (buf_printf(b, "%02x", (unsigned char)random[i]) == -1)
			return -1;
	return buf_printf(b, "@%s>\r\n", host);
}
