#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/table/entry.h"
#include "common/table/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text tables and inline tables, as an administrator may write them. */
static void
read_entries(struct slice text)
{
	struct entry_reader r;
	struct slice key, value;
	enum entry_result got;

	entry_reader_init(&r, text);
	while ((got = entry_next(&r, &key, &value)) != ENTRY_END) {
		if (got == ENTRY_BAD)
			continue;
		if (key.len == 0 || value.len == 0 || !entry_text_fine(key) ||
		    !entry_text_fine(value))
			abort();
	}
	entry_reader_free(&r);
}

static void
read_inline(struct slice text)
{
	char err[TABLE_ERR_MAX];
	char *copy = slice_dup(text);

	text_unload(inline_load(copy, err));
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);

	read_entries(text);
	read_inline(text);
	return 0;
}
