#include "common/base/map.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/wire.h"

#define FIRST_CAP 16

struct map_entry {
	uint64_t hash;
	char *key; /* owned; NULL: never used, or tomb when tomb is set */
	size_t len;
	void *value;
	bool tomb;
};

static uint64_t secret[2];

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[0] = ROTL(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[2] = ROTL(v[2], 32);
}

uint64_t
map_hash(struct slice s)
{
	uint64_t v[4];
	uint64_t last = (uint64_t)s.len << 56;
	size_t i;

	if (secret[0] == 0 && secret[1] == 0)
		rand_bytes(secret, sizeof(secret));
	v[0] = secret[0] ^ 0x736f6d6570736575ULL;
	v[1] = secret[1] ^ 0x646f72616e646f6dULL;
	v[2] = secret[0] ^ 0x6c7967656e657261ULL;
	v[3] = secret[1] ^ 0x7465646279746573ULL;
	for (i = 0; i + 8 <= s.len; i += 8) {
		uint64_t m = wire_get_u64(s.p + i);

		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (unsigned k = 0; i < s.len; i++, k += 8)
		last |= (uint64_t)(unsigned char)s.p[i] << k;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int k = 0; k < 3; k++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The entry of key, or NULL. */
static struct map_entry *
find(const struct map *m, struct slice key, uint64_t hash)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_entry *e = &m->entries[i];

		if (e->key == NULL && !e->tomb)
			return NULL;
		if (e->key != NULL && e->hash == hash &&
		    slice_eq(slice_of(e->key, e->len), key))
			return e;
	}
}

static void
place(struct map *m, struct map_entry e)
{
	size_t i = e.hash & (m->cap - 1);

	while (m->entries[i].key != NULL)
		i = (i + 1) & (m->cap - 1);
	m->entries[i] = e;
}

static void
make_room(struct map *m)
{
	struct map_entry *old = m->entries;
	size_t old_cap = m->cap;

	if (m->cap > 0 && (m->used + 1) * 4 <= m->cap * 3)
		return;
	m->cap = old_cap == 0 ? FIRST_CAP : old_cap;
	while ((m->count + 1) * 2 > m->cap)
		m->cap *= 2;
	m->entries = xcalloc(m->cap, sizeof(*m->entries));
	m->used = m->count;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].key != NULL)
			place(m, old[i]);
	free(old);
}

void *
map_get(const struct map *m, struct slice key)
{
	struct map_entry *e = find(m, key, map_hash(key));

	return e == NULL ? NULL : e->value;
}

void *
map_put(struct map *m, struct slice key, void *value)
{
	uint64_t hash = map_hash(key);
	struct map_entry *e = find(m, key, hash);
	void *old = NULL;

	if (e != NULL) {
		old = e->value;
		e->value = value;
		return old;
	}
	make_room(m);
	e = &(struct map_entry){ .hash = hash, .len = key.len, .value = value };
	e->key = xcalloc(key.len + 1, 1);
	if (key.len > 0)
		memcpy(e->key, key.p, key.len);
	place(m, *e);
	m->used++;
	m->count++;
	return NULL;
}

void *
map_del(struct map *m, struct slice key)
{
	struct map_entry *e = find(m, key, map_hash(key));
	void *old;

	if (e == NULL)
		return NULL;
	old = e->value;
	free(e->key);
	*e = (struct map_entry){ .tomb = true };
	m->count--;
	return old;
}

void *
map_get_u64(const struct map *m, uint64_t key)
{
	return map_get(m, slice_of(&key, sizeof(key)));
}

void *
map_put_u64(struct map *m, uint64_t key, void *value)
{
	return map_put(m, slice_of(&key, sizeof(key)), value);
}

void *
map_del_u64(struct map *m, uint64_t key)
{
	return map_del(m, slice_of(&key, sizeof(key)));
}

bool
map_next(const struct map *m, size_t *at, struct slice *key, void **value)
{
	while (*at < m->cap) {
		struct map_entry *e = &m->entries[(*at)++];

		if (e->key == NULL)
			continue;
		*key = slice_of(e->key, e->len);
		*value = e->value;
		return true;
	}
	return false;
}

void
map_free(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->entries[i].key);
	free(m->entries);
	*m = (struct map)MAP_INIT;
}
