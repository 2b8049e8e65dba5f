"""Smuggled mails and injected commands.

Whatever a sender puts between the lines, one mail stays one mail and what
was said before TLS is not heard after it.
"""

import socket

from libwm import mail
from libwm.case import SuiteCase
from libwm.wire import Imap, Pop3, Smtp

# After these a lenient server would have seen the end of the mail.
FALSE_ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n",
              b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
              b"\r\n. \r\n", b"\r\r\n.\r\r\n")
SMUGGLED = (b"MAIL FROM:<admin@example.test>\r\n"
            b"RCPT TO:<pip@example.test>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")


class Smuggling(SuiteCase):
    """RFC 5321 §2.3.8: only CRLF ends a line."""

    def setUp(self):
        self.empty("pip")

    def test_false_ends_never_make_two_mails(self):
        for end in FALSE_ENDS:
            with self.subTest(end=end):
                self.one(end)

    def one(self, end):
        self.empty()
        s = self.smtp()
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<pip@example.test>",
                     "DATA"):
            s.cmd(line)
        s.send(b"Subject: outer\r\n\r\nfirst" + end + SMUGGLED)
        # The false end was the mail's own text: one reply for one mail.
        code, _ = s.reply()
        self.assertIn(code, (250, 500, 521, 550, 554))
        try:
            follow, _ = s.cmd("NOOP")
            self.assertIn(follow, (250, 421))
        except (EOFError, ConnectionError):
            pass
        self.send(mail.make(1))  # a fence: what came before is delivered
        found = self.fetch_all()
        self.assertLessEqual(len(found), 2)
        for stored in found:
            self.assertNotIn(b"\nReturn-Path: <admin@", stored)
            self.assertFalse(stored.startswith(b"Return-Path: <admin@"))
            bare = stored.replace(b"\r\n", b"")
            self.assertNotIn(b"\n", bare)
            self.assertNotIn(b"\r", bare)


class BeforeTls(SuiteCase):
    """CVE-2011-0411 and its children, on all three protocols."""

    OPTIONS = {"cleartext": True}

    def split(self, data):
        """The same bytes in one, two and three pieces."""
        yield (data,)
        yield (data[:5], data[5:])
        at = data.index(b"\r\n") + 2
        yield (data[:at], data[at:])

    def test_smtp(self):
        for port in ("smtp", "submission"):
            for parts in self.split(b"STARTTLS\r\nNOOP injected\r\n"):
                with self.subTest(port=port, parts=parts):
                    c = self.client(Smtp, port)
                    c.ehlo()
                    for part in parts:
                        c.send(part)
                    self.after(c, b"220", b"injected")

    def test_imap(self):
        c = self.client(Imap, "imap")
        c.send(b"a STARTTLS\r\nb NOOP\r\n")
        self.after(c, b"a OK", b"b ")

    def test_pop3(self):
        c = self.client(Pop3, "pop3")
        c.send(b"STLS\r\nCAPA\r\n")
        self.after(c, b"+OK", b"USER")

    def after(self, c, good, injected):
        try:
            row = c.line()
        except EOFError:
            return
        self.assertTrue(row.startswith(good), row)
        c.buf = b""
        try:
            c.start_tls(self.tls)
            self.assertTrue(c.quiet(0.5) or not c.buf, c.buf)
            self.assertNotIn(injected, c.buf)
        except OSError:
            pass  # refused: as good

    def test_state_from_before_tls_is_forgotten(self):
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        s.starttls(self.tls)
        self.assertEqual(s.code("RCPT TO:<pip@example.test>"), 503)
        self.assertEqual(s.code("STARTTLS"), 503)

    def test_starttls_takes_no_argument(self):
        self.assertEqual(self.smtp().code("STARTTLS now"), 501)

    def test_garbage_instead_of_a_handshake(self):
        for port in ("submissions", "imaps", "pop3s"):
            with self.subTest(port=port):
                with socket.create_connection(
                        (self.bed.host, self.bed.port(port)), 20) as s:
                    s.sendall(b"EHLO x\r\n" * 20)
                    s.settimeout(20)
                    try:
                        while s.recv(4096):
                            pass
                    except ConnectionResetError:
                        pass
