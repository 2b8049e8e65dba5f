"""Clients that do TLS wrong, and what was said before it."""

import re
import socket
import ssl
import subprocess
import threading
import time

from libwm import procs
from libwm.case import SuiteCase
from libwm.follow import until
from libwm.wire import Imap, Pop3, Smtp

WRAPPED = ("submissions", "imaps", "pop3s")
STARTTLS = (("smtp", b"EHLO c.example\r\n", b"STARTTLS\r\n"),
            ("submission", b"EHLO c.example\r\n", b"STARTTLS\r\n"),
            ("imap", b"", b"a STARTTLS\r\n"), ("pop3", b"", b"STLS\r\n"))

CLIENT_HELLO = None  # made once, by OpenSSL itself


def client_hello():
    """A good ClientHello, to be spoilt."""
    global CLIENT_HELLO  # pylint: disable=W0603
    if CLIENT_HELLO is None:
        out = ssl.MemoryBIO()
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
        with_name = ctx.wrap_bio(ssl.MemoryBIO(), out,
                                 server_hostname="mail.example.test")
        try:
            with_name.do_handshake()
        except ssl.SSLWantReadError:
            pass
        CLIENT_HELLO = out.read()
    return CLIENT_HELLO


SSL2_HELLO = (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"
              b"\x02\x00\x80\x03\x00\x80\x04\x00\x80\x05\x00\x80\x06\x00\x40"
              b"\x07\x00\xc0" + b"c" * 16)
SSL3_HELLO = (b"\x16\x03\x00\x00\x2f\x01\x00\x00\x2b\x03\x00" + b"r" * 32 +
              b"\x00\x00\x04\x00\x05\x00\x0a\x01\x00")
TLS10_HELLO = SSL3_HELLO.replace(b"\x03\x00", b"\x03\x01")


def heartbeat():
    """CVE-2014-0160: a heartbeat that says it is longer than it is."""
    return client_hello() + b"\x18\x03\x02\x00\x03\x01\x40\x00"


BAD_HELLOS = (
    ("plain text", lambda: b"EHLO x\r\n" * 20),
    ("nothing but zeros", lambda: bytes(1000)),
    ("SSL 2", lambda: SSL2_HELLO), ("SSL 3", lambda: SSL3_HELLO),
    ("TLS 1.0", lambda: TLS10_HELLO),
    ("record without content", lambda: b"\x16\x03\x01\x00\x00" * 200),
    ("record of 64 KiB", lambda: b"\x16\x03\x01\xff\xff" + bytes(65535)),
    ("alert at first", lambda: b"\x15\x03\x01\x00\x02\x02\x28"),
    ("data at first", lambda: b"\x17\x03\x03\x00\x05hello"),
    ("heartbeat that lies", heartbeat),
    ("hello that is longer than its record", lambda: client_hello()[:6] +
     b"\x00\xff\xff" + client_hello()[9:]),
    ("hello twice", lambda: client_hello() * 2),
)


class Tls(SuiteCase):
    """Every service that speaks TLS."""

    OPTIONS = {"cleartext": True, "users": 2}
    TIMEOUT = 120

    @classmethod
    def config(cls):
        return "workers = 1\nclient-connections-limit = 10000\n"

    def connect(self, service):
        s = socket.create_connection((self.bed.host, self.bed.port(service)),
                                     timeout=30)
        self.addCleanup(s.close)
        return s

    def begin(self, service, before, command):
        """A socket at which the handshake is to begin."""
        s = self.connect(service)
        self.line(s)
        if before:
            s.sendall(before)
            while not re.search(rb"^250 ", self.line(s)):
                pass
        s.sendall(command)
        self.assertRegex(self.line(s), rb"^(220|a OK|\+OK)")
        return s

    @staticmethod
    def line(s):
        out = b""
        while not out.endswith(b"\n"):
            more = s.recv(1)
            if not more:
                break
            out += more
        return out

    @staticmethod
    def end(s):
        """Everything until the server closes."""
        out = b""
        try:
            while more := s.recv(65536):
                out += more
        except ConnectionResetError:
            pass
        return out

    def sockets(self):
        """Of each front, so that nothing stays behind."""
        kinds = procs.daemons(self.bed.pid())
        return {k: sum(x.startswith("socket:") for x in
                       procs.descriptors(kinds[k][0]).values())
                for k in ("smtpd", "submission", "imapd", "pop3d")}

    def nothing_left(self, before):
        until(lambda: all(n <= before[k] for k, n in self.sockets().items()),
              "sockets to close")

    def test_s51_bad_hellos(self):
        before = self.sockets()
        for name, make in BAD_HELLOS:
            for service in WRAPPED:
                with self.subTest(name=name, service=service):
                    s = self.connect(service)
                    self.spoil(s, make())
            for service, first, command in STARTTLS:
                with self.subTest(name=name, service=service):
                    self.spoil(self.begin(service, first, command), make())
        self.nothing_left(before)

    def spoil(self, s, data):
        """Only TLS records may come back: no word of the protocol."""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        out = self.end(s)
        self.assertIn(out[:1], (b"", b"\x15", b"\x16"), out)
        s.close()

    def test_s51_hello_cut_at_every_byte(self):
        before = self.sockets()
        hello = client_hello()
        for service in WRAPPED:
            cut = []
            for n in range(0, len(hello), 3):
                s = self.connect(service)
                s.sendall(hello[:n])
                s.shutdown(socket.SHUT_WR)
                cut.append(s)
            for s in cut:
                self.end(s)
                s.close()
        self.nothing_left(before)

    def test_s51_handshake_in_single_bytes(self):
        for service in WRAPPED:
            with self.subTest(service=service):
                got = self.slow_handshake(service)
                self.assertRegex(got, rb"^(220|\* OK|\+OK)")

    def slow_handshake(self, service):
        """Every byte of ours in a segment of its own."""
        s = self.connect(service)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.tls.wrap_bio(theirs, ours, server_hostname=self.bed.host)

        def step(what):
            while True:
                try:
                    return what()
                except ssl.SSLWantReadError:
                    for byte in ours.read():
                        s.sendall(bytes([byte]))
                    theirs.write(s.recv(65536))
        step(tls.do_handshake)
        for byte in ours.read():
            s.sendall(bytes([byte]))
        return step(lambda: tls.read(1000))

    def test_s52_nothing_said_before_tls_counts(self):
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        s.starttls(self.tls)
        self.assertEqual(s.code("MAIL FROM:<a@b.example>"), 503)
        s.ehlo()
        self.assertEqual(s.code("MAIL FROM:<a@b.example>"), 250)

    def test_s48_starttls_under_tls(self):
        s = self.smtp()
        s.starttls(self.tls)
        s.ehlo()
        self.assertEqual(s.cmd("STARTTLS")[0], 503)
        c = self.client(Imap, "imaps", tls=self.tls)
        self.assertEqual(c.cmd("STARTTLS")[0], b"BAD")
        p = self.client(Pop3, "pop3s", tls=self.tls)
        self.assertFalse(p.cmd("STLS")[0])

    def test_s55_no_password_without_tls(self):
        self.addCleanup(self.bed.start)
        self.addCleanup(self.bed.prepare, cleartext=True)
        self.bed.down()
        self.bed.prepare(cleartext=False)
        self.bed.start()
        try:
            s = self.client(Smtp, "submission")
            self.assertFalse([x for x in s.ehlo() if "AUTH" in x])
            code, text = s.login("u1@example.test", "pw")
            self.assertEqual((code, text[:6]), (538, "5.7.11"))
            code, text = s.cmd("MAIL FROM:<u1@example.test>")
            self.assertEqual((code, text[:5]), (530, "5.7.0"))
            c = self.client(Imap, "imap")
            self.assertIn(b"LOGINDISABLED", c.greeting)
            status, text, _ = c.cmd("LOGIN u1@example.test pw")
            self.assertEqual((status, text[:17]),
                             (b"NO", b"[PRIVACYREQUIRED]"))
            p = self.client(Pop3, "pop3")
            self.assertNotIn(b"USER", p.many("CAPA"))
            self.assertFalse(p.cmd("USER u1@example.test")[0])
        finally:
            self.bed.down()

    # -- the end of TLS is the end (row 10 of the history) -------------------

    def close_notify(self, wire, begun):
        """Begin something, end TLS, and go on in clear."""
        wire.send(begun)
        try:
            wire.sock.settimeout(5)
            raw = wire.sock.unwrap()
        except (OSError, ssl.SSLError):
            return
        try:
            raw.sendall(b"\nQUIT\r\n" * 3)
            self.assertNotRegex(self.end(raw), rb"221|BYE|OK")
        except OSError:
            pass
        raw.close()

    def test_h10_cleartext_behind_the_end_of_tls(self):
        envelope = (b"EHLO c.example\r\nMAIL FROM:<u1@example.test>\r\n"
                    b"RCPT TO:<u1@example.test>\r\n")
        log = self.follow()
        for begun in (envelope + b"BDAT 1000\r\nhalf", envelope + b"DATA\r\n",
                      b"EHLO c.example\r\nAUTH PLAIN\r\n", b"EHL"):
            s = self.client(Smtp, "submissions", tls=self.tls)
            if b"MAIL" in begun:
                s.ehlo()
                s.login("u1@example.test", "pw")
            self.close_notify(s, begun)
        for begun in (b"a LOGIN {5}\r\nhe", b"a AUTHENTICATE PLAIN\r\n",
                      b"a NOO"):
            self.close_notify(self.client(Imap, "imaps", tls=self.tls),
                              begun)
        c = self.imap("u1", select="INBOX")
        self.close_notify(c, b"a APPEND INBOX {500}\r\nhalf")
        self.close_notify(self.imap("u1", select="INBOX"), b"a IDLE\r\n")
        self.close_notify(self.pop3("u1"), b"RETR")
        self.assertNotIn("event=received", log.text)
        self.assertEqual(self.imap("u1", select="INBOX").ok("SEARCH ALL"),
                         [b"* SEARCH"])

    def test_h14_no_renegotiation(self):
        for service in WRAPPED:
            with self.subTest(service=service):
                said = self.renegotiate(service)
                self.assertIn(b"RENEGOTIATING", said)
                self.assertIn(b"no renegotiation", said)

    def renegotiate(self, service):
        """What s_client says of it; it ends by itself when refused."""
        with subprocess.Popen(
                ["openssl", "s_client", "-tls1_2", "-connect", "%s:%d" % (
                    self.bed.host, self.bed.port(service))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT) as client:
            give_up = threading.Timer(60, client.kill)
            give_up.start()
            try:
                # A greeting that comes meanwhile ends s_client, as does
                # the end of its input.
                for line in client.stdout:
                    if line.startswith((b"220", b"* OK", b"+OK")):
                        break
                client.stdin.write(b"R\n")
                client.stdin.flush()
                return client.stdout.read()
            finally:
                give_up.cancel()

    def test_h16_ticket_of_another_service(self):
        ctx = self.tls
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
        tickets = {}
        for service in WRAPPED:
            with ctx.wrap_socket(self.connect(service),
                                 server_hostname=self.bed.host) as t:
                t.recv(1000)
                tickets[service] = t.session
        for mine in WRAPPED:
            for other in WRAPPED:
                with ctx.wrap_socket(self.connect(other),
                                     server_hostname=self.bed.host,
                                     session=tickets[mine]) as t:
                    self.assertRegex(t.recv(1000), rb"^(220|\* OK|\+OK)")
                    if mine != other:
                        self.assertFalse(t.session_reused, (mine, other))

    def test_h17_another_protocol_in_alpn(self):
        for service in WRAPPED:
            ctx = self.tls
            ctx.set_alpn_protocols(["http/1.1"])
            with self.assertRaises(ssl.SSLError):
                ctx.wrap_socket(self.connect(service),
                                server_hostname=self.bed.host)

    def test_h17_browser_at_a_tls_port(self):
        for service in WRAPPED:
            with self.tls.wrap_socket(self.connect(service),
                                      server_hostname=self.bed.host) as t:
                t.recv(1000)
                t.sendall(b"GET /marker HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertNotIn(b"marker", self.end(t))

    def test_h12_half_a_command_then_reset(self):
        before = self.sockets()
        for service in WRAPPED:
            for _ in range(20):
                t = self.tls.wrap_socket(self.connect(service),
                                         server_hostname=self.bed.host)
                t.sendall(b"NOOP\r\n" * 200 + b"NO")
                t.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
                t.close()
        self.nothing_left(before)

    def test_i13_capability_is_told_anew(self):
        c = self.client(Imap, "imap")
        self.assertIn(b"STARTTLS", c.ok("CAPABILITY")[0])
        c.starttls(self.tls)
        self.assertTrue(c.quiet(0.2))
        self.assertNotIn(b"STARTTLS", c.ok("CAPABILITY")[0])

    def test_h2_bytes_behind_starttls_in_the_same_segment(self):
        """Also with a whole handshake behind them."""
        for service, first, command in STARTTLS:
            with self.subTest(service=service):
                s = self.connect(service)
                self.line(s)
                s.sendall(first)
                if first:
                    while not re.search(rb"^250 ", self.line(s)):
                        pass
                s.sendall(command + b"b NOOP\r\n" + client_hello())
                s.settimeout(10)
                s.shutdown(socket.SHUT_WR)
                begun = time.monotonic()
                out = self.end(s)
                self.assertLess(time.monotonic() - begun, 10)
                self.assertNotIn(b"b OK", out)
                self.assertNotIn(b"250", out)
