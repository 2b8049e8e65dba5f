#include "auth/memo.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/wire.h"

#define SETS 4096U
#define WAYS 4U

struct entry {
	unsigned char tag[MEMO_TAG_SIZE];
	int64_t until_ms; /* 0: free */
};

struct memo {
	EVP_MAC_CTX *mac; /* owned; has its key */
	struct entry entries[SETS][WAYS];
};

/* Once: to find an algorithm by its name costs more than to use it. */
static EVP_MAC_CTX *
keyed_mac(void)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					  OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end() };
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
	unsigned char key[32];

	rand_bytes(key, sizeof(key));
	if (mac == NULL || EVP_MAC_init(mac, key, sizeof(key), params) != 1)
		log_die("event=broken what=hmac");
	explicit_bzero(key, sizeof(key));
	EVP_MAC_free(hmac);
	return mac;
}

struct memo *
memo_new(void)
{
	struct memo *c = xcalloc(1, sizeof(*c));

	c->mac = keyed_mac();
	return c;
}

void
memo_free(struct memo *c)
{
	if (c == NULL)
		return;
	EVP_MAC_CTX_free(c->mac);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

void
memo_tag(const struct memo *c, struct slice user, struct slice hash,
    struct slice secret, unsigned char tag[MEMO_TAG_SIZE])
{
	struct buf b = BUF_INIT(8192);
	size_t len = 0;

	/* Counted, so that no two triples look alike. */
	if (wire_put_bytes(&b, user) == -1 || wire_put_bytes(&b, hash) == -1 ||
	    wire_put_bytes(&b, secret) == -1 ||
	    EVP_MAC_init(c->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(c->mac, (const unsigned char *)b.data, b.len) != 1 ||
	    EVP_MAC_final(c->mac, tag, &len, MEMO_TAG_SIZE) != 1 ||
	    len != MEMO_TAG_SIZE)
		log_die("event=broken what=hmac");
	buf_wipe(&b);
}

/* The tag is as good as random: its first bytes choose the set. */
static size_t
set_of(const unsigned char *tag)
{
	return wire_get_u32(tag) % SETS;
}

bool
memo_has(const struct memo *c, const unsigned char tag[MEMO_TAG_SIZE],
    int64_t now_ms)
{
	const struct entry *set = c->entries[set_of(tag)];
	bool found = false;

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].until_ms > now_ms &&
		    CRYPTO_memcmp(set[i].tag, tag, MEMO_TAG_SIZE) == 0)
			found = true;
	return found;
}

void
memo_put(
    struct memo *c, const unsigned char tag[MEMO_TAG_SIZE], int64_t until_ms)
{
	struct entry *set = c->entries[set_of(tag)];
	struct entry *e = &set[0];

	for (size_t i = 1; i < WAYS; i++)
		if (set[i].until_ms < e->until_ms)
			e = &set[i];
	for (size_t i = 0; i < WAYS; i++)
		if (CRYPTO_memcmp(set[i].tag, tag, MEMO_TAG_SIZE) == 0)
			e = &set[i];
	memcpy(e->tag, tag, MEMO_TAG_SIZE);
	e->until_ms = until_ms;
}
