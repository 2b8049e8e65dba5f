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

/* Values that wait for an operator; each open key holds one at most. */
struct values {
	enum truth stack[SEARCH_DEPTH_MAX + 2];
	size_t n;
};

static void
combine(struct values *v, enum search_op op)
{
	enum truth *top;

	assert(v->n >= (op == OP_NOT ? 1 : 2));
	top = &v->stack[v->n - 1];
	if (op == OP_NOT) {
		*top = truth_not(*top);
		return;
	}
	v->n--;
	top[-1] =
	    op == OP_AND ? truth_and(top[-1], *top) : truth_or(top[-1], *top);
}

void
search_begin(struct search *prog)
{
	for (size_t i = 0; i < prog->count; i++)
		prog->steps[i].truth = UNKNOWN;
}

enum truth
search_run(
    struct search *prog, enum search_level level, search_test *test, void *arg)
{
	struct values v;

	v.n = 0;
	for (size_t i = 0; i < prog->count; i++) {
		struct search_step *step = &prog->steps[i];

		if (step->op >= OP_NOT) {
			combine(&v, step->op);
			continue;
		}
		if (step->truth == UNKNOWN && level_of(step->op) <= level)
			step->truth = test(arg, prog, step);
		assert(v.n < ARRAY_LEN(v.stack));
		v.stack[v.n++] = step->truth;
	}
	return v.n == 0 ? TRUE : v.stack[0];
}
