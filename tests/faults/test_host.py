"""A host without IPv6, with ports that are taken, with networks that go."""

import os
import signal
import socket

from libwm import mail
from libwm.case import SuiteCase
from libwm.fake import FakeServer
from libwm.faults import private_network, run
from libwm.testbed import TestbedError
from libwm.wire import Smtp


class Host(SuiteCase):
    """A private network without IPv6."""

    @classmethod
    def before_up(cls):
        private_network()
        for name in ("all", "default", "lo"):
            with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "w",
                      encoding="ascii") as f:
                f.write("1")
        cls.remote = FakeServer("127.0.0.4")
        cls.addClassCleanup(cls.remote.stop)

    @classmethod
    def config(cls):
        port = cls.remote.port
        return ('relay-ports = {"%d"}\nrelay-tls = "none"\ntransport-maps = '
                '{"inline:{ six.test=relay:[IPv6:::1]:%d, '
                'four.test=relay:[127.0.0.4]:%d }"}\nqueue-retry-min = 1\n'
                "queue-retry-max = 2\n" % (port, port, port))

    def reconfigured(self, more):
        """The configuration with something added, until the test is over."""
        with open(self.bed.conf, encoding="utf-8") as f:
            good = f.read()
        self.addCleanup(self.rewrite, good)
        self.rewrite(good + more)

    def rewrite(self, text):
        with open(self.bed.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def reload(self, outcome):
        log = self.follow()
        os.kill(self.bed.pid(), signal.SIGHUP)
        line = log.wait("event=reload-(done|refused).*")[0][0]
        self.assertIn(outcome, line)

    def test_all_addresses_without_ipv6_are_those_of_ipv4(self):
        port = self.bed.port("pop3s") + 1
        self.reconfigured('listen-smtp = {"*:%d"}\n' % port)
        self.reload("reload-done")
        with Smtp("127.0.0.9", port) as s:
            self.assertTrue(s.ehlo())

    def test_an_address_that_was_left_can_be_taken_again_at_once(self):
        """Although one who came by it is there, and so its process."""
        with open(self.bed.conf, encoding="utf-8") as f:
            good = f.read()
        held = self.smtp()
        self.reconfigured('listen-smtp = {"127.0.0.1:%d"}\n' %
                          (self.bed.port("pop3s") + 1))
        self.reload("reload-done")
        with self.assertRaises(ConnectionRefusedError):
            Smtp(self.bed.host, self.bed.port("smtp"))
        self.rewrite(good)
        self.reload("reload-done")
        self.assertTrue(self.smtp().ehlo())
        self.assertEqual(held.code("NOOP"), 250)

    def test_a_remote_by_ipv6_is_deferred_and_others_pass(self):
        log = self.follow()
        s = self.submit("pip")
        for to in ("x@six.test", "x@four.test"):
            code, text = s.mail("pip@example.test", [to], mail.make(1))
            self.assertEqual(code, 250, text)
        log.wait("event=relayed .*to=x@four.test")
        log.wait("event=deferred .*to=x@six.test .*status=4.4.1")

    def test_a_port_that_is_taken_refuses_the_reload_only(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.reconfigured('listen-pop3 = {"127.0.0.1:%d"}\n' % port)
            self.reload("reload-refused")
            self.assertIn(str(port), self.bed.log_text())
        with self.smtp() as s:
            self.assertEqual(s.code("NOOP"), 250)
        self.imap("pip", select="INBOX")

    def test_a_port_that_is_taken_is_told_at_the_start(self):
        self.bed.down()
        with socket.create_server(("127.0.0.1", self.bed.port("imap"))):
            with self.assertRaises(TestbedError) as failed:
                self.bed.start()
            self.assertIn(str(self.bed.port("imap")), str(failed.exception))
        self.assertEqual(self.bed.processes(), set())
        os.unlink(self.bed.path("pid"))
        self.bed.start()
        self.imap("pip", select="INBOX")

    def test_an_address_that_vanishes_takes_its_clients_only(self):
        run("ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
        port = self.bed.port("pop3s") + 2
        self.reconfigured('listen-pop3 = {"192.0.2.7:%d"}\n' % port)
        self.reload("reload-done")
        with socket.create_connection(("192.0.2.7", port), 20) as c:
            self.assertTrue(c.recv(3))
            run("ip", "addr", "del", "192.0.2.7/32", "dev", "lo")
            self.imap("pip", select="INBOX")
            self.empty("estella")
            self.send(mail.make(1), to="estella")
        self.reload("reload-done")
