#include <assert.h>

#include "imapd/search.h"

/* Kleene's logic: what is not known yet stays so where it matters. */
static enum truth
truth_not(enum truth a)
{
	if (a == UNKNOWN)
		return UNKNOWN;
	return a == TRUE ? FALSE : TRUE;
}

static enum truth
truth_and(enum truth a, enum truth b)
{
	if (a == FALSE || b == FALSE)
		return FALSE;
	return a == TRUE && b == TRUE ? TRUE : UNKNOWN;
}

static enum truth
truth_or(enum truth a, enum truth b)
{
	if (a == TRUE || b == TRUE)
		return TRUE;
	return a == FALSE && b == FALSE ? FALSE : UNKNOWN;
}

static enum search_level
level_of(enum search_op op)
{
	if (op >= OP_BODY)
		return KNOW_BODY;
	if (op >= OP_HEADER)
		return KNOW_HEADER;
	return op >= OP_SENTBEFORE ? KNOW_FIELDS : KNOW_INDEX;
}

bool
search_needs(const struct search *prog, enum search_level level)
{
	for (size_t i = 0; i < prog->count; i++)
		if (prog->steps[i].op < OP_NOT &&
		    level_of(prog->steps[i].op) == level)
			return true;
	return false;
}

enum truth
search_run(const struct search *prog, enum search_level level,
    search_test *test, void *arg)
{
	/* each key that waits for another holds one value at most */
	enum truth stack[SEARCH_DEPTH_MAX + 2];
	size_t n = 0;

	for (size_t i = 0; i < prog->count; i++) {
		const struct search_step *step = &prog->steps[i];

		if (step->op == OP_NOT) {
			assert(n >= 1);
			stack[n - 1] = truth_not(stack[n - 1]);
		} else if (step->op == OP_AND || step->op == OP_OR) {
			assert(n >= 2);
			n--;
			stack[n - 1] = step->op == OP_AND
					   ? truth_and(stack[n - 1], stack[n])
					   : truth_or(stack[n - 1], stack[n]);
		} else {
			assert(n < ARRAY_LEN(stack));
			if (level_of(step->op) > level)
				stack[n++] = UNKNOWN;
			else
				stack[n++] =
				    test(arg, prog, step) ? TRUE : FALSE;
		}
	}
	return n == 0 ? TRUE : stack[0];
}
