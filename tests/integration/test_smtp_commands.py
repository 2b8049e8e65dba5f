"""SMTP commands, right and wrong: RFC 5321, 1870, 2920, 6152, 6531."""

import re

from libwm.case import SuiteCase
from libwm.wire import Smtp


class Commands(SuiteCase):
    """One row of a table is one conversation up to the line in question."""

    def check(self, *rows, start=("EHLO c.example",)):
        """rows: (line, code or codes)."""
        s = self.smtp(ehlo=False)
        for line in start:
            self.assertLess(s.code(line), 400, line)
        for line, wanted in rows:
            code, text = s.cmd(line)
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            self.assertIn(code, wanted, "%r: %d %s" % (line[:80], code, text))

    def test_greeting_names_the_host(self):
        s = self.smtp(ehlo=False)
        self.assertEqual(s.greeting[0], 220)
        self.assertTrue(s.greeting[1][0].startswith("mail.example.test "))

    def test_ehlo_lists_the_extensions(self):
        have = self.smtp(ehlo=False).ehlo()
        for wanted in ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING",
                       "ENHANCEDSTATUSCODES", "STARTTLS"):
            self.assertIn(wanted, have)
        self.assertTrue(any(re.fullmatch(r"SIZE \d+", x) for x in have))
        self.assertFalse(any(x.startswith("AUTH") for x in have))

    def test_port_25_knows_no_passwords(self):
        s = self.smtp()
        s.starttls(self.tls)
        self.assertFalse([x for x in s.ehlo() if x.startswith("AUTH")])
        self.assertIn(s.code("AUTH PLAIN"), (500, 502, 503))

    def test_unknown_and_malformed_commands(self):
        self.check(("FROB", 500), ("", 500), ("TURN", (500, 502)),
                   ("NOOP with words", 250), ("RSET", 250), ("RSET x", 501),
                   ("HELP", 214), ("DATA now", (501, 503)), ("EHLO", 501))

    def test_order_of_commands(self):
        self.check(("MAIL FROM:<a@b.example>", (250, 503)),
                   start=())
        self.check(("RCPT TO:<pip@example.test>", 503), ("DATA", 503))
        self.check(("MAIL FROM:<a@b.example>", 250), ("DATA", (503, 554)),
                   ("MAIL FROM:<a@b.example>", 503), ("RSET", 250),
                   ("MAIL FROM:<a@b.example>", 250),
                   ("EHLO again.example", 250),
                   ("RCPT TO:<pip@example.test>", 503))

    def test_vrfy_does_not_touch_the_transaction(self):
        self.check(("MAIL FROM:<a@b.example>", 250),
                   ("VRFY pip@example.test", (250, 252)), ("NOOP", 250),
                   ("HELP", 214), ("EXPN x", (252, 500, 502)),
                   ("RCPT TO:<pip@example.test>", 250))

    def test_paths(self):
        for line, wanted in (
                ("MAIL FROM:<>", 250),
                ("MAIL FROM:<a@b.example", (501, 553)),
                ("MAIL FROM:<a@b.example>>", (501, 553)),
                ("MAIL FROM:<<a@b.example>", (501, 553)),
                ("MAIL FROM:<@x.example,@y.example:a@b.example>", 250),
                ('MAIL FROM:<"a b"@b.example>', 250),
                ("MAIL FROM:<a@b..example>", (501, 553)),
                ("MAIL FROM:<a@[192.0.2.1]>", 250),
                ("MAIL FROM:<a@[999.1.1.1]>", (501, 553)),
                ("MAIL FROM:<%s@b.example>" % ("l" * 64), 250),
                ("MAIL FROM:<%s@b.example>" % ("l" * 65), (501, 553)),
                ("MAIL FROM:<a@%s>" % ("d." * 140), (500, 501, 553)),
                ("MAIL FROM:<>\0", (500, 501, 553)),
                ("MAIL", 501), ("MAIL TO:<a@b.example>", 501)):
            with self.subTest(line=line[:60]):
                self.check((line, wanted))

    def test_mail_parameters(self):
        for params, wanted in (
                ("SIZE=1000", 250), ("SIZE=0", 250),
                ("SIZE=99999999999999", 552), ("SIZE=", 501),
                ("SIZE=-1", 501), ("SIZE=1 SIZE=2", 501),
                ("SIZE=" + "9" * 21, (501, 552)), ("BODY=8BITMIME", 250),
                ("BODY=7BIT", 250), ("BODY=NONSENSE", (501, 555)),
                ("SMTPUTF8", 250), ("SMTPUTF8=1", (501, 555)),
                ("FOO=BAR", 555)):
            with self.subTest(params=params):
                self.check(("MAIL FROM:<a@b.example> " + params, wanted))

    def test_recipients(self):
        start = ("EHLO c.example", "MAIL FROM:<a@b.example>")
        for line, wanted in (
                ("RCPT TO:<pip@example.test>", 250),
                ("RCPT TO:<PIP@EXAMPLE.TEST>", 250),
                ("RCPT TO:<postmaster>", 250),
                ("RCPT TO:<Postmaster@example.test>", 250),
                ("RCPT TO:<>", (501, 553)),
                ("RCPT TO:<nobody@example.test>", 550),
                ('RCPT TO:<""@example.test>', (501, 550, 553)),
                ("RCPT TO:<pip@example.test> FOO", 555)):
            with self.subTest(line=line):
                self.check((line, wanted), start=start)

    def test_delivery_status_parameters(self):
        start = ("EHLO c.example", "MAIL FROM:<a@b.example>")
        have = self.smtp(ehlo=False).ehlo()
        if "DSN" not in have:
            self.skipTest("DSN is not announced")
        for params, wanted in (
                ("NOTIFY=SUCCESS,FAILURE", 250), ("NOTIFY=NEVER", 250),
                ("NOTIFY=NEVER,SUCCESS", 501), ("NOTIFY=", 501),
                ("ORCPT=rfc822;a+2Bb@c.example", 250),
                ("ORCPT=rfc822;a+00b@c.example", 501),
                ("ORCPT=rfc822", 501)):
            with self.subTest(params=params):
                self.check(("RCPT TO:<pip@example.test> " + params, wanted),
                           start=start)
        self.check(("MAIL FROM:<a@b.example> ENVID=" + "x" * 101, 501))
        self.check(("MAIL FROM:<a@b.example> RET=FULL ENVID=abc", 250))

    def test_smtputf8_addresses_need_the_parameter(self):
        self.check(("MAIL FROM:<jörg@b.example>", (501, 553)))
        self.check(("MAIL FROM:<jörg@b.example> SMTPUTF8", 250))
        self.check((b"MAIL FROM:<j\xf6rg@b.example> SMTPUTF8", (501, 553)))

    def test_bad_line_ends_are_not_line_ends(self):
        for line in (b"NOOP\nNOOP", b"NOOP\rNOOP", b"NO\0OP", b"NOOP\r\rNOOP"):
            with self.subTest(line=line):
                s = self.smtp()
                s.send(line + b"\r\n")
                code, _ = s.reply()
                self.assertIn(code, (500, 501, 521, 550))
                self.assertTrue(s.quiet(0.2) or not s.buf)

    def test_long_line_is_one_error(self):
        s = self.smtp()
        s.send(b"NOOP " + b"x" * 100000 + b"\r\n")
        self.assertEqual(s.reply()[0], 500)
        self.assertEqual(s.code("NOOP"), 250)

    def test_too_many_errors_end_the_connection(self):
        s = self.smtp()
        codes = []
        try:
            for _ in range(60):
                codes.append(s.code("FROB"))
        except (EOFError, ConnectionError):
            pass
        self.assertEqual(codes[-1], 421)
        self.assertLess(len(codes), 40)

    def test_http_is_sent_away(self):
        s = self.smtp(ehlo=False)
        s.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertNotIn(b"HTTP", s.rest().replace(b"500 ", b""))

    def test_quit_is_answered_and_closes(self):
        s = self.smtp()
        self.assertEqual(s.code("QUIT"), 221)
        self.assertEqual(s.rest(), b"")

    def test_recipient_limit_keeps_the_accepted_ones(self):
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        s.send(b"RCPT TO:<pip@example.test>\r\n" * 1001)
        codes = [s.reply()[0] for _ in range(1001)]
        self.assertEqual(codes[:1000], [250] * 1000)
        self.assertEqual(codes[1000], 452)
        self.assertEqual(s.code("DATA"), 354)

    def test_pipelined_group_is_answered_in_order(self):
        s = self.smtp()
        s.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.test>\r\n"
               b"RCPT TO:<pip@example.test>\r\nRSET\r\nFROB\r\nNOOP\r\n")
        self.assertEqual([s.reply()[0] for _ in range(6)],
                         [250, 550, 250, 250, 500, 250])

    def test_data_with_no_valid_recipient(self):
        s = self.smtp()
        s.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.test>\r\n"
               b"DATA\r\n")
        codes = [s.reply()[0] for _ in range(3)]
        self.assertEqual(codes[:2], [250, 550])
        self.assertIn(codes[2], (503, 554))

    def test_no_open_relay(self):
        start = ("EHLO c.example", "MAIL FROM:<a@b.example>")
        for to in ("x@elsewhere.example", "x%elsewhere.example@b.example",
                   "@example.test:x@elsewhere.example", "x@[127.0.0.2]",
                   "elsewhere.example!x@c.example", '"x@y.example"@z.example',
                   "x@example.test.elsewhere.example"):
            with self.subTest(to=to):
                self.check(("RCPT TO:<%s>" % to, (501, 550, 551, 553, 554)),
                           start=start)
        # The percent hack at home names a mailbox that is not there.
        self.check(("RCPT TO:<x%elsewhere.example@example.test>", 550),
                   start=start)


class Limits(SuiteCase):
    """Small limits, so that they are reached soon."""

    OPTIONS = {}

    @classmethod
    def config(cls):
        return ("client-connections-limit = 3\nworkers = 1\n"
                "idle-timeout = 10\nerrors-limit = 3\n"
                "message-size-limit = 65536\nheader-size-limit = 4096\n"
                "recipients-limit = 100\n")

    def test_connections_of_one_client(self):
        held = [self.smtp() for _ in range(3)]
        extra = self.smtp(ehlo=False)
        self.assertEqual(extra.greeting[0], 421)
        self.assertEqual(extra.rest(), b"")
        self.assertEqual(held[0].code("NOOP"), 250)

    def test_idle_client_is_sent_away(self):
        s = self.smtp()
        rest = s.rest()
        self.assertTrue(rest.startswith(b"421 "), rest)

    def test_errors_limit(self):
        s = self.smtp()
        self.assertEqual([s.code("FROB") for _ in range(3)][-1], 421)

    def test_too_large_mail_is_refused_and_not_queued(self):
        s = self.smtp()
        code, _ = s.mail("a@b.example", [self.bed.address("pip")],
                         b"Subject: x\r\n\r\n" + b"line\r\n" * 20000)
        self.assertEqual(code, 552)
        code, _ = s.mail("a@b.example", [self.bed.address("pip")],
                         b"X: " + b"y" * 900 + b"\r\n" +
                         b"Z: y\r\n" * 1000 + b"\r\nbody\r\n")
        self.assertIn(code, (552, 554))
        self.assertEqual(s.code("NOOP"), 250)
        self.assertEqual(self.fetch_all(), [])

    def test_slow_client_does_not_hold_up_another(self):
        slow = self.smtp(ehlo=False)
        slow.send(b"EHLO ")
        with Smtp(self.bed.host, self.bed.port("smtp")) as quick:
            quick.ehlo()
