#include "relay/command.h"

#include <errno.h>

#include "common/address/path.h"
#include "common/base/utf8.h"
#include "common/mime/header.h"
#include "common/smtp/command.h"
#include "common/smtp/xtext.h"
#include "relay/ehlo.h"

static int
put_path(struct buf *b, struct slice address)
{
	struct path path;
	enum path_result r = PATH_OK;

	if (address.len == 0) /* the null sender */
		return buf_append_str(b, "<>");
	if (slice_ieq(address, SLICE("postmaster")))
		return buf_append_str(b, "<postmaster>");
	r = path_from_address(&path, address, PATH_ALLOW_UTF8);
	if (r != PATH_OK) {
		errno = EINVAL;
		return -1;
	}
	return path_append(b, &path);
}

/* RFC 3461 §4.3, §4.4. ENVID is xtext already; what is not stays out. */
static int
put_mail_dsn(struct buf *b, const struct work *w)
{
	if (w->m.ret == RET_FULL && buf_append_str(b, " RET=FULL") == -1)
		return -1;
	if (w->m.ret == RET_HDRS && buf_append_str(b, " RET=HDRS") == -1)
		return -1;
	if (w->m.envid.len == 0 || w->m.envid.len > SMTP_ENVID_MAX ||
	    !smtp_xtext_valid(w->m.envid, false))
		return 0;
	if (buf_append_str(b, " ENVID=") == -1)
		return -1;
	return buf_append_slice(b, w->m.envid);
}

int
command_mail(struct buf *b, const struct work *w, unsigned offers, bool utf8)
{
	bool eight = (w->m.flags & IPC_MAIL_8BIT) != 0 || utf8;

	if (buf_append_str(b, "MAIL FROM:") == -1 ||
	    put_path(b, w->m.sender) == -1)
		return -1;
	if ((offers & EHLO_SIZE) != 0 &&
	    buf_printf(b, " SIZE=%llu", (unsigned long long)work_length(w)) ==
		-1)
		return -1;
	if (eight && (offers & EHLO_8BITMIME) != 0 &&
	    buf_append_str(b, " BODY=8BITMIME") == -1)
		return -1;
	if (utf8 && buf_append_str(b, " SMTPUTF8") == -1)
		return -1;
	if ((offers & EHLO_DSN) != 0 && put_mail_dsn(b, w) == -1)
		return -1;
	return buf_append_str(b, "\r\n");
}

static int
put_notify(struct buf *b, uint8_t notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { IPC_NOTIFY_SUCCESS, "SUCCESS" },
		{ IPC_NOTIFY_FAILURE, "FAILURE" },
		{ IPC_NOTIFY_DELAY, "DELAY" } };
	const char *between = " NOTIFY=";

	if ((notify & IPC_NOTIFY_NEVER) != 0)
		return buf_append_str(b, " NOTIFY=NEVER");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if ((notify & words[i].bit) == 0)
			continue;
		if (buf_append_str(b, between) == -1 ||
		    buf_append_str(b, words[i].word) == -1)
			return -1;
		between = ",";
	}
	return 0;
}

/*
 * "type;xtext" as it was given (RFC 3461 §4.2), with international text in
 * the form that this transaction may carry (RFC 6533 §3). What is none, or
 * becomes too long by it, is left out.
 */
static int
put_orcpt(struct buf *b, struct slice orcpt, bool utf8)
{
	struct buf value = BUF_INIT(SMTP_ORCPT_MAX);
	struct slice type;
	struct slice text = slice_cut(orcpt, ';', &type);
	int rc;

	if (text.len == 0 || type.len == 0 || !smtp_xtext_valid(type, false) ||
	    !smtp_xtext_valid(text, slice_ieq(type, SLICE("utf-8"))))
		return 0;
	rc = utf8 ? buf_append_slice(&value, orcpt)
		  : smtp_unitext_encode(&value, orcpt);
	if (rc == 0) {
		rc = buf_append_str(b, " ORCPT=");
		if (rc == 0)
			rc = buf_append_slice(b, buf_slice(&value));
	} else if (errno == ENOBUFS) {
		rc = 0; /* too long to be said */
	}
	buf_free(&value);
	return rc;
}

int
command_rcpt(
    struct buf *b, const struct ipc_work_rcpt *r, unsigned offers, bool utf8)
{
	if (r->address.len == 0) {
		errno = EINVAL;
		return -1;
	}
	if (buf_append_str(b, "RCPT TO:") == -1 ||
	    put_path(b, r->address) == -1)
		return -1;
	if ((offers & EHLO_DSN) != 0 && (put_notify(b, r->notify) == -1 ||
					    put_orcpt(b, r->orcpt, utf8) == -1))
		return -1;
	return buf_append_str(b, "\r\n");
}

bool
command_needs_utf8(const struct work *w, struct slice head, bool *address)
{
	*address = utf8_has_8bit(w->m.sender);
	if (*address || (w->m.flags & IPC_MAIL_SMTPUTF8) == 0)
		return *address;
	return utf8_has_8bit(slice_sub(head, 0, mime_header_size(head)));
}
