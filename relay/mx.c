#include "relay/mx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/crc32c.h"
#include "common/base/rand.h"
#include "common/ipc/messages.h"

#define RECORDS_MAX 200

struct sortable {
	struct slice name;
	uint16_t preference;
	uint64_t dice;
};

static int
compare(const void *pa, const void *pb)
{
	const struct sortable *a = pa;
	const struct sortable *b = pb;

	if (a->preference != b->preference)
		return a->preference < b->preference ? -1 : 1;
	if (a->dice != b->dice)
		return a->dice < b->dice ? -1 : 1;
	return 0;
}

static size_t
collect(struct sortable all[RECORDS_MAX], struct slice records)
{
	struct wire_in w = wire_in(records);
	size_t n = 0;

	while (w.rest.len > 0 && n < RECORDS_MAX) {
		struct ipc_dns_record r;

		if (ipc_dns_record_get(&r, &w) == -1)
			break;
		all[n++] = (struct sortable){ .name = r.data,
			.preference = r.preference,
			.dice = rand_u64() };
	}
	return n;
}

/* How many come before us: all no better than us are cut. */
static size_t
before_us(const struct sortable *all, size_t n, const char *self)
{
	for (size_t i = 0; i < n; i++) {
		size_t first = i;

		if (!slice_ieq(all[i].name, slice_str(self)))
			continue;
		while (
		    first > 0 && all[first - 1].preference == all[i].preference)
			first--;
		return first;
	}
	return n;
}

void
mx_read(struct mx *m, struct slice records, const char *self)
{
	struct sortable all[RECORDS_MAX];
	size_t n = collect(all, records);
	size_t usable;

	*m = (struct mx){ 0 };
	/* RFC 7505 §3: alone; beside others it is a mistake and no host. */
	m->null = n == 1 && slice_eq(all[0].name, SLICE("."));
	if (m->null)
		return;
	if (n > 1)
		qsort(all, n, sizeof(all[0]), compare);
	usable = before_us(all, n, self);
	m->loops = usable == 0 && n > 0;
	for (size_t i = 0; i < usable && m->count < MX_HOSTS_MAX; i++) {
		struct mx_host *h = &m->hosts[m->count];

		if (slice_eq(all[i].name, SLICE(".")) ||
		    slice_copy(h->name, sizeof(h->name), all[i].name) == -1)
			continue;
		h->preference = all[i].preference;
		m->count++;
	}
}

void
mx_single(struct mx *m, const char *name)
{
	*m = (struct mx){ .count = 1, .single = true };
	(void)snprintf(m->hosts[0].name, sizeof(m->hosts[0].name), "%s", name);
}

static int
by_name(const void *pa, const void *pb)
{
	const char *const *a = pa;
	const char *const *b = pb;

	return strcmp(*a, *b);
}

void
mx_group(const struct mx *m, char dst[MX_GROUP_MAX])
{
	const char *names[MX_HOSTS_MAX];
	uint32_t sum = 0;
	size_t at = 0;
	bool whole = true;

	dst[0] = '\0';
	if (m->single || m->count == 0)
		return;
	for (size_t i = 0; i < m->count; i++)
		names[i] = m->hosts[i].name;
	qsort(names, m->count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < m->count; i++) {
		size_t n = strlen(names[i]);

		sum = crc32c(sum, names[i], n + 1);
		whole = whole && at + n + 1 < MX_GROUP_MAX - 10;
		if (!whole)
			continue;
		if (at > 0)
			dst[at++] = ',';
		memcpy(dst + at, names[i], n + 1);
		at += n;
	}
	if (!whole)
		(void)snprintf(dst + at, MX_GROUP_MAX - at, "#%08x", sum);
}
