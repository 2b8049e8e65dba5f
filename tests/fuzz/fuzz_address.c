/* libFuzzer: envelope paths and address lists. */
#include <stdint.h>
#include <stdlib.h>

#include "common/address/list.h"
#include "common/address/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL                                                                    \
	(PATH_ALLOW_NULL | PATH_ALLOW_POSTMASTER | PATH_ALLOW_UTF8 |           \
	    PATH_ALLOW_BARE)

/* What parses must parse to itself again once it is written. */
static void
check_path(struct slice in)
{
	char text[PATH_TEXT_MAX];
	struct path path;
	struct path again;

	if (path_parse(&path, in, ALL, NULL) != PATH_OK ||
	    path.kind == PATH_NULL)
		return;
	(void)path_format(&path, text);
	if (path_from_address(&again, slice_str(text), ALL) != PATH_OK ||
	    !path_equal(&path, &again))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct address_list list;
	struct address a;
	size_t count = 0;

	check_path(in);
	address_list_open(&list, in);
	while (address_list_next(&list, &a))
		if (++count > 3 * (size_t)ADDRESS_LIST_MAX)
			abort();
	address_list_close(&list);
	return 0;
}
