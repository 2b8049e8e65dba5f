#include "relay/ehlo.h"

#include "common/base/num.h"

static void
read_auth(struct ehlo *e, struct slice words)
{
	while (words.len > 0) {
		struct slice w;

		words = slice_cut(words, ' ', &w);
		if (slice_ieq(w, SLICE("PLAIN")))
			e->offers |= EHLO_AUTH_PLAIN;
		else if (slice_ieq(w, SLICE("LOGIN")))
			e->offers |= EHLO_AUTH_LOGIN;
	}
}

static void
read_line(struct ehlo *e, struct slice line)
{
	/* clang-format off */
	static const struct {
		struct slice word;
		unsigned bit;
	} known[] = {
		{ { "PIPELINING", 10 },          EHLO_PIPELINING },
		{ { "8BITMIME", 8 },             EHLO_8BITMIME },
		{ { "SMTPUTF8", 8 },             EHLO_SMTPUTF8 },
		{ { "STARTTLS", 8 },             EHLO_STARTTLS },
		{ { "DSN", 3 },                  EHLO_DSN },
		{ { "CHUNKING", 8 },             EHLO_CHUNKING },
		{ { "ENHANCEDSTATUSCODES", 19 }, EHLO_ENHANCED },
		{ { "SIZE", 4 },                 EHLO_SIZE },
	};
	/* clang-format on */
	struct slice word;
	struct slice rest = slice_cut(slice_trim(line), ' ', &word);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_ieq(word, known[i].word))
			e->offers |= known[i].bit;
	if (slice_ieq(word, SLICE("SIZE")) &&
	    num_parse(slice_trim(rest), UINT64_MAX, &e->size_limit) == -1)
		e->size_limit = 0;
	if (slice_ieq(word, SLICE("AUTH")))
		read_auth(e, rest);
	/* The spelling of old servers. */
	if (slice_istarts(word, SLICE("AUTH=")))
		read_auth(e, slice_sub(slice_trim(line), 5, line.len));
}

void
ehlo_read(struct ehlo *e, const struct smtp_reply *r)
{
	struct slice line = SLICE_EMPTY;
	struct slice word;
	size_t at = 0;

	*e = (struct ehlo){ 0 };
	if (!smtp_reply_line(r, &at, &line))
		return;
	(void)slice_cut(slice_trim(line), ' ', &word);
	if (slice_copy(e->name, sizeof(e->name), word) == -1)
		e->name[0] = '\0';
	while (smtp_reply_line(r, &at, &line))
		read_line(e, line);
}
