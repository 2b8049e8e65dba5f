#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounce/dsn.h"
#include "common/base/log.h"
#include "tests/unit/cmocka.h"

#define CONTENT                                                                \
	"From: Pip <pip@example.test>\r\n"                                     \
	"Message-ID: <abc@example.test>\r\n"                                   \
	"Subject: Hello\r\n\r\nText.\r\n"

static struct ipc_work_rcpt rcpts[3];
static struct work work;
static struct dsn dsn;
static struct buf out;
static uint8_t flags;

static size_t readable; /* bytes of the file, then: */
static int read_error;

/* In the place of the C library's: the file of a large mail. */
ssize_t
pread(int fd, void *dst, size_t n, off_t at)
{
	size_t len = sizeof(CONTENT) - 1;

	(void)fd;
	if ((size_t)at >= readable) {
		errno = read_error;
		return -1;
	}
	n = MIN(n, readable - (size_t)at);
	memset(dst, 'x', n);
	if ((size_t)at < len)
		memcpy(dst, CONTENT + at, MIN(n, len - (size_t)at));
	return (ssize_t)n;
}

static int
setup(void **state)
{
	(void)state;
	log_level(LOG_FAIL);
	memset(rcpts, 0, sizeof(rcpts));
	rcpts[0].number = 1;
	rcpts[0].address = SLICE("bob@remote.test");
	rcpts[0].orcpt = SLICE("rfc822;Bob+2Bx@remote.test");
	rcpts[0].enhanced = SLICE("5.1.1");
	rcpts[0].text = SLICE("550 5.1.1 no such user");
	rcpts[0].remote = SLICE("mx.remote.test[127.0.0.2]:2525");
	rcpts[0].tried = 1795424400;
	work = (struct work){ .rcpts = rcpts,
		.rcpt_count = 1,
		.content = SLICE(CONTENT),
		.fd = -1 };
	work.m = (struct ipc_work){ .kind = WORK_BOUNCE_FAILURE,
		.id = SLICE("QID1"),
		.sender = SLICE("pip@example.test"),
		.envid = SLICE("QQ+3D1"),
		.arrived = 1795424400,
		.expires = 1795424400 + 86400 };
	dsn = (struct dsn){ .work = &work,
		.hostname = "mail.example.test",
		.now_s = 1795424460,
		.boundary = "report.0123" };
	buf_init(&out, DSN_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&out);
	return 0;
}

static const char *
built(void)
{
	assert_int_equal(dsn_build(&dsn, &out, &flags), 0);
	return buf_str(&out);
}

static void
has(const char *what)
{
	if (strstr(buf_str(&out), what) == NULL)
		fail_msg("not in the report: %s\n%s", what, buf_str(&out));
}

static void
lacks(const char *what)
{
	if (strstr(buf_str(&out), what) != NULL)
		fail_msg("in the report: %s\n%s", what, buf_str(&out));
}

/* Every line ends in CRLF, none is over 998, nothing stands alone. */
static void
check_lines(void)
{
	size_t line = 0;

	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\n') {
			assert_true(i > 0 && out.data[i - 1] == '\r');
			line = 0;
			continue;
		}
		if (out.data[i] == '\r')
			assert_true(i + 1 < out.len && out.data[i + 1] == '\n');
		assert_true(out.data[i] != '\0');
		assert_true(++line <= 999);
	}
	assert_int_equal(line, 0);
}

static void
failure_has_all_its_parts(void **state)
{
	(void)state;
	built();
	check_lines();
	assert_int_equal(flags, 0);
	has("From: Mail Delivery System <MAILER-DAEMON@mail.example.test>\r\n");
	has("To: <pip@example.test>\r\n");
	has("Auto-Submitted: auto-replied\r\n");
	has("In-Reply-To: <abc@example.test>\r\n");
	has("Date: Mon, 23 Nov 2026 09:01:00 +0000\r\n");
	has("multipart/report; report-type=delivery-status;");
	has("Reporting-MTA: dns; mail.example.test\r\n");
	has("Original-Envelope-Id: QQ=1\r\n");
	has("Arrival-Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n");
	has("\r\n\r\nOriginal-Recipient: rfc822; Bob+x@remote.test\r\n");
	has("Final-Recipient: rfc822; bob@remote.test\r\n");
	has("Action: failed\r\n");
	has("Status: 5.1.1\r\n");
	has("Remote-MTA: dns; mx.remote.test\r\n");
	has("Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n");
	has("Last-Attempt-Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n");
	has("Content-Type: message/rfc822\r\n");
	has("Subject: Hello\r\n\r\nText.\r\n");
	has("\r\n--report.0123--\r\n");
	lacks("Will-Retry-Until");
}

static void
hdrs_and_long_mail_return_the_header_only(void **state)
{
	size_t n = DSN_FULL_MAX + 10;
	char *large = malloc(n);

	(void)state;
	work.m.ret = RET_HDRS;
	built();
	has("text/rfc822-headers\r\n");
	has("Subject: Hello\r\n");
	lacks("Text.");
	buf_truncate(&out, 0);
	work.m.ret = RET_FULL;
	memset(large, 'x', n);
	memcpy(large, CONTENT, sizeof(CONTENT) - 1);
	work.content = slice_of(large, n);
	built();
	has("text/rfc822-headers\r\n");
	lacks("Text.");
	check_lines();
	free(large);
}

static void
delay_says_until_when(void **state)
{
	(void)state;
	work.m.kind = WORK_BOUNCE_DELAY;
	rcpts[0].enhanced = SLICE("4.4.1");
	built();
	has("Subject: Your mail is delayed\r\n");
	has("Action: delayed\r\n");
	has("Status: 4.4.1\r\n");
	has("Will-Retry-Until: Tue, 24 Nov 2026 09:00:00 +0000\r\n");
	has("text/rfc822-headers");
	check_lines();
}

static void
success_is_delivered_here_and_relayed_there(void **state)
{
	(void)state;
	work.m.kind = WORK_BOUNCE_SUCCESS;
	work.rcpt_count = 3;
	rcpts[0].notify = IPC_NOTIFY_SUCCESS;
	rcpts[1].address = SLICE("estella@example.test");
	rcpts[1].notify = IPC_NOTIFY_SUCCESS | IPC_NOTIFY_FAILURE;
	rcpts[2].address = SLICE("joe@example.test");
	rcpts[2].notify = IPC_NOTIFY_FAILURE;
	built();
	has("Final-Recipient: rfc822; bob@remote.test\r\nAction: relayed\r\n");
	has("estella@example.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n");
	lacks("joe@example.test");
}

static void
who_does_not_want_a_report_gets_none(void **state)
{
	static const struct {
		uint8_t notify;
		bool failure;
		bool delay;
		bool success;
	} cases[] = {
		{ 0, true, true, false },
		{ IPC_NOTIFY_NEVER, false, false, false },
		{ IPC_NOTIFY_SUCCESS, false, false, true },
		{ IPC_NOTIFY_FAILURE, true, false, false },
		{ IPC_NOTIFY_DELAY, false, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rcpts[0].notify = cases[i].notify;
		assert_int_equal(dsn_wanted(&rcpts[0], WORK_BOUNCE_FAILURE),
		    cases[i].failure);
		assert_int_equal(
		    dsn_wanted(&rcpts[0], WORK_BOUNCE_DELAY), cases[i].delay);
		assert_int_equal(dsn_wanted(&rcpts[0], WORK_BOUNCE_SUCCESS),
		    cases[i].success);
	}
}

/* The content is in a file of 90,000 bytes, of which so many can be read. */
static void
unreadable_from(size_t at, int error)
{
	work.content = SLICE_EMPTY;
	work.fd = 1000;
	work.m.length = 90000;
	readable = at;
	read_error = error;
}

static void
report_goes_without_what_cannot_be_read(void **state)
{
	(void)state;
	unreadable_from(0, EIO);
	built();
	check_lines();
	has("Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n");
	has("could not be read any more. For help");
	lacks("Content-Type: message/rfc822");
	lacks("rfc822-headers");
	has("\r\n--report.0123--\r\n");
	/* The body is gone, the header was read before. */
	buf_truncate(&out, 0);
	unreadable_from(20000, EIO);
	built();
	check_lines();
	has("text/rfc822-headers\r\n");
	has("Subject: Hello\r\n");
	has("The header of your mail comes back");
	lacks("Text.");
	/* Cut in the header: whole fields only. */
	buf_truncate(&out, 0);
	unreadable_from(40, EIO);
	built();
	check_lines();
	has("From: Pip <pip@example.test>\r\n");
	lacks("Message-ID: <abc");
}

static void
want_of_memory_makes_no_report(void **state)
{
	(void)state;
	unreadable_from(0, ENOMEM);
	assert_int_equal(dsn_build(&dsn, &out, &flags), -1);
	assert_int_equal(errno, ENOMEM);
}

static void
fill(char *dst, size_t n, const char *first)
{
	memset(dst, 'w', n);
	memcpy(dst, first, strlen(first));
}

/* As many recipients as queue gives, their fields so long. */
static struct ipc_work_rcpt many[100];
static char longest[1024];
static char original_to[1024];
static char server[320];

static void
many_rcpts(size_t text, size_t address)
{
	fill(longest, sizeof(longest), "550 5.0.0 ");
	fill(original_to, sizeof(original_to), "rfc822;");
	fill(server, sizeof(server), "mx.");
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct ipc_work_rcpt){ .number = (uint32_t)i,
			.address = slice_of(longest, address),
			.orcpt = slice_of(original_to, address),
			.enhanced = SLICE("5.0.0"),
			.text = slice_of(longest, text),
			.remote = slice_of(server, MIN(address, (size_t)320)),
			.tried = 1795424400 };
	work.rcpts = many;
	work.rcpt_count = ARRAY_LEN(many);
}

static size_t
count(const char *what)
{
	size_t n = 0;

	for (const char *p = buf_str(&out); (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void
report_that_would_be_too_long_says_less(void **state)
{
	(void)state;
	many_rcpts(1000, 100);
	built();
	has("Content-Type: message/rfc822\r\n");
	assert_true(out.len > (size_t)256 * 1024);
	/* Without the body there is room. */
	buf_free(&out);
	unreadable_from(90000, EIO);
	buf_init(&out, (size_t)300 * 1024);
	built();
	check_lines();
	has("text/rfc822-headers\r\n");
	assert_int_equal(count("\r\n    <550"), 100);
	/* The worst that can come from queue. */
	buf_free(&out);
	buf_init(&out, DSN_MAX);
	many_rcpts(1024, 980); /* more would make a line too long */
	built();
	check_lines();
	assert_int_equal(count("\r\nOriginal-Recipient: rfc822"), 100);
	assert_int_equal(count("\r\nFinal-Recipient: rfc822; 550 "), 100);
	assert_int_equal(count("\r\nDiagnostic-Code: smtp; 550 "), 100);
	has("\r\n    and 80 more\r\n");
	has("text/rfc822-headers\r\n");
	has("\r\n--report.0123--\r\n");
}

static void
text_of_strangers_makes_no_header(void **state)
{
	(void)state;
	rcpts[0].text =
	    SLICE("550 no\r\nX-Evil: 1\r\n\r\nbody\0\x1b[2J \xff\xfe");
	rcpts[0].remote = SLICE("mx\r\nX-Evil: 2[1.2.3.4]");
	rcpts[0].address = SLICE("a\r\nX-Evil: 3@b");
	rcpts[0].orcpt = SLICE("rfc822;a+0D+0AX-Evil:4");
	rcpts[0].enhanced = SLICE("5.1.1\r\nX-Evil: 5");
	work.m.sender = SLICE("x\r\nX-Evil: 6");
	work.m.envid = SLICE("a+0AX-Evil:7");
	work.m.id = SLICE("Q\r\nX-Evil: 8");
	work.content = SLICE("Message-ID: <a>\r\n X-Evil: 9 <b>\r\n\r\n");
	built();
	check_lines();
	lacks("\nX-Evil");
	lacks("In-Reply-To");
	lacks("Original-Recipient");
	lacks("Original-Envelope-Id");
	has("Status: 5.0.0\r\n");
	lacks("\x1b");
	lacks("\xff");
}

static void
long_replies_are_folded(void **state)
{
	char text[1001];

	(void)state;
	memset(text, 'w', 1000);
	memcpy(text, "550 5.0.0 ", 10);
	text[1000] = '\0';
	rcpts[0].text = slice_str(text);
	built();
	check_lines();
	memset(text, 'w', 1000);
	for (size_t i = 5; i < 1000; i += 7)
		text[i] = ' ';
	rcpts[0].text = slice_str(text);
	buf_truncate(&out, 0);
	built();
	check_lines();
	has("Diagnostic-Code: x-wemmick; wwwww wwwwww");
}

static void
international_mail_gets_an_international_report(void **state)
{
	(void)state;
	work.m.flags = IPC_MAIL_SMTPUTF8;
	rcpts[0].address = SLICE("j\xc3\xb6rg@remote.test");
	rcpts[0].orcpt = SLICE_EMPTY;
	built();
	assert_int_equal(flags, IPC_MAIL_8BIT | IPC_MAIL_SMTPUTF8);
	has("message/global-delivery-status\r\n");
	has("Final-Recipient: utf-8; j\xc3\xb6rg@remote.test\r\n");
	has("Content-Type: message/global\r\n");
	has("charset=utf-8");
	check_lines();
}

static void
eight_bit_content_is_declared(void **state)
{
	(void)state;
	work.content = SLICE("Subject: x\r\n\r\n\xe9\r\n");
	built();
	assert_int_equal(flags, IPC_MAIL_8BIT);
	has("Content-Type: message/rfc822\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n");
}

static void
content_without_last_line_end_or_body_gets_one(void **state)
{
	(void)state;
	work.content = SLICE("Subject: x");
	built();
	check_lines();
	buf_truncate(&out, 0);
	work.m.ret = RET_HDRS;
	built();
	check_lines();
	buf_truncate(&out, 0);
	work.content = SLICE_EMPTY;
	built();
	check_lines();
}

/* Nobody hands us such mail; nobody shall get it from us either. */
static void
odd_line_ends_of_the_mail_become_crlf(void **state)
{
	static const char text[] =
	    "Subject: x\nTo: y\r\r\nA: \0b\r\n\nbody\n.\n\rend\r";

	(void)state;
	work.content = slice_of(text, sizeof(text) - 1);
	built();
	check_lines();
	has("\r\nSubject: x\r\nTo: y\r\n\r\nA: ?b\r\n\r\nbody\r\n"
	    ".\r\n\r\nend\r\n");
	buf_truncate(&out, 0);
	work.m.ret = RET_HDRS;
	built();
	check_lines();
	has("\r\nSubject: x\r\nTo: y\r\n");
	lacks("body");
}

static void
token_is_the_same_for_the_same_report_only(void **state)
{
	uint8_t a[DSN_TOKEN_LEN];
	uint8_t b[DSN_TOKEN_LEN];

	(void)state;
	assert_int_equal(dsn_token(&work, a), 0);
	work.m.job = 99;
	rcpts[0].text = SLICE("other words");
	assert_int_equal(dsn_token(&work, b), 0);
	assert_memory_equal(a, b, DSN_TOKEN_LEN);
	work.m.kind = WORK_BOUNCE_DELAY;
	assert_int_equal(dsn_token(&work, b), 0);
	assert_memory_not_equal(a, b, DSN_TOKEN_LEN);
	work.m.kind = WORK_BOUNCE_FAILURE;
	rcpts[0].number = 2;
	assert_int_equal(dsn_token(&work, b), 0);
	assert_memory_not_equal(a, b, DSN_TOKEN_LEN);
}

static void
report_to_postmaster_names_him(void **state)
{
	(void)state;
	work.m.sender = SLICE_EMPTY;
	dsn.to_postmaster = true;
	built();
	has("To: Postmaster <postmaster@mail.example.test>\r\n");
	check_lines();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(failure_has_all_its_parts),
		TEST(hdrs_and_long_mail_return_the_header_only),
		TEST(delay_says_until_when),
		TEST(success_is_delivered_here_and_relayed_there),
		TEST(who_does_not_want_a_report_gets_none),
		TEST(report_goes_without_what_cannot_be_read),
		TEST(want_of_memory_makes_no_report),
		TEST(report_that_would_be_too_long_says_less),
		TEST(text_of_strangers_makes_no_header),
		TEST(long_replies_are_folded),
		TEST(international_mail_gets_an_international_report),
		TEST(eight_bit_content_is_declared),
		TEST(content_without_last_line_end_or_body_gets_one),
		TEST(odd_line_ends_of_the_mail_become_crlf),
		TEST(token_is_the_same_for_the_same_report_only),
		TEST(report_to_postmaster_names_him),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
