"""Bad input that is not wrong but much, slow or without end."""

import os
import re
import select
import socket
import threading
import time

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.follow import Follow, until
from libwm.wire import Imap, Pop3, Smtp

MIB = 1 << 20
# A ClientHello of 16 KiB begins.
HELLO = b"\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03"


def status_kib(pid, field):
    s = procs.status(pid)
    return int(s[field].split()[0]) if s and field in s else 0


class Slow(SuiteCase):
    """Clients that take their time: each command has a deadline."""

    OPTIONS = {"cleartext": True}
    TIMEOUT = 120
    DEADLINE_S = 10

    @classmethod
    def config(cls):
        return "idle-timeout = %d\nworkers = 1\n" % cls.DEADLINE_S

    @classmethod
    def setUpClass(cls):
        """Begins what is over by the time that the others are."""
        super().setUpClass()
        cls.unread_log = Follow(cls.bed.log)
        s = socket.socket()
        cls.addClassCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect((cls.bed.host, cls.bed.port("smtp")))
        s.settimeout(1)
        try:
            while True:
                s.sendall(b"HELP\r\n" * 1000)
        except TimeoutError:
            pass  # it reads no more

    def dribblers(self):
        """{name: socket}: each has begun what it will never end."""
        found = {}
        for name, service, begin in (
                ("smtp command", "smtp", b"NOOP "),
                ("submission AUTH", "submission",
                 b"EHLO c\r\nAUTH PLAIN\r\nA"),
                ("imap command", "imap", b"a NOOP "),
                ("imap literal", "imap", b"a LOGIN {4000}\r\nx"),
                ("imap response", "imap", b"a AUTHENTICATE PLAIN\r\nA"),
                ("imap long line", "imap", b"a NOOP " + b"x" * 10000),
                ("pop3 command", "pop3", b"USER "),
                ("pop3 response", "pop3", b"AUTH PLAIN\r\nA"),
                ("pop3 long line", "pop3", b"USER " + b"x" * 1000),
                ("TLS of submission", "submissions", HELLO),
                ("TLS of imap", "imaps", HELLO),
                ("TLS of pop3", "pop3s", HELLO)):
            s = socket.create_connection((self.bed.host,
                                          self.bed.port(service)))
            self.addCleanup(s.close)
            s.sendall(begin)
            found[name] = s
        s = self.smtp()
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<pip@example.test>",
                     "DATA"):
            s.cmd(line)
        found["smtp content"] = s.sock
        s = self.smtp()
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<pip@example.test>"):
            s.cmd(line)
        s.send(b"BDAT 1000 LAST\r\n")
        found["smtp chunk"] = s.sock
        return found

    def test_s72_a_byte_now_and_then_buys_no_time(self):
        begun = time.monotonic()
        left = self.dribblers()
        while left:
            self.assertLess(time.monotonic() - begun, 3 * self.DEADLINE_S,
                            "still there: %s" % ", ".join(left))
            ready = select.select(left.values(), [], [], 0.5)[0]
            for name, s in list(left.items()):
                if not self.alive(s, s in ready):
                    del left[name]
                    self.assertGreater(time.monotonic() - begun,
                                       self.DEADLINE_S - 1, name)
        for kind, service in ((Smtp, "smtp"), (Imap, "imap"),
                              (Pop3, "pop3")):
            with kind(self.bed.host, self.bed.port(service)):
                pass  # who is quick is served

    @staticmethod
    def alive(s, readable):
        """Feed it a byte; False once the server is done with it."""
        try:
            if readable and not s.recv(65536):
                return False
            s.sendall(b"x")
            return True
        except OSError:
            return False

    def test_s73_replies_that_nobody_reads(self):
        self.unread_log.wait("event=disconnect .*Timeout",
                             seconds=3 * self.DEADLINE_S)


class Much(SuiteCase):
    """Very much of everything: memory stays what it was."""

    OPTIONS = {"cleartext": True, "users": 2}
    TIMEOUT = 120

    @classmethod
    def config(cls):
        return ("workers = 1\nclient-connections-limit = 10000\n"
                "header-size-limit = 16777216\n")

    def grown(self, kind, work):
        """KiB that the peak of a daemon rose by while work() ran. What it
        takes to do it a little is not counted."""
        pid = procs.daemons(self.bed.pid())[kind][0]
        work(1)
        before = status_kib(pid, "VmHWM")
        work(32)
        self.assertEqual(procs.daemons(self.bed.pid())[kind][0], pid)
        if paths.sanitized():
            return 0  # ASan keeps what was freed
        return status_kib(pid, "VmHWM") - before

    def open(self, service):
        s = socket.create_connection((self.bed.host, self.bed.port(service)),
                                     timeout=60)
        self.addCleanup(s.close)
        return s

    def pour(self, service, begin, mebibytes):
        """A line without end; the daemon may close when it has enough."""
        s = self.open(service)
        try:
            s.sendall(begin)
            for _ in range(mebibytes):
                s.sendall(b"x" * MIB)
        except OSError:
            pass
        s.close()

    def test_s5_line_without_end(self):
        for kind, service, begin in (
                ("smtpd", "smtp", b"NOOP "), ("imapd", "imap", b"a NOOP "),
                ("submission", "submission", b"EHLO x\r\nAUTH PLAIN\r\n"),
                ("imapd", "imap", b'a LOGIN "'), ("pop3d", "pop3", b"USER "),
                ("imapd", "imap", b"a AUTHENTICATE PLAIN\r\n")):
            with self.subTest(service=service, begin=begin):
                self.assertLess(self.grown(
                    kind, lambda n, s=service, b=begin: self.pour(s, b, n)),
                    2048)

    def test_s5_line_without_end_in_a_mail(self):
        def work(mebibytes):
            s = self.smtp()
            for line in ("MAIL FROM:<a@b.example>",
                         "RCPT TO:<pip@example.test>", "DATA"):
                s.cmd(line)
            for _ in range(mebibytes):
                s.send(b"x" * MIB)
            s.send(b"\r\n.\r\n")
            self.assertEqual(s.reply()[0], 550)
            s.close()
        self.assertLess(self.grown("smtpd", work), 2048)

    def session_grown(self, begin, end):
        """The same after login: KiB by which the session's peak rose."""
        c = Imap(self.bed.host, self.bed.port("imap"))
        self.addCleanup(c.close)
        c.login("u1@example.test", "pw")
        c.ok("SELECT INBOX")
        first, last = self.bed.user_uids
        pid = until(lambda: procs.with_uid_between(first, last),
                    "the session")[-1]
        before = status_kib(pid, "VmHWM")
        try:
            c.send(begin)
            for _ in range(32):
                c.send(b"x" * MIB)
            c.send(end)
            c.rest()
        except OSError:
            pass
        if paths.sanitized():
            return 0
        return max(0, status_kib(pid, "VmHWM") - before)

    def test_i4_line_without_end_after_login(self):
        self.assertLess(self.session_grown(
            b"a NOOP ", b"\r\nb LOGOUT\r\n"), 2048)

    def test_i6_literals_unasked_after_login(self):
        self.assertLess(self.session_grown(
            b"a NOOP {33554432+}\r\n", b"\r\nb LOGOUT\r\n"), 2048)

    def stream(self, s, data, times):
        """Send data so often and read all the while; what was read."""
        got = []

        def read():
            while True:
                more = s.recv(MIB)
                if not more:
                    return
                got.append(more)
        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(times):
            s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        reader.join()
        return b"".join(got)

    def test_h53_commands_without_end(self):
        begin = (b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n"
                 b"RCPT TO:<pip@example.test>\r\n")

        def chunks(n):
            s = self.open("smtp")
            s.sendall(begin)
            out = self.stream(s, b"BDAT 3\r\nx\r\n" * 1000, 2 * n)
            self.assertEqual(out.count(b"250 2.0.0 "), 2000 * n)

        def noops(n):
            out = self.stream(self.open("smtp"), b"NOOP\r\n" * 1000, 4 * n)
            self.assertEqual(out.count(b"250 2.0.0 "), 4000 * n)
        self.assertLess(self.grown("smtpd", noops), 2048)
        self.assertLess(self.grown("smtpd", chunks), 2048)

    def test_s39_recipients_without_end(self):
        s = self.smtp()
        s.send(b"MAIL FROM:<a@b.example>\r\n" +
               b"RCPT TO:<pip@example.test>\r\n" * 5000 + b"DATA\r\n")
        codes = [s.reply()[0] for _ in range(5002)]
        self.assertEqual(codes, [250] * 1001 + [452] * 4000 + [354])
        log = self.follow()
        s.send(b"Subject: many\r\n\r\n.\r\n")
        self.assertEqual(s.reply()[0], 250)
        log.wait("event=delivered")
        self.assertIn(b"Subject: many", self.fetch_all()[-1])

    def test_h56_logins_begun_and_dropped(self):
        def work(n):
            for _ in range(10 * n):
                s = self.open("submission")
                s.sendall(b"EHLO c.example\r\n" +
                          b"AUTH PLAIN\r\n*\r\nAUTH LOGIN\r\n*\r\n" * 9)
                s.shutdown(socket.SHUT_WR)
                out = b""
                while more := s.recv(65536):
                    out += more
                s.close()
                self.assertEqual(out.count(b"501 5.7.0"), 18)
        self.assertLess(self.grown("submission", work), 2048)

    def test_h56_names_of_servers_in_tls(self):
        def work(n):
            tls = self.tls
            tls.check_hostname = False
            for i in range(8 * n):
                with self.open("imaps") as s:
                    tls.wrap_socket(s, server_hostname="h%d-%d.test" % (
                        n, i)).close()
        self.assertLess(self.grown("imapd", work), 4096)

    def test_h57_one_bad_login_disturbs_no_other(self):
        bad = [self.open("submission") for _ in range(20)]
        for s in bad:
            s.sendall(b"EHLO c.example\r\nAUTH PLAIN\r\n!!!!\r\n"
                      b"AUTH PLAIN\r\n")
        for _ in range(20):
            s = self.client(Smtp, "submission")
            s.ehlo()
            self.assertEqual(s.login("u1@example.test", "pw")[0], 235)
            bad.pop().sendall(b"\0\xff\r\n")

    def test_h54_addresses_without_end(self):
        content = (b"From: a@b.example\r\nTo: " + b"a@b.example,\r\n " *
                   200000 + b"c@d.example\r\n\r\nx\r\n")
        log = self.follow()
        self.assertEqual(self.smtp().mail(
            "a@b.example", ["u2@example.test"], content)[0], 250)
        log.wait("event=delivered")
        c = Imap(self.bed.host, self.bed.port("imap"))
        c.login("u2@example.test", "pw")
        c.ok("SELECT INBOX")
        begun = time.monotonic()
        row = c.ok("FETCH 1 ENVELOPE")[0]
        self.assertTrue(re.match(rb"\* 1 FETCH \(ENVELOPE ", row))
        self.assertLess(time.monotonic() - begun, 10)
        c.ok("FETCH 1 (BODYSTRUCTURE RFC822.SIZE)")
        self.assertIn(b" 1", c.ok("SEARCH FROM a@b.example")[0])
        c.close()


    def test_m1_deep_mail(self):
        """Ten thousand levels, of mails and of multiparts."""
        nested = b"Content-Type: message/rfc822\r\n\r\n" * 10000
        parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d.\r\n"
                         b"\r\n--b%d.\r\n" % (i, i) for i in range(10000))
        c = Imap(self.bed.host, self.bed.port("imap"))
        self.addCleanup(c.close)
        c.login("u2@example.test", "pw")
        c.ok("CREATE deep")
        for content in (nested, parts):
            c.ok("APPEND deep {}", content + b"needle\r\n")
        c.ok("SELECT deep")
        begun = time.monotonic()
        self.assertEqual(len(c.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY)")),
                         2)
        c.ok("FETCH 1:* (BODY.PEEK[%s])" % ".".join(["1"] * 99))
        c.ok("SEARCH TEXT needle")
        c.ok("SEARCH BODY needle")
        self.assertLess(time.monotonic() - begun, 20)

    def test_m6_line_of_a_mail_without_end(self):
        """16 MiB of base64 in one line, and of what is none."""
        c = Imap(self.bed.host, self.bed.port("imap"))
        self.addCleanup(c.close)
        c.login("u2@example.test", "pw")
        c.ok("CREATE long")
        for byte in (b"A", b"=", b"\xff"):
            c.ok("APPEND long {}", b"Content-Type: text/plain; charset=utf-8"
                 b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                 byte * (16 * MIB))
        c.ok("SELECT long")
        begun = time.monotonic()
        c.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
        self.assertEqual(c.ok("SEARCH BODY needle"), [b"* SEARCH"])
        self.assertLess(time.monotonic() - begun, 20)


class Mail(SuiteCase):
    """Sizes around the limits, and what is between client and server."""

    OPTIONS = {"cleartext": True, "users": 1}

    def test_s36_client_gone_before_the_dot(self):
        log = self.follow()
        for end in (b"", b"\r\n", b"\r\n."):
            s = self.smtp()
            for line in ("MAIL FROM:<a@b.example>",
                         "RCPT TO:<pip@example.test>", "DATA"):
                s.cmd(line)
            s.send(b"Subject: gone" + end)
            s.close()
        log.wait("event=disconnect .*reason=lost", 3)
        self.assertNotIn("event=received", log.text)

    def test_s37_client_gone_behind_the_dot(self):
        self.empty()
        log = self.follow()
        s = self.smtp()
        for line in ("MAIL FROM:<a@b.example>", "RCPT TO:<pip@example.test>",
                     "DATA"):
            s.cmd(line)
        s.send(mail.make(1) + b".\r\n")
        s.close()
        log.wait("event=delivered")
        self.assertEqual(self.originals(), [mail.make(1)])

    def test_s65_null_sender_to_many(self):
        s = self.smtp()
        s.code("MAIL FROM:<>")
        codes = [s.code("RCPT TO:<%s@example.test>" % u)
                 for u in ("pip", "estella", "u1")]
        self.assertEqual(codes, [250, 250, 250])

    def test_p8_update_that_fails(self):
        """The home becomes another's under a POP3 session's feet."""
        self.empty("u1")
        self.send(mail.make(8), to="u1")
        home = self.bed.path("state", "mail", "example.test", "u1")
        self.assertTrue(os.path.isdir(home))
        c = self.pop3("u1")
        c.ok("DELE 1")
        owned = [(d, os.stat(d)) for d, _, _ in os.walk(home)]
        owned += [(os.path.join(d, f), os.stat(os.path.join(d, f)))
                  for d, _, names in os.walk(home) for f in names]
        try:
            for path, _ in owned:
                os.chown(path, 0, 0)
            good, text = c.cmd("QUIT")
            self.assertEqual((good, text[:10]), (False, "[SYS/TEMP]"))
        finally:
            for path, st in owned:
                os.chown(path, st.st_uid, st.st_gid)
        c.close()
        self.assertEqual(self.originals("u1"), [mail.make(8)])
