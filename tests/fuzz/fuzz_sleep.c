/* libFuzzer: what a sleeping session left, and how it says good night. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/login/sleep.h"
#include "imapd/sleep_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* What is read can be written, to the same bytes, and names no nonsense. */
static void
check_state(struct slice in)
{
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	struct sleep_state s;

	if (sleep_state_parse(in, &s) == -1)
		return;
	must(strlen(s.tag) <= PARSE_TAG_MAX && (s.tag[0] != '\0') == s.idling);
	must(strpbrk(s.tag, " \r\n\"\\{()*%") == NULL);
	must(s.place.recent_count <= PLACE_RANGES);
	for (uint32_t i = 1; i < s.place.recent_count; i++)
		must(s.place.recent[i].first > s.place.recent[i - 1].last);
	must(sleep_state_put(&b, &s) == 0);
	must(slice_eq(buf_slice(&b), in));
	buf_free(&b);
}

static void
check_note(struct slice in)
{
	struct buf b = BUF_INIT(SLEEP_NOTE_MAX);
	struct sleep_note n;

	if (sleep_note_parse(in, &n) == -1)
		return;
	must(n.state.len <= SLEEP_STATE_MAX);
	must(sleep_note_put(&b, &n) == 0);
	must(slice_eq(buf_slice(&b), in));
	buf_free(&b);
	check_state(n.state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_state(slice_of(data, size));
	check_note(slice_of(data, size));
	return 0;
}
