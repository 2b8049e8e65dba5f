/*
 * libFuzzer: names that mean something: of mailboxes (UTF-8, modified UTF-7,
 * Maildir++), of message files, of mails in a drop box.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "store/drop.h"
#include "store/fname.h"
#include "store/mailbox.h"
#include "store/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A canonical name is its own, and comes back from disk and wire. */
static void
check_canonical(struct slice name)
{
	struct buf once = BUF_INIT(NAME_MAX_BYTES);
	struct buf twice = BUF_INIT(NAME_MAX_BYTES);
	struct buf other = BUF_INIT(4 * NAME_MAX_BYTES);

	if (name_canonical(name, &once) == -1)
		goto out;
	if (name_canonical(buf_slice(&once), &twice) == -1 ||
	    !slice_eq(buf_slice(&once), buf_slice(&twice)) ||
	    !utf8_valid(buf_slice(&once)))
		abort();
	buf_truncate(&twice, 0);
	if (name_to_disk(buf_slice(&once), &other) == -1 ||
	    other.len > NAME_MAX_DISK ||
	    (other.len > 0 && memchr(other.data, '/', other.len) != NULL))
		abort();
	if (other.len > 0 &&
	    (name_from_disk(buf_slice(&other), &twice) == -1 ||
		!slice_eq(buf_slice(&once), buf_slice(&twice))))
		abort();
	buf_truncate(&twice, 0);
	buf_truncate(&other, 0);
	if (name_to_utf7(buf_slice(&once), &other) == -1 ||
	    name_from_utf7(buf_slice(&other), &twice) == -1 ||
	    !slice_eq(buf_slice(&once), buf_slice(&twice)))
		abort();
out:
	buf_free(&once);
	buf_free(&twice);
	buf_free(&other);
}

/* Strict both ways: one text on the wire, one on disk, for each name. */
static void
check_wire(struct slice in)
{
	struct buf name = BUF_INIT(4 * NAME_MAX_BYTES);
	struct buf wire = BUF_INIT(16 * NAME_MAX_BYTES);

	if (name_from_utf7(in, &name) == 0 &&
	    (!utf8_valid(buf_slice(&name)) ||
		name_to_utf7(buf_slice(&name), &wire) == -1 ||
		!slice_eq(buf_slice(&wire), in)))
		abort();
	buf_truncate(&name, 0);
	buf_truncate(&wire, 0);
	if (name_from_disk(in, &name) == 0 &&
	    (name_to_disk(buf_slice(&name), &wire) == -1 ||
		!slice_eq(buf_slice(&wire), in)))
		abort();
	buf_free(&name);
	buf_free(&wire);
}

static void
check_files(struct slice in)
{
	char text[FNAME_MAX + 1];
	char drop[DROP_NAME_MAX + 1];
	struct fname again;
	struct drop_name d;
	struct fname f;

	if ((fname_flags(in) & ~(unsigned)MESSAGE_FLAGS) != 0)
		abort();
	if (fname_parse(in, &f) == 0) {
		fname_format(&f, text);
		if (fname_parse(slice_str(text), &again) == -1 ||
		    f.date_s != again.date_s || f.id != again.id ||
		    f.size != again.size || f.uid != again.uid ||
		    f.uidvalidity != again.uidvalidity ||
		    f.zone_min != again.zone_min || f.flags != again.flags)
			abort();
	}
	if (drop_name_parse(in, &d) == 0 && (drop_name_format(&d, drop) == -1 ||
						!slice_eq(slice_str(drop), in)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size > 2 * NAME_MAX_BYTES)
		return 0;
	check_canonical(in);
	check_wire(in);
	check_files(in);
	return 0;
}
