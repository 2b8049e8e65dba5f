/* libFuzzer: DNS responses, names asked for and trust anchor files. */
#include <stdint.h>
#include <stdlib.h>

#include "common/config/anchor.h"
#include "resolver/answer.h"
#include "resolver/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read keeps every limit and decodes as the peers will decode it. */
static void
check_answer(struct slice packet, enum ipc_dns type)
{
	struct answer a;
	struct wire_in w;
	size_t n = 0;

	answer_read(&a, packet, "example.test", type);
	w = wire_in(buf_slice(&a.records));
	while (w.rest.len > 0) {
		struct ipc_dns_record r;

		if (ipc_dns_record_get(&r, &w) == -1)
			abort();
		if (type != DNS_TXT && r.data.len >= DNS_NAME_MAX)
			abort();
		n++;
	}
	if (n != a.count || n > ANSWER_RECORDS_MAX ||
	    a.ttl_s > ANSWER_TTL_MAX || (n > 0 && a.status != DNS_OK) ||
	    (n == 0 && a.status == DNS_OK && type != DNS_MX))
		abort();
	answer_free(&a);
}

static void
check_name(struct slice in)
{
	char once[DNS_NAME_MAX];
	char twice[DNS_NAME_MAX];

	if (name_ask(once, in, DNS_MX) == -1)
		return;
	if (name_ask(twice, slice_str(once), DNS_MX) == -1 ||
	    strcmp(once, twice) != 0)
		abort();
}

static void
check_anchors(struct slice in)
{
	struct anchor_in a;
	const char *record;
	struct slice owner;

	anchor_open(&a, in);
	while (anchor_next(&a, &record, &owner) == 1)
		if (strlen(record) > ANCHOR_RECORD_MAX)
			abort();
	anchor_close(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	for (int type = DNS_A; type <= DNS_TXT; type++)
		check_answer(in, (enum ipc_dns)type);
	check_name(slice_sub(in, 0, 300));
	check_anchors(in);
	return 0;
}
