/* libFuzzer: framing, and every parser of commands after login. */
#include <stdint.h>
#include <stdlib.h>

#include "imapd/fetch.h"
#include "imapd/parse.h"
#include "imapd/parse_frame.h"
#include "imapd/parse_pattern.h"
#include "imapd/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum truth
yes(void *arg, const struct search *prog, const struct search_step *step)
{
	(void)arg;
	(void)prog;
	return (step->op & 1) != 0 ? TRUE : FALSE;
}

static void
try_fetch(struct slice in)
{
	struct fetch_request *r = calloc(1, sizeof(*r));
	struct parse p;

	parse_init(&p, in);
	if (!fetch_parse(&p, r) && p.error == NULL)
		abort();
	fetch_request_free(r);
	parse_free(&p);
	free(r);
}

static void
try_search(struct slice in)
{
	struct search prog;
	struct parse p;

	parse_init(&p, in);
	if (search_parse(&p, &prog)) {
		(void)search_run(&prog, KNOW_INDEX, yes, NULL);
		if (search_run(&prog, KNOW_BODY, yes, NULL) == UNKNOWN)
			abort();
	} else if (p.error == NULL && !prog.bad_charset) {
		abort();
	}
	search_free(&prog);
	parse_free(&p);
}

static void
try_pieces(struct slice in)
{
	struct parse_flags flags;
	struct parse_set set;
	struct parse p;
	struct slice s;
	int64_t t;
	int16_t zone;

	parse_init(&p, in);
	while (parse_tag(&p, &s) && parse_space(&p) && parse_astring(&p, &s) &&
	       parse_space(&p))
		;
	p.at = 0;
	(void)parse_flag_list(&p, true, &flags);
	p.at = 0;
	(void)parse_date_time(&p, &t, &zone);
	p.at = 0;
	(void)parse_date(&p, &t);
	p.at = 0;
	(void)parse_set(&p, &set);
	parse_set_sort(&set, 100);
	parse_set_free(&set);
	parse_free(&p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct parse_frame f = { .seen = 0 };
	enum parse_step step;

	while ((step = parse_frame_look(&f, in)) == PARSE_LITERAL) {
		if (f.literal > size)
			break;
		parse_frame_take_literal(&f);
	}
	if (step == PARSE_COMMAND && f.end > size)
		abort();
	try_pieces(in);
	try_fetch(in);
	try_search(in);
	if (size > 2)
		(void)pattern_match(slice_sub(in, 0, data[0] % size),
		    slice_sub(in, data[0] % size, size));
	return 0;
}
