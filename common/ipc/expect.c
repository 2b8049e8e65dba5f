#include "common/ipc/expect.h"

#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"

struct expect {
	ipc_answer *answer;
	void *arg;
};

uint32_t
expect_add(struct map *expects, uint32_t *last, ipc_answer *answer, void *arg)
{
	struct expect *e = xcalloc(1, sizeof(*e));

	e->answer = answer;
	e->arg = arg;
	do
		++*last;
	while (*last == 0 || map_get_u64(expects, *last) != NULL);
	(void)map_put_u64(expects, *last, e);
	return *last;
}

void
expect_forget(struct map *expects, uint32_t request)
{
	free(map_del_u64(expects, request));
}

void
expect_answer(struct map *expects, struct ipc_frame *f)
{
	struct expect *e = map_get_u64(expects, f->request);
	bool last = (f->flags & IPC_MORE) == 0;
	ipc_answer *answer;
	void *arg;

	if (e == NULL)
		return; /* forgotten */
	answer = e->answer;
	arg = e->arg;
	if (last)
		free(map_del_u64(expects, f->request));
	if (answer != NULL)
		answer(arg, f);
}

/*
 * One may forget the request of another on the way, so each is taken out by
 * itself.
 */
void
expect_fail_all(struct map *expects)
{
	struct expect *e;
	struct slice key;
	size_t at = 0;
	void *value;

	while (expects->count > 0) {
		if (!map_next(expects, &at, &key, &value)) {
			at = 0;
			continue;
		}
		e = map_del(expects, key);
		if (e->answer != NULL)
			e->answer(e->arg, NULL);
		free(e);
	}
}
