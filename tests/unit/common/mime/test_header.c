#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/mime/header.h"
#include "common/mime/param.h"

static const char sample[] = "Subject: one\r\n two\r\n"
			     "not a field\r\n"
			     "X-Empty:\r\n"
			     "X-Space : v \r\n"
			     "SUBJECT: second\r\n"
			     "\r\n"
			     "Body: no\r\n";

static void
fields_come_in_order_with_folding(void **state)
{
	struct mime_fields it = mime_fields(slice_str(sample));
	struct mime_field f;

	(void)state;
	assert_true(mime_fields_next(&it, &f));
	assert_true(slice_eq(f.name, SLICE("Subject")));
	assert_true(slice_eq(f.value, SLICE(" one\r\n two")));
	assert_true(slice_eq(f.whole, SLICE("Subject: one\r\n two\r\n")));
	assert_true(mime_fields_next(&it, &f));
	assert_int_equal(f.name.len, 0);
	assert_true(mime_fields_next(&it, &f));
	assert_true(slice_eq(f.name, SLICE("X-Empty")));
	assert_int_equal(f.value.len, 0);
	assert_true(mime_fields_next(&it, &f));
	assert_true(slice_eq(f.name, SLICE("X-Space")));
	assert_true(mime_fields_next(&it, &f));
	assert_false(mime_fields_next(&it, &f));
	assert_false(mime_fields_next(&it, &f));
	assert_true(slice_eq(
	    slice_sub(slice_str(sample), it.at, 100), SLICE("Body: no\r\n")));
	assert_int_equal(mime_header_size(slice_str(sample)), it.at);
}

static void
first_field_of_a_name_is_found(void **state)
{
	struct slice v = mime_field_find(slice_str(sample), SLICE("subject"));
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(mime_unfold(&b, v), 0);
	assert_string_equal(buf_str(&b), "one two");
	v = mime_field_find(slice_str(sample), SLICE("body"));
	assert_null(v.p);
	buf_free(&b);
}

static void
odd_starts_are_fields_without_a_name(void **state)
{
	static const char *const odd[] = { " x: y\r\n", "\tz: y", "x", ":" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		struct mime_fields it = mime_fields(slice_str(odd[i]));
		struct mime_field f;

		assert_true(mime_fields_next(&it, &f));
		assert_int_equal(f.name.len, 0);
		assert_int_equal(f.whole.len, strlen(odd[i]));
		assert_false(mime_fields_next(&it, &f));
	}
}

static void
bare_lf_ends_lines_and_header(void **state)
{
	(void)state;
	assert_int_equal(mime_header_size(SLICE("A: b\n\nbody")), 6);
	assert_int_equal(mime_header_size(SLICE("\r\nbody")), 2);
	assert_int_equal(mime_header_size(SLICE("A: b")), 4);
	assert_int_equal(mime_header_size(SLICE("")), 0);
}

/* "type/subtype;name=value;name*=value" */
static void
assert_params(const char *field, const char *want)
{
	struct mime_type t = mime_type_parse(slice_str(field));
	struct buf b = BUF_INIT(65536);
	struct mime_params p;

	assert_int_equal(buf_append_slice(&b, t.type), 0);
	assert_int_equal(buf_append_byte(&b, '/'), 0);
	assert_int_equal(buf_append_slice(&b, t.subtype), 0);
	mime_params_parse(&p, t.rest);
	for (size_t i = 0; i < p.count; i++) {
		struct slice v = mime_param_value(&p, &p.list[i]);

		assert_int_equal(
		    buf_printf(&b, ";%.*s%s=", SLICE_FMT(p.list[i].name),
			p.list[i].extended ? "*" : ""),
		    0);
		assert_int_equal(buf_append_slice(&b, v), 0);
	}
	assert_string_equal(buf_str(&b), want);
	mime_params_free(&p);
	buf_free(&b);
}

static void
parameters_follow_the_rfcs(void **state)
{
	(void)state;
	assert_params(" text/plain; charset=us-ascii (Plain text)",
	    "text/plain;charset=us-ascii");
	assert_params("text / html ;\r\n Charset = \"a;\\\"b\" ; x",
	    "text/html;Charset=a;\"b");
	assert_params("text", "text/");
	assert_params("", "/");
	assert_params("a/b; n=1; N=2; m=", "a/b;n=1;m=");
	/* RFC 2231 §3 and §4.1 */
	assert_params("message/external-body; access-type=URL;"
		      " URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\"",
	    "message/external-body;access-type=URL;URL=ftp://cs.utk.edu/pub");
	assert_params("application/x-stuff;"
		      " title*1*=%2A%2A%2Afun%2A%2A%2A%20;"
		      " title*0*=us-ascii'en'This%20is%20even%20more%20;"
		      " title*2=\"isn't it!\"",
	    "application/x-stuff;title*=us-ascii'en'This%20is%20even%20more%20"
	    "%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it%21");
	/* gaps and missing beginnings */
	assert_params("a/b; x*0=1; x*2=3", "a/b;x=1");
	assert_params("a/b; x*1=1", "a/b");
	assert_params("a/b; x*00001=1; *=2; =3; \"q\"=4", "a/b");
}

static void
many_parameters_are_cut_and_linear(void **state)
{
	struct buf b = BUF_INIT(4 << 20);
	struct mime_params p;

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buf_printf(&b, "; name*%d*=x", i % 10000), 0);
	mime_params_parse(&p, buf_slice(&b));
	assert_int_equal(p.count, 1);
	assert_int_equal(p.list[0].len, 128);
	mime_params_free(&p);
	buf_truncate(&b, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "; n%d=x", i), 0);
	mime_params_parse(&p, buf_slice(&b));
	assert_int_equal(p.count, MIME_PARAM_MAX);
	mime_params_free(&p);
	buf_free(&b);
}

static void
one_parameter_is_got(void **state)
{
	char dst[8];

	(void)state;
	assert_int_equal(
	    mime_param_get(SLICE("; a=1; b=\"x y\""), SLICE("B"), dst, 8), 3);
	assert_string_equal(dst, "x y");
	assert_int_equal(
	    mime_param_get(SLICE("; b=12345678"), SLICE("b"), dst, 8), 0);
	assert_string_equal(dst, "");
	assert_int_equal(mime_param_get(SLICE("b=1"), SLICE("b"), dst, 8), 0);
}

static void
extended_value_is_decoded(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(
	    mime_param_decode(&b, SLICE("iso-8859-1'en'na%EFve%2x%")), 0);
	assert_string_equal(buf_str(&b), "na\xc3\xafve%2x%");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_in_order_with_folding),
		cmocka_unit_test(first_field_of_a_name_is_found),
		cmocka_unit_test(odd_starts_are_fields_without_a_name),
		cmocka_unit_test(bare_lf_ends_lines_and_header),
		cmocka_unit_test(parameters_follow_the_rfcs),
		cmocka_unit_test(many_parameters_are_cut_and_linear),
		cmocka_unit_test(one_parameter_is_got),
		cmocka_unit_test(extended_value_is_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
