/* Configuration text, printed and read again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf problems = BUF_INIT(65536);
	struct buf text = BUF_INIT(1 << 20);
	struct buf again = BUF_INIT(1 << 20);
	struct config *c;
	struct config *back;

	/* include() reads files, which a fuzzer should not. */
	if (size > 20000 || memchr(data, '\0', size) != NULL ||
	    memmem(data, size, "include", 7) != NULL)
		return 0;
	c = config_parse(slice_of(data, size), &problems);
	if (c != NULL && config_print(c, &text) == 0) {
		back = config_parse(buf_slice(&text), &problems);
		assert(back != NULL && config_print(back, &again) == 0);
		assert(slice_eq(buf_slice(&text), buf_slice(&again)));
		config_free(back);
	}
	config_free(c);
	buf_free(&problems);
	buf_free(&text);
	buf_free(&again);
	return 0;
}
