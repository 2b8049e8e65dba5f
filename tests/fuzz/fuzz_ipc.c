/* libFuzzer: frames and every message of the list. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/ipc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * What decodes is encoded as the same bytes: nothing of a message is passed
 * over, and there is one way only to say it.
 */
#define X(number, NAME, name, from, to, flags)                                 \
	static void again_##name(struct slice payload, struct buf *b)          \
	{                                                                      \
		struct ipc_##name m;                                           \
                                                                               \
		if (ipc_##name##_decode(&m, payload) == -1)                    \
			return;                                                \
		assert(ipc_##name##_encode(&m, b) == 0);                       \
		assert(slice_eq(buf_slice(b), payload));                       \
	}
IPC_MESSAGES(X)
#undef X

static void
again(uint16_t type, struct slice payload)
{
	struct buf b = BUF_INIT(IPC_MAX_PAYLOAD);

	switch (type) {
#define X(number, NAME, name, from, to, flags)                                 \
	case number:                                                           \
		again_##name(payload, &b);                                     \
		break;
		IPC_MESSAGES(X)
#undef X
	default:
		break;
	}
	buf_free(&b);
}

/* Rows of a list: read to the end, written, the same. */
#define X(name)                                                                \
	static void rows_##name(struct slice payload)                          \
	{                                                                      \
		struct buf b = BUF_INIT(IPC_MAX_PAYLOAD);                      \
		struct wire_in w = wire_in(payload);                           \
		struct ipc_##name m;                                           \
		int rc = 0;                                                    \
                                                                               \
		while (w.rest.len > 0 && rc == 0) {                            \
			rc = ipc_##name##_get(&m, &w);                         \
			if (rc == 0)                                           \
				assert(ipc_##name##_put(&m, &b) == 0);         \
		}                                                              \
		assert(rc == -1 || slice_eq(buf_slice(&b), payload));          \
		buf_free(&b);                                                  \
	}
IPC_RECORDS(X)
#undef X

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct ipc_frame f;
	size_t n;

	while (frame_parse(in, &f, &n) == 1) {
		const struct ipc_rule *r = ipc_rule_of(f.type);

		assert(n <= in.len);
		for (unsigned from = 0; from < PROC_COUNT; from++)
			for (unsigned to = 0; to < PROC_COUNT; to++)
				if (frame_check(&f, (enum proc)from,
					(enum proc)to) == NULL)
					assert(r != NULL);
		if (r != NULL)
			again(f.type, f.payload);
		in = slice_sub(in, n, in.len);
	}
	/* A type byte and a payload: deep into the decoders at once. */
	if (size > 1) {
		const struct ipc_rule *r = ipc_rule_at(data[0] % 64);
		struct slice rest = slice_of(data + 1, size - 1);

		if (r != NULL && r->valid(rest))
			again(r->type, rest);
		rows_rcpt(rest);
		rows_work_rcpt(rest);
		rows_dns_record(rest);
	}
	return 0;
}
