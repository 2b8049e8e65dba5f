#include "auth/scheme.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static const char plain[] = "{PLAIN}";

bool
scheme_equal(struct slice a, struct slice b)
{
	return a.len == b.len &&
	       (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

bool
scheme_is_slow(const char *hash)
{
	return strncmp(hash, plain, strlen(plain)) != 0;
}

static bool
verify_crypt(const char *hash, const char *secret)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *made = crypt_r(secret, hash, data);
	/* A failure is NULL or begins with '*', which no hash does. */
	bool ok = made != NULL && made[0] == '$' &&
		  scheme_equal(slice_str(made), slice_str(hash));

	explicit_bzero(data, sizeof(*data));
	free(data);
	return ok;
}

bool
scheme_verify(const char *hash, const char *secret)
{
	if (secret[0] == '\0')
		return false;
	if (!scheme_is_slow(hash))
		return scheme_equal(
		    slice_str(hash + strlen(plain)), slice_str(secret));
	return verify_crypt(hash, secret);
}
