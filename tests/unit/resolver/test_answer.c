#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "resolver/answer.h"

/* A packet under construction. */
struct packet {
	struct buf b;
	unsigned answers;
};

#define NAME_AT_QUESTION "\xc0\x0c"

static void
put(struct packet *p, const void *bytes, size_t n)
{
	assert_int_equal(buf_append(&p->b, bytes, n), 0);
}

static void
put16(struct packet *p, unsigned v)
{
	uint8_t two[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(p, two, 2);
}

/* A question for example.test of this type, rcode and flags of an answer. */
static void
question(struct packet *p, unsigned type, unsigned rcode)
{
	buf_init(&p->b, 65535);
	p->answers = 0;
	put(p, "\x12\x34", 2);
	put16(p, 0x8180 | rcode);
	put16(p, 1);
	put16(p, 0);
	put16(p, 0);
	put16(p, 0);
	put(p, "\7example\4test", 14);
	put16(p, type);
	put16(p, 1);
}

static void
record(struct packet *p, struct slice owner, unsigned type, struct slice data)
{
	put(p, owner.p, owner.len);
	put16(p, type);
	put16(p, 1);
	put(p, "\0\0\1\x2c", 4); /* 300 s */
	put16(p, (unsigned)data.len);
	put(p, data.p, data.len);
	p->answers++;
	p->b.data[6] = (char)(p->answers >> 8);
	p->b.data[7] = (char)p->answers;
}

/* Read as an answer about example.test; frees the packet. */
static struct answer
answered(struct packet *p, enum ipc_dns type)
{
	struct answer a;

	answer_read(&a, buf_slice(&p->b), "example.test", type);
	buf_free(&p->b);
	return a;
}

static struct ipc_dns_record
nth(const struct answer *a, size_t n)
{
	struct wire_in w = wire_in(buf_slice(&a->records));
	struct ipc_dns_record r = { 0 };

	for (size_t i = 0; i <= n; i++)
		assert_int_equal(ipc_dns_record_get(&r, &w), 0);
	return r;
}

static void
mx_records_are_read_with_preference(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 15, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 15,
	    SLICE("\0\x0a\3mX1" NAME_AT_QUESTION));
	record(&p, SLICE(NAME_AT_QUESTION), 15, SLICE("\0\x14\2b_\3net\0"));
	a = answered(&p, DNS_MX);
	assert_int_equal(a.status, DNS_OK);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.ttl_s, 300);
	assert_int_equal(nth(&a, 0).preference, 10);
	assert_true(slice_eq(nth(&a, 0).data, SLICE("mx1.example.test")));
	assert_true(slice_eq(nth(&a, 1).data, SLICE("b_.net")));
	answer_free(&a);
}

static void
null_mx_is_one_dot(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 15, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 15, SLICE("\0\0\0"));
	a = answered(&p, DNS_MX);
	assert_int_equal(a.count, 1);
	assert_true(slice_eq(nth(&a, 0).data, SLICE(".")));
	answer_free(&a);
}

static void
rdata_of_every_wrong_length_is_dropped(void **state)
{
	static const struct {
		enum ipc_dns type;
		unsigned rr;
		size_t right;
	} types[] = { { DNS_A, 1, 4 }, { DNS_AAAA, 28, 16 }, { DNS_MX, 15, 0 },
		{ DNS_PTR, 12, 0 }, { DNS_TXT, 16, 0 } };
	static const char junk[64] = "\x3f\x3f\x3f";

	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (size_t n = 0; n <= 64; n++) {
			struct packet p;
			struct answer a;

			question(&p, types[t].rr, 0);
			record(&p, SLICE(NAME_AT_QUESTION), types[t].rr,
			    slice_of(junk, n));
			a = answered(&p, types[t].type);
			if (types[t].right != 0)
				assert_int_equal(a.count, n == types[t].right);
			else if (a.count != 0)
				assert_true(types[t].type == DNS_TXT);
			answer_free(&a);
		}
}

static void
names_no_host_has_are_dropped(void **state)
{
	static const struct slice bad[] = {
		{ "\0\1\5a b.c\0", 9 }, { "\0\1\2..\0", 6 },
		{ "\0\1\3a\0b\0", 7 }, { "\0\1\3a\nb\0", 7 },
		{ "\0\1\3\"x'\0", 7 },
		{ "\0\1\3192\1\060\1\062\1\061\0", 13 }, /* 192.0.2.1 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct packet p;
		struct answer a;

		question(&p, 15, 0);
		record(&p, SLICE(NAME_AT_QUESTION), 15, bad[i]);
		a = answered(&p, DNS_MX);
		assert_int_equal(a.count, 0);
		assert_int_equal(a.status, DNS_OK); /* RFC 5321 §5.1 */
		answer_free(&a);
	}
}

static void
only_mx_records_count_when_unfit(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 12, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 12, SLICE("\3a b\0"));
	a = answered(&p, DNS_PTR);
	assert_int_equal(a.status, DNS_NODATA);
	answer_free(&a);
	question(&p, 15, 0);
	record(&p, SLICE("\5other\0"), 15, SLICE("\0\1\3a b\0"));
	a = answered(&p, DNS_MX);
	assert_int_equal(a.status, DNS_NODATA);
	answer_free(&a);
}

static void
pointers_that_loop_or_lead_forward_end_the_reading(void **state)
{
	static const struct slice bad[] = {
		{ "\xc0\x1e", 2 },
		{ "\xc0\xff", 2 },
		{ "\xff\xff", 2 },
		{ "\x40\x01", 2 },
		{ "\x80\x01", 2 },
		{ "\1a\xc0\x1e", 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct packet p;
		struct answer a;

		question(&p, 1, 0);
		record(&p, bad[i], 1, SLICE("\x7f\0\0\1"));
		a = answered(&p, DNS_A);
		assert_int_equal(a.status, DNS_TEMPFAIL);
		assert_int_equal(a.count, 0);
		answer_free(&a);
	}
}

static void
name_over_its_length_is_refused(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 12, 0);
	put(&p, "", 0);
	{
		struct buf name = BUF_INIT(512);

		for (int i = 0; i < 5; i++) {
			char label[52] = { 50 };

			for (int j = 1; j < 51; j++)
				label[j] = 'a';
			assert_int_equal(buf_append(&name, label, 51), 0);
		}
		assert_int_equal(buf_append(&name, "", 1), 0);
		record(&p, SLICE(NAME_AT_QUESTION), 12, buf_slice(&name));
		buf_free(&name);
	}
	a = answered(&p, DNS_PTR);
	assert_int_equal(a.count, 0);
	answer_free(&a);
}

static void
aliases_are_followed_and_strangers_ignored(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 1, 0);
	record(&p, SLICE("\1x\0"), 1, SLICE("\1\1\1\1"));
	record(&p, SLICE("\1c\0"), 1, SLICE("\2\2\2\2"));
	record(&p, SLICE("\1b\0"), 5, SLICE("\1c\0"));
	record(&p, SLICE(NAME_AT_QUESTION), 5, SLICE("\1B\0"));
	a = answered(&p, DNS_A);
	assert_int_equal(a.status, DNS_OK);
	assert_int_equal(a.count, 1);
	assert_true(slice_eq(nth(&a, 0).data, SLICE("\2\2\2\2")));
	answer_free(&a);
}

static void
alias_loop_is_a_temporary_failure(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 1, 0);
	record(&p, SLICE("\1b\0"), 5, SLICE(NAME_AT_QUESTION));
	record(&p, SLICE(NAME_AT_QUESTION), 5, SLICE("\1b\0"));
	a = answered(&p, DNS_A);
	assert_int_equal(a.status, DNS_TEMPFAIL);
	answer_free(&a);
}

static void
five_hundred_records_are_capped(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 15, 0);
	for (int i = 0; i < 500; i++)
		record(&p, SLICE(NAME_AT_QUESTION), 15,
		    SLICE("\0\1\2mx" NAME_AT_QUESTION));
	a = answered(&p, DNS_MX);
	assert_int_equal(a.count, ANSWER_RECORDS_MAX);
	answer_free(&a);
}

static void
txt_strings_are_joined_and_lies_dropped(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 16, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 16, SLICE("\3v=s\3pf1"));
	record(&p, SLICE(NAME_AT_QUESTION), 16, SLICE("\3v=s\4pf1"));
	record(&p, SLICE(NAME_AT_QUESTION), 16, SLICE_EMPTY);
	a = answered(&p, DNS_TXT);
	assert_int_equal(a.count, 1);
	assert_true(slice_eq(nth(&a, 0).data, SLICE("v=spf1")));
	answer_free(&a);
}

static void
status_tells_no_name_no_data_and_failure(void **state)
{
	static const struct {
		unsigned rcode;
		enum ipc_dns_status want;
	} cases[] = { { 0, DNS_NODATA }, { 3, DNS_NXDOMAIN },
		{ 2, DNS_TEMPFAIL }, { 5, DNS_TEMPFAIL } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p;
		struct answer a;

		question(&p, 15, cases[i].rcode);
		a = answered(&p, DNS_MX);
		assert_int_equal(a.status, cases[i].want);
		answer_free(&a);
	}
}

static void
no_address_is_believed_with_a_soa_only(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 1, 0);
	a = answered(&p, DNS_A);
	assert_int_equal(a.status, DNS_TEMPFAIL);
	answer_free(&a);
	question(&p, 1, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 6, SLICE("\0\0" /* cut short */));
	p.b.data[7] = 0; /* not an answer but */
	p.b.data[9] = 1; /* what stands behind it */
	a = answered(&p, DNS_A);
	assert_int_equal(a.status, DNS_NODATA);
	answer_free(&a);
}

static void
answer_to_another_question_is_not_believed(void **state)
{
	struct packet p;
	struct answer a;

	(void)state;
	question(&p, 1, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 1, SLICE("\1\2\3\4"));
	answer_read(&a, buf_slice(&p.b), "other.test", DNS_A);
	assert_int_equal(a.status, DNS_TEMPFAIL);
	answer_free(&a);
	answer_read(&a, buf_slice(&p.b), "example.test", DNS_MX);
	assert_int_equal(a.status, DNS_TEMPFAIL);
	answer_free(&a);
	buf_free(&p.b);
}

static void
every_prefix_of_a_packet_is_survived(void **state)
{
	struct packet p;

	(void)state;
	question(&p, 15, 0);
	record(&p, SLICE(NAME_AT_QUESTION), 15,
	    SLICE("\0\x0a\3mx1" NAME_AT_QUESTION));
	for (size_t n = 0; n < p.b.len; n++) {
		struct answer a;
		char *copy = malloc(n + 1);

		memcpy(copy, p.b.data, n);
		answer_read(&a, slice_of(copy, n), "example.test", DNS_MX);
		assert_int_equal(a.status, DNS_TEMPFAIL);
		answer_free(&a);
		free(copy);
	}
	buf_free(&p.b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mx_records_are_read_with_preference),
		cmocka_unit_test(null_mx_is_one_dot),
		cmocka_unit_test(rdata_of_every_wrong_length_is_dropped),
		cmocka_unit_test(names_no_host_has_are_dropped),
		cmocka_unit_test(only_mx_records_count_when_unfit),
		cmocka_unit_test(
		    pointers_that_loop_or_lead_forward_end_the_reading),
		cmocka_unit_test(name_over_its_length_is_refused),
		cmocka_unit_test(aliases_are_followed_and_strangers_ignored),
		cmocka_unit_test(alias_loop_is_a_temporary_failure),
		cmocka_unit_test(five_hundred_records_are_capped),
		cmocka_unit_test(txt_strings_are_joined_and_lies_dropped),
		cmocka_unit_test(status_tells_no_name_no_data_and_failure),
		cmocka_unit_test(no_address_is_believed_with_a_soa_only),
		cmocka_unit_test(answer_to_another_question_is_not_believed),
		cmocka_unit_test(every_prefix_of_a_packet_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
