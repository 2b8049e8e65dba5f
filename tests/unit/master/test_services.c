/* The table of the house against the list of messages. */
#include <string.h>

#include "common/ipc/messages.h"
#include "master/services.h"
#include "tests/unit/cmocka.h"

/* Is there a message that a sends to b? */
static bool
message_between(enum proc a, enum proc b)
{
	const struct ipc_rule *r;

	for (size_t i = 0; (r = ipc_rule_at(i)) != NULL; i++)
		if ((r->from & PROC_BIT(a)) != 0 && (r->to & PROC_BIT(b)) != 0)
			return true;
	return false;
}

static void
who_may_talk_has_something_to_say_both_ways(void **state)
{
	(void)state;
	for (unsigned a = 1; a < PROC_CLI; a++)
		for (unsigned b = 1; b < PROC_CLI; b++)
			if (service_may_talk((enum proc)a, (enum proc)b) &&
			    !message_between((enum proc)a, (enum proc)b))
				fail_msg("%s never speaks to %s",
				    proc_name((enum proc)a),
				    proc_name((enum proc)b));
}

/* One row serves both protocols; each front has only its own usher. */
static bool
front_and_foreign_usher(enum proc a, enum proc b)
{
	return (a == PROC_IMAPD && b == PROC_POP3_USHER) ||
	       (a == PROC_POP3D && b == PROC_IMAP_USHER);
}

static void
every_message_has_a_pair_to_travel_on(void **state)
{
	(void)state;
	for (unsigned a = 1; a < PROC_CLI; a++)
		for (unsigned b = 1; b < PROC_CLI; b++)
			if (message_between((enum proc)a, (enum proc)b) &&
			    !service_may_talk((enum proc)a, (enum proc)b) &&
			    !front_and_foreign_usher(
				(enum proc)a, (enum proc)b) &&
			    !front_and_foreign_usher(
				(enum proc)b, (enum proc)a))
				fail_msg("%s has words for %s and no pair",
				    proc_name((enum proc)a),
				    proc_name((enum proc)b));
}

static void
every_process_is_one_service(void **state)
{
	unsigned seen = 0;
	const struct service *s;

	(void)state;
	for (size_t i = 0; (s = service_at(i)) != NULL; i++) {
		assert_int_equal(seen & PROC_BIT(s->proc), 0);
		seen |= PROC_BIT(s->proc);
		assert_true(strncmp(s->user, "wm-", 3) == 0);
	}
	for (unsigned p = 1; p < PROC_CLI; p++)
		assert_true((seen & PROC_BIT(p)) != 0);
}

/* What strangers reach holds no mail, no table and no password. */
static void
who_listens_on_the_network_has_an_empty_root(void **state)
{
	const struct service *s;

	(void)state;
	for (size_t i = 0; (s = service_at(i)) != NULL; i++) {
		if ((s->listeners & ~LISTEN_BIT(LISTEN_CONTROL)) != 0) {
			assert_int_equal(s->root, ROOT_EMPTY);
			assert_int_equal(s->may & ~MAY_PAIR, 0);
		}
		if ((s->may & MAY_FORK) != 0)
			assert_int_equal(s->listeners, 0);
	}
	assert_false(service_may_talk(PROC_SMTPD, PROC_AUTH));
	assert_false(service_may_talk(PROC_SMTPD, PROC_DELIVER));
	assert_false(service_may_talk(PROC_RELAY, PROC_ROUTER));
	assert_false(service_may_talk(PROC_IMAPD, PROC_QUEUE));
	assert_false(service_may_talk(PROC_AUTH, PROC_QUEUE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_talk_has_something_to_say_both_ways),
		cmocka_unit_test(every_message_has_a_pair_to_travel_on),
		cmocka_unit_test(every_process_is_one_service),
		cmocka_unit_test(who_listens_on_the_network_has_an_empty_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
