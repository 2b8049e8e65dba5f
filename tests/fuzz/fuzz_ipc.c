/* Frames and every message of the list. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/ipc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
			(void)r->valid(f.payload);
		in = slice_sub(in, n, in.len);
	}
	/* A type byte and a payload: deep into the decoders at once. */
	if (size > 1) {
		const struct ipc_rule *r = ipc_rule_at(data[0] % 64);

		if (r != NULL)
			(void)r->valid(slice_of(data + 1, size - 1));
	}
	return 0;
}
