"""TLS that ends in the middle, alerts, and floods of its own messages."""

import socket
import ssl
import struct
import subprocess
import time

from libwm import mail, paths
from libwm.case import SuiteCase
from libwm.wire import Imap, Smtp


class Halfway(SuiteCase):
    """What came before the end of data is not a mail."""

    OPTIONS = {"users": 2}
    TIMEOUT = 120

    def setUp(self):
        self.empty("u1")

    def in_data(self):
        """A submission client in the middle of its content."""
        s = self.submit("pip")
        for line, want in (("MAIL FROM:<pip@example.test>", 250),
                           ("RCPT TO:<u1@example.test>", 250),
                           ("DATA", 354)):
            self.assertEqual(s.code(line), want)
        s.send(mail.make(1, 3000))
        return s

    def nothing_came(self, log):
        log.wait("event=disconnect .*mails=0")
        self.assertNotIn("event=accepted", log.text)
        self.send(mail.make(2), to="u1")  # what came before would be there
        self.assertEqual(self.originals("u1"), [mail.make(2)])

    def test_close_notify_in_the_content(self):
        log = self.follow()
        s = self.in_data()
        s.sock.settimeout(5)
        try:
            s.sock.unwrap()
        except (ssl.SSLError, OSError):
            pass  # it does not have to say goodbye
        s.close()
        self.nothing_came(log)

    def test_truncation_in_the_content(self):
        log = self.follow()
        s = self.in_data()
        s.sock.shutdown(socket.SHUT_WR)  # without close_notify
        s.close()
        self.nothing_came(log)

    def test_reset_in_the_content(self):
        log = self.follow()
        s = self.in_data()
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
        s.close()
        self.nothing_came(log)

    def raw_after_data(self, record):
        log = self.follow()
        s = self.in_data()
        raw = socket.socket(fileno=socket.dup(s.sock.fileno()))
        raw.sendall(record)
        raw.settimeout(20)
        try:
            while raw.recv(4096):
                pass
        except OSError:
            pass
        raw.close()
        s.close()
        self.nothing_came(log)

    def test_alert_in_clear_in_the_content(self):
        self.raw_after_data(b"\x15\x03\x03\x00\x02\x02\x28")

    def test_garbage_record_in_the_content(self):
        self.raw_after_data(b"\x17\x03\x03\x00\x20" + b"\xaa" * 32)

    def test_records_of_no_length_in_the_content(self):
        self.raw_after_data(b"\x17\x03\x03\x00\x00" * 100)

    def test_record_over_its_length_in_the_content(self):
        self.raw_after_data(b"\x17\x03\x03\xff\xff" + b"\xaa" * 70000)


class Floods(SuiteCase):
    """A peer that makes TLS work instead of talking."""

    OPTIONS = {"users": 2}
    TIMEOUT = 120

    @classmethod
    def config(cls):
        return "workers = 1\n"

    def openssl(self, *words):
        child = subprocess.Popen(  # pylint: disable=R1732
            ["openssl", "s_client", "-connect", "%s:%d" % (
                self.bed.host, self.bed.port("imaps")), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.kill)
        for row in child.stdout:
            if b"* OK" in row:
                return child
        raise AssertionError("no greeting through openssl s_client")

    def served(self):
        began = time.monotonic()
        with Imap(self.bed.host, self.bed.port("imaps"),
                  tls=self.tls) as c:
            c.login(*self.credentials("u1"))
            c.ok("SELECT INBOX")
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
        return time.monotonic() - began

    def quick(self):
        times = [self.served() for _ in range(3)]
        self.assertLess(min(times), 1 * paths.PATIENCE, times)

    def test_key_update_flood(self):
        child = self.openssl("-tls1_3")
        for _ in range(20):
            child.stdin.write(b"K\n" * 100)
            child.stdin.flush()
        self.quick()
        self.assertIsNotNone(self.bed.pid())
        child.stdin.close()
        child.kill()
        child.wait()

    def test_renegotiation_is_refused(self):
        child = self.openssl("-tls1_2")
        child.stdin.write(b"R\n")
        child.stdin.flush()
        child.stdin.write(b"a NOOP\r\n")
        child.stdin.flush()
        child.stdin.close()
        out = child.stdout.read()
        child.wait(20)
        self.assertNotIn(b"a OK", out)
        self.assertRegex(out, rb"(?i)no renegotiation|unsafe|closed|error")
        self.quick()

    def test_a_handshake_begun_by_many_and_finished_by_none(self):
        held = []
        for _ in range(40):
            s = socket.create_connection(
                (self.bed.host, self.bed.port("imaps")), 20)
            s.sendall(b"\x16\x03\x01\x40\x00")
            held.append(s)
        self.quick()
        for s in held:
            s.close()
