#include "auth/scheme.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define HARD_DIGITS 43 /* of 256 bits */

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

static enum scheme_result
result_of(bool equal)
{
	return equal ? SCHEME_OK : SCHEME_BAD;
}

/*
 * These take megabytes, and crypt_r() does not tell whether they were not to
 * be had or the hash is none (EINVAL): so where there is a whole hash.
 */
static bool
takes_memory(const char *hash)
{
	static const char *const hard[] = { "$y$", "$gy$", "$7$" };
	const char *end = strrchr(hash, '$');

	for (size_t i = 0; i < ARRAY_LEN(hard); i++)
		if (strncmp(hash, hard[i], strlen(hard[i])) == 0)
			return strlen(end + 1) == HARD_DIGITS;
	return false;
}

static enum scheme_result
verify_crypt(const char *hash, const char *secret)
{
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *made = crypt_r(secret, hash, data);
	enum scheme_result result = SCHEME_BAD;

	/* A failure is NULL or begins with '*', which no hash does. */
	if (made != NULL && made[0] == '$')
		result =
		    result_of(scheme_equal(slice_str(made), slice_str(hash)));
	else if (takes_memory(hash))
		result = SCHEME_UNKNOWN;
	explicit_bzero(data, sizeof(*data));
	free(data);
	return result;
}

enum scheme_result
scheme_verify(const char *hash, const char *secret)
{
	if (secret[0] == '\0')
		return SCHEME_BAD;
	if (!scheme_is_slow(hash))
		return result_of(scheme_equal(
		    slice_str(hash + strlen(plain)), slice_str(secret)));
	return verify_crypt(hash, secret);
}
