/*
 * libFuzzer: SASL exchanges, response by response: lines of the input. The
 * first byte: bit 0 PLAIN or LOGIN, bit 1 with an initial response, bit 2 the
 * lines are encoded for it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/base64.h"
#include "common/base/utf8.h"
#include "common/login/sasl.h"
#include "common/login/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out can be somebody's credentials. */
static void
check_who(const struct credentials *who, enum sasl_result r)
{
	if (r != SASL_DONE)
		return;
	if (who->user[0] == '\0' || !utf8_valid(slice_str(who->user)) ||
	    !utf8_valid(slice_str(who->authzid)) ||
	    who->secret_len > LOGIN_SECRET_MAX ||
	    strlen(who->secret) != who->secret_len)
		abort();
	for (const char *c = who->user; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			abort();
}

/* RFC 4616: what PLAIN carries, taken apart another way. */
static void
check_plain(struct slice message, const struct credentials *who)
{
	struct slice authzid;
	struct slice user;
	struct slice rest = slice_cut(message, '\0', &authzid);

	rest = slice_cut(rest, '\0', &user);
	if (!slice_eq(authzid, slice_str(who->authzid)) ||
	    !slice_eq(user, slice_str(who->user)) ||
	    !slice_eq(rest, slice_of(who->secret, who->secret_len)))
		abort();
}

static void
exchange(uint8_t mode, struct slice in)
{
	bool plain = (mode & 1) == 0;
	bool initial = (mode & 2) != 0;
	bool encoded = (mode & 4) != 0;
	enum sasl_result r = SASL_CHALLENGE;
	struct credentials who = { .user = "" };
	struct buf line = BUF_INIT(1 << 20);
	struct sasl s;
	unsigned steps = 0;

	if (!sasl_begin(&s, plain ? SLICE("PLAIN") : SLICE("login")))
		abort();
	while (r == SASL_CHALLENGE && steps++ < 10) {
		struct slice part;

		in = slice_cut(in, '\n', &part);
		buf_truncate(&line, 0);
		if (encoded ? base64_encode(&line, part) == -1
			    : buf_append_slice(&line, part) == -1)
			abort();
		r = initial ? sasl_initial(&s, buf_slice(&line), &who)
			    : sasl_respond(&s, buf_slice(&line), &who);
		initial = false;
		check_who(&who, r);
		if (r == SASL_DONE && plain && encoded)
			check_plain(part, &who);
		if (r == SASL_CHALLENGE &&
		    (plain || strlen(sasl_challenge(&s)) % 4 != 0))
			abort();
	}
	if (steps > 3)
		abort(); /* LOGIN asks for a name and a password */
	credentials_wipe(&who);
	buf_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct sasl s;

	if (size < 1 || size > 16384)
		return 0;
	(void)!sasl_begin(&s, in);
	(void)talk_is_http(in);
	exchange(data[0], slice_sub(in, 1, SIZE_MAX));
	return 0;
}
