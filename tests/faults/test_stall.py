"""Remotes that stall, drip, reset or vanish, at every stage."""

import contextlib
import socket
import struct
import threading
import time

from libwm import mail, paths
from libwm.case import SuiteCase
from libwm.far import Far
from libwm.fake import FakeServer, Script
from libwm.faults import in_full, nft, private_network, run
from libwm.follow import until
from libwm.load import Load
from libwm.wire import Smtp

STAGES = ("connect", "EHLO", "MAIL", "RCPT", "DATA", "end")
PORT = 2525
GOOD = "127.0.1.99"


class StallCase(SuiteCase):
    """A fake server for each stage, at an address of its own."""

    OPTIONS = {"users": 2}
    TIMEOUT = 300

    @classmethod
    def before_up(cls):
        private_network()
        cls.servers = {}
        for i, stage in enumerate(STAGES):
            cls.server(stage, "127.0.1.%d" % (i + 1))
        cls.server("good", GOOD)

    @classmethod
    def server(cls, stage, host):
        s = FakeServer(host, PORT)
        cls.servers[stage.lower()] = s
        cls.addClassCleanup(s.stop)

    @classmethod
    def config(cls):
        rows = ", ".join("%s.test=relay:[%s]:%d" % (
            stage, s.server_address[0], PORT)
            for stage, s in cls.servers.items())
        return ('transport-maps = {"inline:{ %s }"}\nrelay-ports = {"%d"}\n'
                'relay-tls = "none"\nrelay-timeout = 5\n'
                "relay-connect-timeout = 3\nqueue-retry-min = 1\n"
                "queue-retry-max = 2\nidle-timeout = 10\n" % (rows, PORT))

    def setUp(self):
        for s in self.servers.values():
            s.mails.clear()
            s.lines.clear()
            s.script = Script()
            self.close_kept(s)

    @staticmethod
    def close_kept(server):
        """End the connections relay keeps: each test begins anew."""
        with server.lock:
            kept = list(server.live)
        for c in kept:
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)
        until(lambda: not server.live, "connections to end")

    def mail_to(self, stage, number=1, size=400):
        s = self.submit("pip", wait=100)
        code, text = s.mail("pip@example.test", ["x@%s.test" % stage],
                            mail.make(number, size))
        s.close()
        self.assertEqual(code, 250, text)

    def good_passes(self):
        server = self.servers["good"]
        server.mails.clear()
        began = time.monotonic()
        self.mail_to("good", 99)
        server.wait(lambda s: s.mails)
        self.assertLess(time.monotonic() - began, 3 * paths.PATIENCE)

    def each_stage(self, misbehave):
        """Every server fails at its stage; then all are well again."""
        log = self.follow()
        for stage in STAGES:
            self.servers[stage.lower()].script = Script(**{stage: misbehave})
        for n, stage in enumerate(STAGES):
            self.mail_to(stage.lower(), n)
        self.good_passes()
        for stage in STAGES:
            line = log.wait("event=deferred .*to=x@%s.test.*" %
                            stage.lower(), seconds=40)[0][0]
            self.assertRegex(line, r"status=4\.[45]\.\d")
        for s in self.servers.values():
            s.script = Script()
        for n, stage in enumerate(STAGES):
            server = self.servers[stage.lower()]
            log.wait("event=relayed .*to=x@%s.test" % stage.lower(),
                     seconds=40)
            got = [mail.original(m) for m in server.mails]
            self.assertIn(mail.make(n), got)
            # The end of data was lost each time: so often may it be there.
            self.assertEqual(set(got), {mail.make(n)})
            if stage != "end":
                self.assertEqual(len(got), 1)


class Stalls(StallCase):
    """They say nothing more, or a byte now and then."""

    def setUp(self):
        super().setUp()
        self.over = threading.Event()
        self.addCleanup(self.over.set)

    def test_silence_at_each_stage(self):
        def silent(_session, _line):
            self.over.wait(60)
        self.each_stage(silent)

    @in_full
    def test_a_reply_that_never_ends_comes_to_its_deadline(self):
        def drip(session, _line):
            for byte in b"250-" + b"x" * 200:
                session.wfile.write(bytes([byte]))
                if self.over.wait(0.5):
                    break
        self.each_stage(drip)

    @in_full
    def test_a_remote_that_does_not_read(self):
        def deaf(session, _line):
            session.wfile.write(b"354 go\r\n")
            self.over.wait(60)
        server = self.servers["data"]
        server.script = Script(DATA=deaf)
        log = self.follow()
        self.mail_to("data", 7, 6 << 20)
        self.good_passes()
        log.wait("event=deferred .*to=x@data.test", seconds=40)
        server.script = Script()
        log.wait("event=relayed .*to=x@data.test", seconds=40)
        self.assertEqual([mail.original(m) for m in server.mails],
                         [mail.make(7, 6 << 20)])


class Resets(StallCase):
    """The connection is reset, or the peer falls off the network."""

    def test_reset_at_each_stage(self):
        def reset(session, _line):
            session.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            session.connection.close()
        self.each_stage(reset)

    def test_black_hole_after_the_connection(self):
        server = self.servers["mail"]
        log = self.follow()
        with contextlib.ExitStack() as stack:
            def vanish(_session, _line):
                stack.enter_context(nft("ip daddr 127.0.1.3 drop",
                                        "ip saddr 127.0.1.3 drop"))
                return b"250 ok"
            server.script = Script(MAIL=vanish)
            self.mail_to("mail", 5)
            self.good_passes()
            log.wait("event=deferred .*to=x@mail.test", seconds=40)
            server.script = Script()
        log.wait("event=relayed .*to=x@mail.test", seconds=60)
        self.assertEqual([mail.original(m) for m in server.mails],
                         [mail.make(5)])

    def test_connections_are_refused_by_reset(self):
        log = self.follow()
        with nft("ip daddr 127.0.1.3 reject with tcp reset"):
            self.mail_to("mail", 6)
            self.good_passes()
            log.wait("event=deferred .*to=x@mail.test")
        log.wait("event=relayed .*to=x@mail.test")

    @in_full
    def test_clients_that_vanish_are_forgotten(self):
        log = self.follow()
        s = self.smtp(source="127.0.2.1")
        s.cmd("MAIL FROM:<a@b.example>")
        i = self.client(type(s), "imap", greet=False, source="127.0.2.1")
        i.line()
        with nft("ip saddr 127.0.2.1 drop", "ip daddr 127.0.2.1 drop"):
            log.wait("event=disconnect .*client=127.0.2.1", seconds=20)
            until(lambda: "connections=1" not in
                  self.bed.wemmick("status").stdout.split("imapd")[-1],
                  "imapd to forget", 20, 0.5)


class BadLink(StallCase):
    """Loss, a narrow link and a long way: slower, and nothing else."""

    WAY_S = 0.15  # there or back
    FAR, NEAR = "127.0.1.98", "127.0.1.97"

    @classmethod
    def before_up(cls):
        super().before_up()
        far = Far((cls.FAR, PORT), (GOOD, PORT), cls.WAY_S)
        cls.addClassCleanup(far.close)

    @classmethod
    def config(cls):
        return super().config().replace("idle-timeout = 10\n", "").replace(
            "relay-timeout = 5\n", "relay-timeout = 60\n").replace(
            "relay-connect-timeout = 3\n",
            "relay-connect-timeout = 30\n").replace(
            "inline:{ ", "inline:{ far.test=relay:[%s]:%d, " % (
                cls.FAR, PORT))

    def narrow(self):
        run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate",
            "64kbit", "burst", "4kb", "latency", "400ms")
        self.addCleanup(run, "tc", "qdisc", "del", "dev", "lo", "root")
        return nft("meta l4proto tcp numgen random mod 100 < 20 drop")

    def go_far(self, count, size, seconds):
        server = self.servers["good"]
        log = self.follow()
        for n in range(count):
            self.mail_to("far", n, size)
        log.wait("event=relayed .*to=x@far.test", count, seconds)
        found = sorted(mail.original(m) for m in server.mails)
        self.assertEqual(found, sorted(
            mail.make(n, size) for n in range(count)))

    @in_full
    def test_lossy_and_narrow(self):
        with self.narrow():
            with Load(self.bed, ["u1", "u2"], threads=2) as load:
                load.wait_more(3, 200)
            load.settle(self, 200)

    @in_full
    def test_lossy_narrow_and_far_away(self):
        with self.narrow():
            self.go_far(3, 3000, 200)

    def test_mail_goes_far_away(self):
        self.go_far(2, 20000, 30)

    def test_mail_comes_from_far_away(self):
        way = Far((self.NEAR, PORT), (self.bed.host, self.bed.port("smtp")),
                  self.WAY_S)
        self.addCleanup(way.close)
        self.empty("u1")
        with Smtp(self.NEAR, PORT) as s:
            s.ehlo()
            code, text = s.mail("load@example.org", [self.bed.address("u1")],
                                mail.make(7, 100000))
        self.assertEqual(code, 250, text)
        self.wait_mails(1, "u1")
        self.assertEqual(self.originals("u1"), [mail.make(7, 100000)])
