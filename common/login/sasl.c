#include "common/login/sasl.h"

#include <string.h>

#include "common/base/base64.h"
#include "common/base/buf.h"
#include "common/base/utf8.h"

/* authzid NUL authcid NUL passwd (RFC 4616 §2). */
#define MESSAGE_MAX (LOGIN_NAME_MAX * 2 + LOGIN_SECRET_MAX + 4)

static bool
name_valid(struct slice name)
{
	size_t i;

	for (i = 0; i < name.len; i++) {
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	}
	return utf8_valid(name);
}

static int
set_name(char *to, struct slice name)
{
	if (!name_valid(name))
		return -1;
	return slice_copy(to, LOGIN_NAME_MAX + 1, name);
}

int
credentials_user(struct credentials *who, struct slice user)
{
	return user.len == 0 ? -1 : set_name(who->user, user);
}

int
credentials_secret(struct credentials *who, struct slice secret)
{
	who->secret_len = 0;
	if (slice_copy(who->secret, sizeof(who->secret), secret) == -1)
		return -1;
	who->secret_len = secret.len;
	return 0;
}

void
credentials_wipe(struct credentials *who)
{
	explicit_bzero(who, sizeof(*who));
}

bool
sasl_begin(struct sasl *s, struct slice mechanism)
{
	*s = (struct sasl){ .mechanism = SASL_NONE };
	if (slice_ieq(mechanism, SLICE("PLAIN")))
		s->mechanism = SASL_PLAIN;
	else if (slice_ieq(mechanism, SLICE("LOGIN")))
		s->mechanism = SASL_LOGIN;
	return s->mechanism != SASL_NONE;
}

const char *
sasl_challenge(const struct sasl *s)
{
	if (s->mechanism != SASL_LOGIN)
		return "";
	/* "Username:" and "Password:", the only words clients know. */
	return s->has_user ? "UGFzc3dvcmQ6" : "VXNlcm5hbWU6";
}

static enum sasl_result
plain_message(struct slice m, struct credentials *who)
{
	struct slice authzid;
	struct slice user;
	const char *nul;

	nul = m.len == 0 ? NULL : memchr(m.p, '\0', m.len);
	if (nul == NULL)
		return SASL_REFUSED;
	m = slice_cut(m, '\0', &authzid);
	nul = m.len == 0 ? NULL : memchr(m.p, '\0', m.len);
	if (nul == NULL)
		return SASL_REFUSED;
	m = slice_cut(m, '\0', &user);
	if (set_name(who->authzid, authzid) == -1 ||
	    credentials_user(who, user) == -1 ||
	    credentials_secret(who, m) == -1)
		return SASL_REFUSED;
	return SASL_DONE;
}

static enum sasl_result
login_message(struct sasl *s, struct slice m, struct credentials *who)
{
	if (s->has_user)
		return credentials_secret(who, m) == -1 ? SASL_REFUSED
							: SASL_DONE;
	who->authzid[0] = '\0';
	if (credentials_user(who, m) == -1)
		return SASL_REFUSED;
	s->has_user = true;
	return SASL_CHALLENGE;
}

static enum sasl_result
message(struct sasl *s, struct slice m, struct credentials *who)
{
	switch (s->mechanism) {
	case SASL_PLAIN:
		return plain_message(m, who);
	case SASL_LOGIN:
		return login_message(s, m, who);
	case SASL_NONE:
		break;
	}
	return SASL_REFUSED;
}

static enum sasl_result
decoded(struct sasl *s, struct slice base64, struct credentials *who)
{
	struct buf plain = BUF_INIT(MESSAGE_MAX);
	enum sasl_result result = SASL_BAD;

	if (base64_decode(&plain, base64) == 0)
		result = message(s, buf_slice(&plain), who);
	buf_wipe(&plain);
	if (result == SASL_BAD || result == SASL_REFUSED)
		credentials_wipe(who);
	return result;
}

enum sasl_result
sasl_respond(struct sasl *s, struct slice line, struct credentials *who)
{
	if (slice_eq(line, SLICE("*")))
		return SASL_CANCELLED;
	return decoded(s, line, who);
}

enum sasl_result
sasl_initial(struct sasl *s, struct slice line, struct credentials *who)
{
	if (slice_eq(line, SLICE("=")))
		line = SLICE_EMPTY;
	return decoded(s, line, who);
}
