"""POP3: RFC 1939, 2449, 2595, 5034, 3206."""

import socket

from libwm import mail
from libwm.case import SuiteCase
from libwm.wire import Pop3, plain


class Pop3Session(SuiteCase):
    """Every command, and what is wrong in every state."""

    OPTIONS = {"users": 8}

    def fill(self, user, *contents):
        for c in contents or [mail.make(i, 500 * i) for i in range(1, 4)]:
            self.send(c, to=user)

    def test_before_login(self):
        c = self.client(Pop3, "pop3s", tls=self.tls)
        for line in ("STAT", "LIST", "RETR 1", "FROB", "", "PASS x",
                     "USER", "NOOP", "APOP a b"):
            with self.subTest(line=line):
                self.assertFalse(c.cmd(line)[0])
        c.ok("QUIT")

    def test_capabilities(self):
        c = self.client(Pop3, "pop3")
        have = c.many("CAPA")
        self.assertIn(b"STLS", have)
        self.assertNotIn(b"USER", have)
        self.assertFalse(c.cmd("USER pip@example.test")[0])
        c.starttls(self.tls)
        have = c.many("CAPA")
        for wanted in (b"USER", b"UIDL", b"TOP", b"PIPELINING",
                       b"RESP-CODES", b"SASL PLAIN LOGIN"):
            self.assertIn(wanted, have)
        self.assertNotIn(b"STLS", have)

    def test_wrong_password_says_auth(self):
        c = self.client(Pop3, "pop3s", tls=self.tls)
        c.ok("USER u1@example.test")
        good, text = c.cmd("PASS wrong")
        self.assertFalse(good)
        self.assertTrue(text.startswith("[AUTH]"), text)
        c.ok("USER u1@example.test")
        c.ok("PASS pw")

    def test_auth_plain(self):
        c = self.client(Pop3, "pop3s", tls=self.tls)
        c.ok("AUTH PLAIN " + plain("u1@example.test", "pw"))
        c.ok("STAT")
        c = self.client(Pop3, "pop3s", tls=self.tls)
        c.send(b"AUTH PLAIN\r\n")
        self.assertTrue(c.line().startswith(b"+ "))
        self.assertFalse(c.cmd("*")[0])

    def test_reading(self):
        self.fill("u2")
        c = self.pop3("u2")
        count, size = c.ok("STAT").split()
        self.assertEqual(count, "3")
        listed = [row.split() for row in c.many("LIST")]
        self.assertEqual(sum(int(n) for _, n in listed), int(size))
        for i in (1, 2, 3):
            got = c.retrieve(i)
            self.assertEqual(len(got), int(listed[i - 1][1]))
            self.assertEqual(mail.original(got),
                             mail.make(i, 500 * i))
        self.assertEqual(c.ok("LIST 2").split()[:2],
                         ["2", listed[1][1].decode()])
        head = c.many("TOP 3 0")
        self.assertEqual(head[-1], b"")
        self.assertEqual(c.many("TOP 3 2")[:len(head)], head)
        self.assertEqual(len(c.many("TOP 3 2")), len(head) + 2)
        self.assertEqual(len(c.many("TOP 3 999999")),
                         len(c.retrieve(3).splitlines()))

    def test_wrong_numbers(self):
        self.fill("u3", mail.make(1))
        c = self.pop3("u3")
        for line in ("RETR 0", "RETR -1", "RETR 2", "RETR 99999999999",
                     "RETR 1x", "RETR", "DELE 2", "TOP 1", "TOP 1 -1",
                     "LIST 2", "UIDL 2", "USER u3@example.test", "STLS"):
            with self.subTest(line=line):
                self.assertFalse(c.cmd(line)[0])
        c.ok("NOOP")

    def test_deleting(self):
        self.fill("u4")
        c = self.pop3("u4")
        uids = [r.split()[1] for r in c.many("UIDL")]
        self.assertEqual(len(set(uids)), 3)
        c.ok("DELE 2")
        self.assertFalse(c.cmd("RETR 2")[0])
        self.assertEqual([r.split()[0] for r in c.many("LIST")],
                         [b"1", b"3"])
        c.close()  # no QUIT: nothing is deleted
        c = self.pop3("u4")
        self.assertEqual(c.ok("STAT").split()[0], "3")
        c.ok("DELE 1")
        c.ok("DELE 3")
        c.ok("RSET")
        c.ok("DELE 2")
        c.ok("QUIT")
        c = self.pop3("u4")
        self.assertEqual([r.split()[1] for r in c.many("UIDL")],
                         [uids[0], uids[2]])

    def test_pipelining(self):
        self.fill("u5")
        c = self.pop3("u5")
        c.send(b"STAT\r\nUIDL 1\r\nRETR 1\r\nNOOP\r\nQUIT\r\n")
        self.assertTrue(c.status()[0])
        self.assertTrue(c.status()[0])
        self.assertTrue(c.status()[0])
        self.assertEqual(mail.original(b"".join(
            r + b"\r\n" for r in c.lines())), mail.make(1, 500))
        self.assertTrue(c.status()[0])
        self.assertTrue(c.status()[0])
        self.assertEqual(c.rest(), b"")

    def test_pipelined_behind_the_login(self):
        self.fill("u6", mail.make(6))
        c = self.client(Pop3, "pop3s", tls=self.tls)
        c.send(b"USER u6@example.test\r\nPASS pw\r\nSTAT\r\nRETR 1\r\n"
               b"QUIT\r\n")
        for _ in range(2):
            self.assertTrue(c.status()[0])
        self.assertEqual(c.status()[1].split()[0], "1")
        self.assertTrue(c.status()[0])
        c.lines()
        self.assertTrue(c.status()[0])

    def test_same_mailbox_as_imap(self):
        self.fill("u7", mail.make(7))
        i = self.imap("u7", select="INBOX")
        rows = i.ok("FETCH 1 (RFC822.SIZE)")
        c = self.pop3("u7")
        size = int(c.ok("LIST 1").split()[1])
        self.assertIn(b"RFC822.SIZE %d" % size, rows[0])
        c.ok("DELE 1")
        c.ok("QUIT")
        self.assertIn(b"* 1 EXPUNGE", i.ok("NOOP"))

    def test_long_and_endless_lines(self):
        c = self.client(Pop3, "pop3s", tls=self.tls)
        c.send(b"USER " + b"x" * 5000 + b"\r\n")
        self.assertFalse(c.status()[0])
        self.assertFalse(c.cmd("STAT")[0])
        with socket.create_connection(
                (self.bed.host, self.bed.port("pop3")), 20) as s:
            try:
                for _ in range(2000):
                    s.sendall(b"x" * 4096)
            except OSError:
                pass  # it had enough
        c.ok("QUIT")

    def test_too_many_errors_end_the_connection(self):
        c = self.client(Pop3, "pop3s", tls=self.tls)
        with self.assertRaises((EOFError, ConnectionError)):
            for _ in range(60):
                c.cmd("FROB")

    def test_dots_are_stuffed(self):
        body = b".\r\n..\r\n.x\r\n"
        self.fill("u8", mail.make(8, body=body))
        c = self.pop3("u8")
        self.assertEqual(mail.original(c.retrieve(1)),
                         mail.make(8, body=body))
