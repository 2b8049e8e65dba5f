#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/config/config.h"
#include "common/table/kind.h"
#include "router/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The first line is a recipient, the rest one text table that answers for
 * all of the router's. Whatever it says, there is an end and an answer.
 */
static enum table_result
ask(void *arg, enum lookup_map map, struct slice key, struct buf *value)
{
	char err[TABLE_ERR_MAX];

	(void)map;
	buf_truncate(value, 0);
	return arg == NULL ? TABLE_ERROR : text_get(arg, key, value, err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config *config;
	struct buf problems = BUF_INIT(65536);
	struct slice recipient;
	struct slice rest = slice_cut(slice_of(data, size), '\n', &recipient);
	char err[TABLE_ERR_MAX];
	struct lookup lookup = { .ask = ask };
	struct route_answer a;
	struct slice payload;

	if (config == NULL) {
		log_level(LOG_FAIL + 1);
		config =
		    config_parse(SLICE("domains = {\"x.test\"}\n"), &problems);
	}
	lookup.arg = text_parse(rest, "fuzz", err);
	route_answer_init(&a);
	route_find(config, &lookup, recipient, &a);
	if (a.count == 0)
		abort();
	while (route_answer_next(&a, &payload)) {
		struct ipc_route m;

		if (ipc_route_decode(&m, payload) == -1)
			abort();
	}
	route_answer_free(&a);
	text_unload(lookup.arg);
	buf_free(&problems);
	return 0;
}
