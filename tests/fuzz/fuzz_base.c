/*
 * libFuzzer: the small parsers under all others: base64, UTF-8, numbers,
 * networks and endpoints, xtext, queue ids.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/num.h"
#include "common/base/utf8.h"
#include "common/config/network.h"
#include "common/smtp/xtext.h"
#include "queue/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decoding undoes encoding, and only one text stands for some bytes. */
static void
check_base64(struct slice in)
{
	struct buf text = BUF_INIT(1 << 20);
	struct buf back = BUF_INIT(1 << 20);
	struct buf again = BUF_INIT(1 << 20);

	if (base64_encode(&text, in) == -1 ||
	    base64_decode(&back, buf_slice(&text)) == -1 ||
	    !slice_eq(buf_slice(&back), in))
		abort();
	buf_truncate(&back, 0);
	if (base64_decode(&back, in) == 0 &&
	    (base64_encode(&again, buf_slice(&back)) == -1 ||
		!slice_eq(buf_slice(&again), in)))
		abort();
	buf_free(&text);
	buf_free(&back);
	buf_free(&again);
}

/* Well-formed is what is put together again from its characters. */
static void
check_utf8(struct slice in)
{
	struct buf again = BUF_INIT(1 << 20);
	struct slice rest = in;
	bool good = true;

	while (rest.len > 0) {
		size_t n;
		int32_t code = utf8_next(rest, &n);

		if (n == 0 || n > rest.len || n > 4 || (code < 0 && n != 1))
			abort();
		if (code < 0)
			good = false;
		else if (utf8_put(&again, (uint32_t)code) == -1)
			abort();
		rest = slice_sub(rest, n, SIZE_MAX);
	}
	if (good != utf8_valid(in) ||
	    (good && !slice_eq(buf_slice(&again), in)))
		abort();
	if (good && !utf8_has_8bit(in) && in.len != again.len)
		abort();
	buf_free(&again);
}

static void
check_numbers(struct slice in)
{
	uint64_t a;
	uint64_t b;
	char text[32];

	if (num_parse(in, 1000000, &a) == 0) {
		(void)snprintf(
		    text, sizeof(text), "%llu", (unsigned long long)a);
		if (a > 1000000 || num_parse(slice_str(text), a, &b) == -1 ||
		    a != b || num_parse(in, UINT64_MAX, &b) == -1 || a != b)
			abort();
	}
	if (num_parse_size(in, 1 << 30, &a) == 0 && a > 1 << 30)
		abort();
	if (num_parse_time(in, 1 << 30, &a) == 0 && a > 1 << 30)
		abort();
}

static void
check_network(struct slice in)
{
	struct endpoint e;
	struct network net;

	if (network_parse(in, &net) == 0 &&
	    (net.bits > 128 || !network_has(&net, &net)))
		abort();
	if (endpoint_parse(in, &e) == 0) {
		struct endpoint again;
		char text[128];

		(void)snprintf(text, sizeof(text),
		    strchr(e.address, ':') == NULL ? "%s:%u" : "[%s]:%u",
		    e.address, e.port);
		if (endpoint_parse(slice_str(text), &again) == -1 ||
		    strcmp(e.address, again.address) != 0 ||
		    e.port != again.port)
			abort();
	}
}

/* What was encoded decodes to itself; what is valid decodes. */
static void
check_xtext(struct slice in)
{
	struct buf b = BUF_INIT(1 << 20);

	for (int utf8 = 0; utf8 < 2; utf8++) {
		buf_truncate(&b, 0);
		if (smtp_xtext_decode(&b, in, utf8 != 0) == 0 && b.len > in.len)
			abort();
	}
	buf_free(&b);
}

static void
check_id(struct slice in)
{
	struct qid id;
	struct qid again;
	char text[QID_TEXT];

	if (qid_parse(in, &id) == -1)
		return;
	qid_text(id, text);
	if (!slice_eq(slice_str(text), in) ||
	    qid_parse(slice_str(text), &again) == -1 ||
	    qid_compare(id, again) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size > 4096)
		return 0;
	check_base64(in);
	check_utf8(in);
	check_numbers(in);
	check_network(in);
	check_xtext(in);
	check_id(in);
	return 0;
}
