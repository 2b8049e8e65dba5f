#include "common/smtp/command.h"

#include <errno.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/num.h"
#include "common/smtp/xtext.h"

#define HELO_MAX 255

/* clang-format off */
static const struct smtp_status mail_syntax     = { 501, "5.5.4", "Syntax: MAIL FROM:<address>" };
static const struct smtp_status rcpt_syntax     = { 501, "5.5.4", "Syntax: RCPT TO:<address>" };
static const struct smtp_status bad_sender      = { 501, "5.1.7", "Bad sender address syntax" };
static const struct smtp_status bad_recipient   = { 501, "5.1.3", "Bad recipient address syntax" };
static const struct smtp_status needs_utf8      = { 553, "5.6.7", "Address needs SMTPUTF8" };
static const struct smtp_status unknown_param   = { 555, "5.5.4", "Parameter not known" };
static const struct smtp_status twice           = { 501, "5.5.4", "Parameter given twice" };
static const struct smtp_status bad_param       = { 501, "5.5.4", "Bad parameter" };
static const struct smtp_status bad_bdat        = { 501, "5.5.4", "Syntax: BDAT size [LAST]" };
/* clang-format on */

void
smtp_split(struct slice line, struct slice *verb, struct slice *arg)
{
	size_t n = 0;

	line = slice_trim(line);
	while (n < line.len && line.p[n] != ' ' && line.p[n] != '\t')
		n++;
	*verb = slice_sub(line, 0, n);
	*arg = slice_trim(slice_sub(line, n, SIZE_MAX));
}

/* -- parameters --------------------------------------------------------- */

/* What a row of the table fills in: a MAIL or a RCPT. */
struct target {
	struct smtp_mail *mail;
	struct smtp_rcpt *rcpt;
	bool utf8;
};

enum value { VALUE_NONE, VALUE_SOME };

struct param {
	struct slice name;
	unsigned extension;
	enum value value;
	bool (*set)(struct target *t, struct slice value);
};

/* RFC 1870 §4: up to 20 digits, which may be more than fits. */
static bool
set_size(struct target *t, struct slice value)
{
	if (value.len > 20)
		return false;
	if (num_parse(value, UINT64_MAX, &t->mail->size) == 0)
		return true;
	t->mail->size = UINT64_MAX;
	return errno == ERANGE;
}

/* RFC 6152 §3; BINARYMIME (RFC 3030) is not offered. */
static bool
set_body(struct target *t, struct slice value)
{
	if (slice_ieq(value, SLICE("8BITMIME")))
		t->mail->body = SMTP_BODY_8BITMIME;
	else if (!slice_ieq(value, SLICE("7BIT")))
		return false;
	return true;
}

static bool
set_smtputf8(struct target *t, struct slice value)
{
	(void)value;
	t->mail->smtputf8 = true;
	return true;
}

static bool
set_ret(struct target *t, struct slice value)
{
	if (slice_ieq(value, SLICE("FULL")))
		t->mail->ret = SMTP_RET_FULL;
	else if (slice_ieq(value, SLICE("HDRS")))
		t->mail->ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

static bool
set_envid(struct target *t, struct slice value)
{
	return smtp_xtext_valid(value, false) &&
	       slice_copy(t->mail->envid, sizeof(t->mail->envid), value) == 0;
}

/* RFC 4954 §5: who the client says it was. Checked, and believed by none. */
static bool
set_auth(struct target *t, struct slice value)
{
	(void)t;
	return slice_eq(value, SLICE("<>")) || smtp_xtext_valid(value, false);
}

/* RFC 3461 §4.1: NEVER alone, or any of the others. */
static bool
set_notify(struct target *t, struct slice value)
{
	static const struct {
		struct slice name;
		unsigned bit;
	} names[] = {
		{ { "NEVER", 5 }, SMTP_NOTIFY_NEVER },
		{ { "SUCCESS", 7 }, SMTP_NOTIFY_SUCCESS },
		{ { "FAILURE", 7 }, SMTP_NOTIFY_FAILURE },
		{ { "DELAY", 5 }, SMTP_NOTIFY_DELAY },
	};
	struct slice word;
	unsigned bit;

	do {
		bool more = memchr(value.p, ',', value.len) != NULL;

		value = slice_cut(value, ',', &word);
		bit = 0;
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (slice_ieq(word, names[i].name))
				bit = names[i].bit;
		if (bit == 0 || (more && value.len == 0))
			return false;
		t->rcpt->notify |= bit;
	} while (value.len > 0);
	return (t->rcpt->notify & SMTP_NOTIFY_NEVER) == 0 ||
	       t->rcpt->notify == SMTP_NOTIFY_NEVER;
}

/* RFC 3461 §4.2: "type;xtext"; RFC 6533 §3 lets UTF-8 through. */
static bool
set_orcpt(struct target *t, struct slice value)
{
	struct slice type;
	struct slice address = slice_cut(value, ';', &type);

	if (type.len == 0 || address.len == 0)
		return false;
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_alnum(type.p[i]) && type.p[i] != '-')
			return false;
	return smtp_xtext_valid(address, t->utf8) &&
	       slice_copy(t->rcpt->orcpt, sizeof(t->rcpt->orcpt), value) == 0;
}

/* clang-format off */
static const struct param mail_params[] = {
	{ { "SIZE", 4 },     SMTP_EXT_SIZE,     VALUE_SOME, set_size },
	{ { "BODY", 4 },     SMTP_EXT_8BITMIME, VALUE_SOME, set_body },
	{ { "SMTPUTF8", 8 }, SMTP_EXT_SMTPUTF8, VALUE_NONE, set_smtputf8 },
	{ { "RET", 3 },      SMTP_EXT_DSN,      VALUE_SOME, set_ret },
	{ { "ENVID", 5 },    SMTP_EXT_DSN,      VALUE_SOME, set_envid },
	{ { "AUTH", 4 },     SMTP_EXT_AUTH,     VALUE_SOME, set_auth },
};
static const struct param rcpt_params[] = {
	{ { "NOTIFY", 6 },   SMTP_EXT_DSN,      VALUE_SOME, set_notify },
	{ { "ORCPT", 5 },    SMTP_EXT_DSN,      VALUE_SOME, set_orcpt },
};
/* clang-format on */

struct params {
	const struct param *rows;
	size_t count;
	unsigned extensions;
};

static const struct smtp_status *
parse_param(const struct params *known, struct target *t, struct slice word,
    unsigned *seen)
{
	bool has_value = memchr(word.p, '=', word.len) != NULL;
	struct slice name;
	struct slice value = slice_cut(word, '=', &name);

	for (size_t i = 0; i < known->count; i++) {
		const struct param *p = &known->rows[i];

		if (!slice_ieq(name, p->name) ||
		    (p->extension & known->extensions) == 0)
			continue;
		if ((*seen & (1U << i)) != 0)
			return &twice;
		*seen |= 1U << i;
		if (has_value != (p->value == VALUE_SOME) ||
		    (has_value && value.len == 0) || !p->set(t, value))
			return &bad_param;
		return NULL;
	}
	return &unknown_param;
}

static const struct smtp_status *
parse_params(const struct params *known, struct target *t, struct slice rest)
{
	const struct smtp_status *bad = NULL;
	unsigned seen = 0;
	struct slice word;

	while (bad == NULL && rest.len > 0) {
		rest = slice_trim(slice_cut(rest, ' ', &word));
		bad = parse_param(known, t, word, &seen);
	}
	return bad;
}

/* -- MAIL and RCPT ------------------------------------------------------ */

/* The path behind "FROM:" or "TO:"; what follows it goes into *rest. */
static enum path_result
parse_path(
    struct path *path, struct slice text, unsigned flags, struct slice *rest)
{
	enum path_result r;
	size_t used = 0;

	text = slice_trim(text);
	r = path_parse(path, text, flags | PATH_ALLOW_BARE, &used);
	if (r != PATH_OK)
		return r;
	*rest = slice_sub(text, used, SIZE_MAX);
	if (rest->len > 0 && rest->p[0] != ' ')
		return PATH_SYNTAX;
	*rest = slice_trim(*rest);
	return PATH_OK;
}

const struct smtp_status *
smtp_parse_mail(struct smtp_mail *m, struct slice arg, unsigned extensions)
{
	const struct params known = { mail_params, ARRAY_LEN(mail_params),
		extensions };
	struct target t = { .mail = m };
	const struct smtp_status *bad;
	struct slice rest = SLICE_EMPTY;
	unsigned flags = PATH_ALLOW_NULL;
	enum path_result r;

	*m = (struct smtp_mail){ .size = 0 };
	if (!slice_istarts(arg, SLICE("FROM:")))
		return &mail_syntax;
	if ((extensions & SMTP_EXT_SMTPUTF8) != 0)
		flags |= PATH_ALLOW_UTF8;
	r = parse_path(&m->sender, slice_sub(arg, 5, SIZE_MAX), flags, &rest);
	if (r != PATH_OK)
		return r == PATH_NEEDS_UTF8 ? &needs_utf8 : &bad_sender;
	bad = parse_params(&known, &t, rest);
	if (bad == NULL && m->sender.utf8 && !m->smtputf8)
		bad = &needs_utf8;
	return bad;
}

const struct smtp_status *
smtp_parse_rcpt(
    struct smtp_rcpt *r, struct slice arg, unsigned extensions, bool utf8)
{
	const struct params known = { rcpt_params, ARRAY_LEN(rcpt_params),
		extensions };
	struct target t = { .rcpt = r, .utf8 = utf8 };
	struct slice rest = SLICE_EMPTY;
	unsigned flags = PATH_ALLOW_POSTMASTER;
	enum path_result result;

	*r = (struct smtp_rcpt){ .notify = 0 };
	if (!slice_istarts(arg, SLICE("TO:")))
		return &rcpt_syntax;
	if (utf8)
		flags |= PATH_ALLOW_UTF8;
	result = parse_path(
	    &r->recipient, slice_sub(arg, 3, SIZE_MAX), flags, &rest);
	if (result != PATH_OK)
		return result == PATH_NEEDS_UTF8 ? &needs_utf8 : &bad_recipient;
	return parse_params(&known, &t, rest);
}

const struct smtp_status *
smtp_parse_bdat(struct slice arg, uint64_t *size, bool *last)
{
	struct slice number;
	struct slice word = slice_trim(slice_cut(arg, ' ', &number));

	if (number.len > 19 || num_parse(number, INT64_MAX, size) == -1)
		return &bad_bdat;
	*last = slice_ieq(word, SLICE("LAST"));
	return *last || word.len == 0 ? NULL : &bad_bdat;
}

bool
smtp_helo_valid(struct slice arg)
{
	if (arg.len == 0 || arg.len > HELO_MAX)
		return false;
	for (size_t i = 0; i < arg.len; i++)
		if (!ascii_alnum(arg.p[i]) &&
		    memchr(".-_:[]", arg.p[i], 6) == NULL)
			return false;
	return true;
}
