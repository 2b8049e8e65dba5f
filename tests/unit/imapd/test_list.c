/* LIST, also where memory is refused. */
#include <string.h>

#include "tests/unit/imapd/client.h"
#include "tests/unit/nomem.h"

/* All that a session says to this when it gets no memory the n-th time. */
static void
hear_in_want(struct client *c, const struct place *p, long n, const char *text)
{
	nomem_at(n);
	client_open(c, p, text);
	nomem_left = 0;
	while (more(c))
		;
	close(c->fd);
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Said to be complete it is, or it is said that it cannot be had now. */
static void
no_mailbox_is_left_out_for_want_of_memory(void **state)
{
	static const char commands[] = "a LIST \"\" *\r\nb LOGOUT\r\n";
	struct place *p = *state;
	unsigned refused = 0;
	struct client c;
	const char *text;
	unsigned all;
	long n = 0;

	hear_in_want(&c, p, 0, commands);
	all = count(buf_str(&c.in), "* LIST ");
	assert_true(all > 1);
	buf_free(&c.in);
	do {
		hear_in_want(&c, p, ++n, commands);
		text = buf_str(&c.in);
		if (strstr(text, "a OK") != NULL &&
		    count(text, "* LIST ") != all)
			fail_msg("time %ld: %s", n, text);
		if (strstr(text, "a NO") != NULL &&
		    strstr(text, "a NO [UNAVAILABLE]") == NULL)
			fail_msg("time %ld: %s", n, text);
		refused += strstr(text, "a NO") != NULL;
		buf_free(&c.in);
	} while (*nomem_struck);
	assert_true(refused > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    no_mailbox_is_left_out_for_want_of_memory, place_setup,
		    place_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
