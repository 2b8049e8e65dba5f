#include "deliver/loop.h"

#include "common/mime/header.h"

#define LOOK_AT ((size_t)64 * 1024)

static bool
header_has(struct slice header, struct slice address)
{
	struct mime_fields it = mime_fields(header);
	struct mime_field f;

	while (mime_fields_next(&it, &f))
		if (slice_ieq(f.name, SLICE("Delivered-To")) &&
		    slice_ieq(slice_trim(f.value), address))
			return true;
	return false;
}

bool
loop_found(const struct work *w, struct slice address)
{
	struct buf head = BUF_INIT(LOOK_AT);
	char *room;
	ssize_t n;
	bool found = false;

	if (w->fd == -1)
		return header_has(slice_sub(w->content, 0, LOOK_AT), address);
	room = buf_reserve(&head, LOOK_AT);
	n = room == NULL ? -1 : work_read(w, 0, room, LOOK_AT);
	if (n > 0) {
		buf_commit(&head, (size_t)n);
		found = header_has(buf_slice(&head), address);
	}
	buf_free(&head);
	return found;
}
