#include "bounce/dsn.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "bounce/clean.h"
#include "bounce/original.h"
#include "common/base/ascii.h"
#include "common/base/num.h"
#include "common/base/utf8.h"
#include "common/mime/date.h"
#include "common/mime/header.h"
#include "common/smtp/xtext.h"

#define RCPTS_IN_TEXT 200 /* the rest stands in the second part only */
#define RCPTS_BRIEFLY 20
#define TEXT_BRIEFLY  (size_t)512 /* of what a server said */

/* What a report of each kind says. */
struct wording {
	const char *subject;
	const char *first;
	const char *action; /* RFC 3464 §2.3.3 */
};

static const struct wording failure = {
	.subject = "Your mail could not be delivered",
	.first = "Your mail could not be delivered to the recipients named "
		 "below. It has been given up: nothing more will be tried.",
	.action = "failed",
};
static const struct wording delay = {
	.subject = "Your mail is delayed",
	.first = "Your mail could not be delivered yet to the recipients "
		 "named below. You need not send it again: delivery is still "
		 "being tried.",
	.action = "delayed",
};
static const struct wording success = {
	.subject = "Your mail was delivered",
	.first = "You asked to be told: your mail has been handed over for "
		 "the recipients named below.",
	.action = "delivered",
};

static const struct wording *
wording_of(const struct work *w)
{
	if (w->m.kind == WORK_BOUNCE_DELAY)
		return &delay;
	return w->m.kind == WORK_BOUNCE_SUCCESS ? &success : &failure;
}

bool
dsn_wanted(const struct ipc_work_rcpt *r, enum ipc_work_kind kind)
{
	unsigned notify = r->notify;

	if ((notify & IPC_NOTIFY_NEVER) != 0)
		return false;
	if (notify == 0) /* RFC 3461 §4.1 leaves it to us */
		notify = IPC_NOTIFY_FAILURE | IPC_NOTIFY_DELAY;
	if (kind == WORK_BOUNCE_FAILURE)
		return (notify & IPC_NOTIFY_FAILURE) != 0;
	if (kind == WORK_BOUNCE_DELAY)
		return (notify & IPC_NOTIFY_DELAY) != 0;
	return kind == WORK_BOUNCE_SUCCESS &&
	       (notify & IPC_NOTIFY_SUCCESS) != 0;
}

bool
dsn_any_wanted(const struct work *w)
{
	for (size_t i = 0; i < w->rcpt_count; i++)
		if (dsn_wanted(&w->rcpts[i], (enum ipc_work_kind)w->m.kind))
			return true;
	return false;
}

int
dsn_token(const struct work *w, uint8_t token[DSN_TOKEN_LEN])
{
	struct buf b = BUF_INIT(DSN_MAX);
	unsigned char sum[EVP_MAX_MD_SIZE];
	int rc = -1;

	if (wire_put_bytes(&b, w->m.id) == -1 ||
	    wire_put_u8(&b, w->m.kind) == -1)
		goto out;
	for (size_t i = 0; i < w->rcpt_count; i++)
		if (wire_put_u32(&b, w->rcpts[i].number) == -1)
			goto out;
	if (EVP_Digest(b.data, b.len, sum, NULL, EVP_sha256(), NULL) != 1)
		goto out;
	memcpy(token, sum, DSN_TOKEN_LEN);
	rc = 0;
out:
	buf_free(&b);
	return rc;
}

/* How much a report says; the next one where it does not fit. */
enum form { FORM_WHOLE, FORM_HEADER, FORM_BRIEF };

/* Everything about the message under construction. */
struct making {
	const struct dsn *d;
	const struct work *w;
	const struct wording *words;
	enum form form;
	struct original original;
	struct buf *b;
	bool global; /* RFC 6533: UTF-8 may stand anywhere in it */
};

static struct slice
reason_of(const struct making *m, const struct ipc_work_rcpt *r)
{
	size_t n = r->text.len;

	if (m->form != FORM_BRIEF || n <= TEXT_BRIEFLY)
		return r->text;
	n = TEXT_BRIEFLY;
	while (n > 0 && ((unsigned char)r->text.p[n] & 0xc0) == 0x80)
		n--; /* not through a character */
	return slice_sub(r->text, 0, n);
}

static bool
international(const struct making *m)
{
	if ((m->w->m.flags & IPC_MAIL_SMTPUTF8) == 0)
		return false;
	if (utf8_has_8bit(m->w->m.sender))
		return true;
	for (size_t i = 0; i < m->w->rcpt_count; i++)
		if (utf8_has_8bit(m->w->rcpts[i].address))
			return true;
	return utf8_has_8bit(slice_sub(buf_slice(&m->original.text), 0,
	    mime_header_size(buf_slice(&m->original.text))));
}

/* -- the header ----------------------------------------------------------- */

static int
put_addressee(struct making *m)
{
	struct buf to = BUF_INIT(2048);
	int rc = -1;

	if (m->d->to_postmaster)
		return buf_printf(
		    m->b, "To: Postmaster <postmaster@%s>\r\n", m->d->hostname);
	if (buf_append_byte(&to, '<') == 0 &&
	    buf_append_slice(&to, m->w->m.sender) == 0 &&
	    buf_append_byte(&to, '>') == 0)
		rc = clean_field(m->b, "To", buf_slice(&to), m->global);
	buf_free(&to);
	return rc;
}

static int
put_references(struct making *m)
{
	struct slice id = original_message_id(&m->original);

	if (id.len == 0)
		return 0;
	if (clean_field(m->b, "In-Reply-To", id, false) == -1)
		return -1;
	return clean_field(m->b, "References", id, false);
}

static int
put_date(struct buf *b, const char *name, int64_t when_s)
{
	if (buf_printf(b, "%s: ", name) == -1 || mime_date_put(b, when_s) == -1)
		return -1;
	return buf_append_str(b, "\r\n");
}

static int
put_header(struct making *m)
{
	const struct dsn *d = m->d;
	struct buf *b = m->b;

	if (buf_printf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n",
		d->hostname) == -1 ||
	    put_addressee(m) == -1 ||
	    buf_printf(b, "Subject: %s\r\n", m->words->subject) == -1 ||
	    put_date(b, "Date", d->now_s) == -1 ||
	    buf_printf(
		b, "Message-ID: <%s@%s>\r\n", d->boundary, d->hostname) == -1 ||
	    put_references(m) == -1)
		return -1;
	/* RFC 3834 §5 */
	return buf_printf(b,
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n"
	    "Content-Transfer-Encoding: %s\r\n"
	    "\r\n"
	    "This is a report in MIME format (RFC 3464).\r\n",
	    d->boundary, m->global || m->original.eight_bit ? "8bit" : "7bit");
}

static int
put_part(struct making *m, const char *type, bool eight_bit)
{
	return buf_printf(m->b,
	    "\r\n--%s\r\nContent-Type: %s\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n",
	    m->d->boundary, type, eight_bit ? "8bit" : "7bit");
}

/* -- for people ----------------------------------------------------------- */

static int
put_rcpt_text(struct making *m, const struct ipc_work_rcpt *r)
{
	struct buf *b = m->b;

	if (buf_append_str(b, "\r\n    <") == -1 ||
	    clean_put(b, r->address, m->global) == -1 ||
	    buf_append_str(b, ">\r\n") == -1)
		return -1;
	if (r->remote.len > 0 && (buf_append_str(b, "        ") == -1 ||
				     clean_put(b, r->remote, m->global) == -1 ||
				     buf_append_str(b, " said:\r\n") == -1))
		return -1;
	return r->text.len == 0
		   ? 0
		   : clean_lines(b, "        ", reason_of(m, r), m->global);
}

static const char *
what_comes_back(const struct making *m)
{
	if (m->d->to_postmaster)
		return "The mail had no sender who could be told.";
	if (m->original.missing)
		return "Your mail itself could not be read any more.";
	if (m->original.whole)
		return "Your mail comes back with this report.";
	return "The header of your mail comes back with this report.";
}

static int
put_ending(struct making *m)
{
	struct buf *b = m->b;

	if (m->w->m.kind == WORK_BOUNCE_DELAY && m->w->m.expires != 0 &&
	    (buf_append_str(b, "\r\nIt will be given up after ") == -1 ||
		mime_date_put(b, (int64_t)m->w->m.expires) == -1 ||
		buf_append_str(b, ".\r\n") == -1))
		return -1;
	return buf_printf(b,
	    "\r\n%s For help, write to\r\n"
	    "postmaster@%s and quote the number ",
	    what_comes_back(m), m->d->hostname);
}

static int
put_text(struct making *m)
{
	struct buf *b = m->b;
	enum ipc_work_kind kind = (enum ipc_work_kind)m->w->m.kind;
	size_t most = m->form == FORM_BRIEF ? RCPTS_BRIEFLY : RCPTS_IN_TEXT;
	size_t shown = 0;

	if (put_part(m,
		m->global ? "text/plain; charset=utf-8"
			  : "text/plain; charset=us-ascii",
		m->global) == -1 ||
	    buf_printf(b, "This is the mail system at %s.\r\n\r\n",
		m->d->hostname) == -1 ||
	    clean_lines(b, "", slice_str(m->words->first), false) == -1)
		return -1;
	for (size_t i = 0; i < m->w->rcpt_count; i++) {
		if (!dsn_wanted(&m->w->rcpts[i], kind) || ++shown > most)
			continue;
		if (put_rcpt_text(m, &m->w->rcpts[i]) == -1)
			return -1;
	}
	if (shown > most &&
	    buf_printf(b, "\r\n    and %zu more\r\n", shown - most) == -1)
		return -1;
	if (put_ending(m) == -1 || clean_put(b, m->w->m.id, false) == -1)
		return -1;
	return buf_append_str(b, ".\r\n");
}

/* -- for programs --------------------------------------------------------- */

/* "rfc822; a@b", "utf-8; …" where only that can say it. */
static int
put_address_field(struct making *m, const char *name, struct slice address)
{
	struct buf v = BUF_INIT(4096);
	int rc = -1;

	if (buf_append_str(
		&v, utf8_has_8bit(address) ? "utf-8; " : "rfc822; ") == 0 &&
	    buf_append_slice(&v, address) == 0)
		rc = clean_field(m->b, name, buf_slice(&v), m->global);
	buf_free(&v);
	return rc;
}

/* RFC 3461 §6.3 (a): as given, xtext undone; what is no xtext stays out. */
static int
put_original_recipient(struct making *m, struct slice orcpt)
{
	struct buf v = BUF_INIT(4096);
	struct slice type;
	struct slice text = slice_cut(orcpt, ';', &type);
	int rc = 0;

	if (type.len > 0 && text.len > 0 && smtp_xtext_valid(type, false) &&
	    smtp_xtext_decode(&v, text, m->global) == 0) {
		struct buf all = BUF_INIT(4096);

		rc = -1;
		if (buf_append_slice(&all, type) == 0 &&
		    buf_append_str(&all, "; ") == 0 &&
		    buf_append_slice(&all, buf_slice(&v)) == 0)
			rc = clean_field(m->b, "Original-Recipient",
			    buf_slice(&all), m->global);
		buf_free(&all);
	}
	buf_free(&v);
	return rc;
}

static const char *
action_of(const struct making *m, const struct ipc_work_rcpt *r)
{
	/* Handed to a host that does not report: RFC 3461 §5.2.2. */
	if (m->words == &success && r->remote.len > 0)
		return "relayed";
	return m->words->action;
}

static int
put_status(struct making *m, const struct ipc_work_rcpt *r)
{
	const char *fallback = m->words == &failure ? "5.0.0"
			       : m->words == &delay ? "4.0.0"
						    : "2.0.0";

	return clean_field(m->b, "Status",
	    clean_status_valid(r->enhanced) ? r->enhanced : slice_str(fallback),
	    false);
}

/* "mx.example.net[192.0.2.1]:25": the name, or the address in brackets. */
static int
put_remote(struct making *m, struct slice remote)
{
	struct buf v = BUF_INIT(1024);
	struct slice name;
	const char *end;
	int rc = -1;

	if (remote.len == 0)
		return 0;
	(void)slice_cut(remote, '[', &name);
	if (name.len == 0) {
		end = memchr(remote.p, ']', remote.len);
		name = end == NULL
			   ? remote
			   : slice_sub(remote, 0, (size_t)(end - remote.p) + 1);
	}
	if (buf_append_str(&v, "dns; ") == 0 && buf_append_slice(&v, name) == 0)
		rc = clean_field(m->b, "Remote-MTA", buf_slice(&v), false);
	buf_free(&v);
	return rc;
}

static int
put_diagnostic(struct making *m, const struct ipc_work_rcpt *r)
{
	struct buf v = BUF_INIT(4096);
	uint64_t code;
	bool smtp;
	int rc = -1;

	if (r->text.len == 0)
		return 0;
	smtp = r->remote.len > 0 &&
	       num_parse(slice_sub(r->text, 0, 3), 599, &code) == 0;
	if (buf_append_str(&v, smtp ? "smtp; " : "x-wemmick; ") == 0 &&
	    buf_append_slice(&v, reason_of(m, r)) == 0)
		rc = clean_field(
		    m->b, "Diagnostic-Code", buf_slice(&v), m->global);
	buf_free(&v);
	return rc;
}

static int
put_rcpt_fields(struct making *m, const struct ipc_work_rcpt *r)
{
	struct buf *b = m->b;

	if (buf_append_str(b, "\r\n") == -1 ||
	    put_original_recipient(m, r->orcpt) == -1 ||
	    put_address_field(m, "Final-Recipient", r->address) == -1 ||
	    buf_printf(b, "Action: %s\r\n", action_of(m, r)) == -1 ||
	    put_status(m, r) == -1 || put_remote(m, r->remote) == -1 ||
	    put_diagnostic(m, r) == -1)
		return -1;
	if (r->tried != 0 &&
	    put_date(b, "Last-Attempt-Date", (int64_t)r->tried) == -1)
		return -1;
	if (m->words == &delay && m->w->m.expires != 0)
		return put_date(
		    b, "Will-Retry-Until", (int64_t)m->w->m.expires);
	return 0;
}

static int
put_envid(struct making *m)
{
	struct buf v = BUF_INIT(1024);
	int rc = 0;

	if (m->w->m.envid.len > 0 &&
	    smtp_xtext_decode(&v, m->w->m.envid, false) == 0)
		rc = clean_field(
		    m->b, "Original-Envelope-Id", buf_slice(&v), false);
	buf_free(&v);
	return rc;
}

static int
put_fields(struct making *m)
{
	enum ipc_work_kind kind = (enum ipc_work_kind)m->w->m.kind;
	struct buf *b = m->b;

	if (put_part(m,
		m->global ? "message/global-delivery-status"
			  : "message/delivery-status",
		m->global) == -1 ||
	    buf_printf(b, "Reporting-MTA: dns; %s\r\n", m->d->hostname) == -1 ||
	    put_envid(m) == -1)
		return -1;
	if (m->w->m.arrived != 0 &&
	    put_date(b, "Arrival-Date", (int64_t)m->w->m.arrived) == -1)
		return -1;
	for (size_t i = 0; i < m->w->rcpt_count; i++)
		if (dsn_wanted(&m->w->rcpts[i], kind) &&
		    put_rcpt_fields(m, &m->w->rcpts[i]) == -1)
			return -1;
	return 0;
}

/* The third part; RFC 6522 §3 lets it be left out. */
static int
put_original(struct making *m)
{
	const char *type;

	if (m->original.missing)
		return 0;
	if (m->global)
		type = m->original.whole ? "message/global"
					 : "message/global-headers";
	else
		type = m->original.whole ? "message/rfc822"
					 : "text/rfc822-headers";
	if (put_part(m, type, m->global || m->original.eight_bit) == -1)
		return -1;
	return buf_append_slice(m->b, buf_slice(&m->original.text));
}

/* RFC 3461 §4.3: RET is about failures; other reports carry the header. */
static bool
wants_whole(const struct work *w)
{
	return w->m.kind == WORK_BOUNCE_FAILURE && w->m.ret != RET_HDRS;
}

static int
build(struct making *m, uint8_t *flags)
{
	*flags = 0;
	if (original_read(&m->original, m->w, m->form == FORM_WHOLE) == -1)
		return -1;
	m->global = international(m);
	if (put_header(m) == -1 || put_text(m) == -1 || put_fields(m) == -1 ||
	    put_original(m) == -1 ||
	    buf_printf(m->b, "\r\n--%s--\r\n", m->d->boundary) == -1)
		return -1;
	if (m->global || m->original.eight_bit)
		*flags |= IPC_MAIL_8BIT;
	if (m->global)
		*flags |= IPC_MAIL_SMTPUTF8;
	return 0;
}

int
dsn_build(const struct dsn *d, struct buf *out, uint8_t *flags)
{
	enum form form = wants_whole(d->work) ? FORM_WHOLE : FORM_HEADER;
	size_t before = out->len;
	int rc;

	do {
		struct making m = { .d = d,
			.w = d->work,
			.words = wording_of(d->work),
			.form = form,
			.b = out };

		buf_truncate(out, before);
		rc = build(&m, flags);
		original_free(&m.original);
	} while (rc == -1 && errno == ENOBUFS && form++ < FORM_BRIEF);
	return rc;
}
