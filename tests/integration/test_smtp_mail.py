"""What is sent by SMTP is what lies in the mailbox, byte by byte."""

import re

from libwm import mail
from libwm.case import SuiteCase
from libwm.wire import dot_stuff


class Content(SuiteCase):
    """Mails in all shapes."""

    def setUp(self):
        self.empty("pip")

    def roundtrip(self, content, **more):
        self.send(content, **more)
        self.assertEqual(self.originals(), [content])

    def test_small_mail(self):
        self.roundtrip(mail.make(1))

    def test_trace_fields_are_put_in_front(self):
        self.send(mail.make(2), sender="s@example.org")
        stored = self.fetch_all()[0].decode()
        self.assertTrue(stored.startswith("Return-Path: <s@example.org>\r\n"))
        self.assertIn("Delivered-To: pip@example.test\r\n", stored)
        received = re.search(r"^Received: (.*?)\r\n(?![ \t])", stored,
                             re.S | re.M)[1]
        self.assertRegex(received, r"from client\.example\.org ")
        self.assertRegex(received, r"by mail\.example\.test")
        self.assertRegex(received, r"with ESMTP\s")
        self.assertRegex(received, r"id \S+")

    def test_received_says_how_it_came(self):
        s = self.smtp()
        s.starttls(self.tls)
        s.ehlo()
        log = self.follow()
        self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                mail.make(3))[0], 250)
        log.wait("event=delivered")
        self.assertIn(b"with ESMTPS", self.fetch_all()[0])

    def test_helo_client(self):
        s = self.smtp(ehlo=False)
        self.assertEqual(s.code("HELO old.example"), 250)
        log = self.follow()
        self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                mail.make(4))[0], 250)
        log.wait("event=delivered")
        self.assertRegex(self.fetch_all()[0], rb"with SMTP\s")

    def test_dots(self):
        self.roundtrip(mail.make(5, body=b".\r\n..\r\n.x\r\n...\r\n x\r\n."
                                 b".\r\n\r\n.\r\n"))

    def test_eight_bit_and_long_lines(self):
        self.roundtrip(mail.make(6, body="Grüße ÿ\r\n".encode() +
                                 bytes(range(128, 256)) + b"\r\n" +
                                 b"y" * 998 + b"\r\n"))

    def test_no_body_and_odd_headers(self):
        for content in (b"Subject: no body\r\n\r\n",
                        b"Subject: only header\r\n",
                        b"X-Folded: a\r\n\tb\r\n c\r\n\r\nbody\r\n"):
            with self.subTest(content=content):
                self.empty()
                self.send(content)
                self.assertTrue(self.fetch_all()[0].endswith(content))

    def test_sizes_around_the_edges(self):
        for size in (4095, 4096, 65535, 65536, 65537, 262143, 262144, 262145):
            with self.subTest(size=size):
                self.empty()
                self.roundtrip(mail.make(size, size))

    def test_one_mebibyte(self):
        self.roundtrip(mail.make(7, 1 << 20))

    def test_twenty_mebibytes_by_pop3_and_imap(self):
        content = mail.make(8, 20 << 20)
        self.send(content)
        self.assertEqual(mail.digest(self.originals()[0]),
                         mail.digest(content))
        rows = self.imap(select="INBOX").ok("FETCH 1 BODY.PEEK[]")
        body = re.match(rb".*?\{\d+\}\r\n(.*)\)$", rows[0], re.S)[1]
        self.assertEqual(mail.digest(mail.original(body)),
                         mail.digest(content))

    def test_content_split_at_every_byte(self):
        content = mail.make(9, body=b"a\r\n.\r.\n.\r\n\r\n.b\r\n".replace(
            b"\r.\n", b"\r\n"))
        log = self.follow()
        s = self.smtp()
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<pip@example.test>",
                     "DATA"):
            s.cmd(line)
        for i in dot_stuff(content):
            s.send(bytes([i]))
        self.assertEqual(s.reply()[0], 250)
        log.wait("event=delivered")
        self.assertEqual(self.originals(), [content])

    def test_chunking(self):
        content = mail.make(10, 150000)
        log = self.follow()
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        s.code("RCPT TO:<pip@example.test>")
        s.send(b"BDAT 70000\r\n" + content[:70000])
        self.assertEqual(s.reply()[0], 250)
        s.send(b"BDAT %d\r\n" % (len(content) - 70000) + content[70000:])
        self.assertEqual(s.reply()[0], 250)
        self.assertEqual(s.code("BDAT 0 LAST"), 250)
        log.wait("event=delivered")
        self.assertEqual(self.originals(), [content])

    def test_chunking_goes_wrong(self):
        for line, codes in (("BDAT", (501,)), ("BDAT x", (501,)),
                            ("BDAT 5 FIRST", (501,)),
                            ("BDAT 99999999999999999999", (501, 552))):
            with self.subTest(line=line):
                s = self.smtp()
                s.code("MAIL FROM:<a@b.example>")
                s.code("RCPT TO:<pip@example.test>")
                self.assertIn(s.code(line), codes + (421,))
        s = self.smtp()
        s.send(b"BDAT 5\r\nhello")  # no transaction: read and refused
        self.assertEqual(s.reply()[0], 503)
        self.assertEqual(s.code("NOOP"), 250)
        s.code("MAIL FROM:<a@b.example>")
        s.code("RCPT TO:<pip@example.test>")
        s.send(b"BDAT 5\r\nhello")
        self.assertEqual(s.reply()[0], 250)
        self.assertEqual(s.code("DATA"), 503)

    def test_pipelined_whole_mail(self):
        log = self.follow()
        content = mail.make(11)
        s = self.smtp()
        s.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<pip@example.test>\r\n"
               b"DATA\r\n")
        self.assertEqual([s.reply()[0] for _ in range(3)], [250, 250, 354])
        s.send(dot_stuff(content) + b"MAIL FROM:<b@b.example>\r\nQUIT\r\n")
        self.assertEqual([s.reply()[0] for _ in range(3)], [250, 250, 221])
        log.wait("event=delivered")
        self.assertEqual(self.originals(), [content])

    def test_client_that_vanishes_leaves_nothing(self):
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        s.code("RCPT TO:<pip@example.test>")
        s.code("DATA")
        s.send(mail.make(12))
        s.close()
        self.roundtrip(mail.make(13))  # which is alone there

    def test_internationalized_mail(self):
        s = self.smtp()
        log = self.follow()
        content = mail.make(14, subject="Grüße").replace(
            b"Gr\xfc\xdfe", "Grüße".encode())
        self.assertEqual(s.mail("jörg@b.example", ["pip@example.test"],
                                content, " SMTPUTF8 BODY=8BITMIME")[0], 250)
        log.wait("event=delivered")
        self.assertIn("Return-Path: <jörg@b.example>".encode(),
                      self.fetch_all()[0])

    def test_loop_is_seen(self):
        hops = b"Received: from a by b; Mon, 23 Nov 2026 09:00:00 +0000\r\n"
        s = self.smtp()
        code, text = s.mail("a@b.example", ["pip@example.test"],
                            hops * 60 + mail.make(15))
        self.assertEqual((code, text[:5]), (554, "5.4.6"))

    def test_one_copy_for_each_recipient(self):
        self.empty("estella")
        s = self.smtp()
        log = self.follow()
        self.assertEqual(s.mail("a@b.example", [
            "pip@example.test", "estella@example.test",
            "PIP@example.test"], mail.make(16))[0], 250)
        log.wait("event=delivered", 2)
        self.assertEqual(self.originals("pip"), [mail.make(16)])
        self.assertEqual(self.originals("estella"), [mail.make(16)])
