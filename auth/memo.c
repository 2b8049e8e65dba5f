#include "auth/memo.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
	unsigned char key[32];
	struct entry entries[SETS][WAYS];
};

struct memo *
memo_new(void)
{
	struct memo *c = xcalloc(1, sizeof(*c));

	rand_bytes(c->key, sizeof(c->key));
	return c;
}

void
memo_free(struct memo *c)
{
	if (c == NULL)
		return;
	explicit_bzero(c, sizeof(*c));
	free(c);
}

void
memo_tag(const struct memo *c, struct slice user, struct slice hash,
    struct slice secret, unsigned char tag[MEMO_TAG_SIZE])
{
	struct buf b = BUF_INIT(8192);
	unsigned len = 0;

	/* Counted, so that no two triples look alike. */
	if (wire_put_bytes(&b, user) == -1 || wire_put_bytes(&b, hash) == -1 ||
	    wire_put_bytes(&b, secret) == -1 ||
	    HMAC(EVP_sha256(), c->key, sizeof(c->key),
		(const unsigned char *)b.data, b.len, tag, &len) == NULL ||
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
