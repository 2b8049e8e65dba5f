/* What we put in front of a mail, and what we see in its header. */
#include "smtpd/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtpd/header.h"

static void
received_tells_how_a_mail_came(void **state)
{
	struct buf b = BUF_INIT(4096);
	struct trace t = { .helo = "x",
		.address = "2001:db8::1",
		.host = "mx.example.test",
		.id = "1.2",
		.esmtp = true,
		.tls_version = "TLSv1.3",
		.tls_cipher = "TLS_AES_256_GCM_SHA384",
		.recipient = "a@b",
		.when = 1795404660 };

	(void)state;
	assert_int_equal(trace_received(&b, &t), 0);
	assert_string_equal(buf_str(&b),
	    "Received: from x (unknown [IPv6:2001:db8::1])\r\n"
	    "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
	    "\tby mx.example.test with ESMTPS id 1.2\r\n"
	    "\tfor <a@b>;\r\n"
	    "\tMon, 23 Nov 2026 03:31:00 +0000\r\n");
	buf_free(&b);
}

static void
protocols_have_their_names(void **state)
{
	struct trace t = { .helo = "x" };

	(void)state;
	assert_string_equal(trace_protocol(&t), "SMTP");
	t.esmtp = true;
	assert_string_equal(trace_protocol(&t), "ESMTP");
	t.authenticated = true;
	assert_string_equal(trace_protocol(&t), "ESMTPA");
	t.tls_version = "TLSv1.2";
	assert_string_equal(trace_protocol(&t), "ESMTPSA");
	t.utf8 = true;
	assert_string_equal(trace_protocol(&t), "UTF8SMTPSA");
	t.authenticated = false;
	assert_string_equal(trace_protocol(&t), "UTF8SMTPS");
}

static void
a_message_id_is_made(void **state)
{
	struct buf b = BUF_INIT(4096);

	(void)state;
	assert_int_equal(trace_message_id(&b, "\xff\0abcdefghijklmn", "h"), 0);
	assert_string_equal(buf_str(&b),
	    "Message-ID: <ff006162636465666768696a6b6c6d6e@h>\r\n");
	buf_free(&b);
}

static void
the_header_is_seen_in_any_pieces(void **state)
{
	static const char text[] =
	    "Received: a\r\n Received: folded\r\nreceived:b\r\n"
	    "Receivedx: c\r\n\tDate: folded\r\nMESSAGE-ID: <a>\r\nX\r\n:\r\n"
	    "\r\nReceived: body\r\nDate: body\r\n";
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t piece = 1; piece <= len; piece++) {
		struct header_scan h = { .bytes = 0 };

		for (size_t at = 0; at < len; at += piece)
			header_scan(
			    &h, slice_of(text + at, MIN(piece, len - at)));
		assert_true(h.done);
		assert_int_equal(h.received, 2);
		assert_false(h.has_date);
		assert_true(h.has_message_id);
		assert_int_equal(h.bytes, strstr(text, "\r\n\r\n") + 4 - text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(received_tells_how_a_mail_came),
		cmocka_unit_test(protocols_have_their_names),
		cmocka_unit_test(a_message_id_is_made),
		cmocka_unit_test(the_header_is_seen_in_any_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
