"""Reports on what became of a mail: success, delay, and what they carry."""

import email
import os
import socket

from libwm import mail
from libwm.case import SuiteCase
from libwm.dns import NameServer
from libwm.fake import FakeServer, Script
from libwm.testbed import free_port_base

REMOTE = "127.0.0.2"
EHLO = b"250-fake\r\n250-PIPELINING\r\n250 8BITMIME"


class Reports(SuiteCase):
    """Pip asks to be told."""

    @classmethod
    def before_up(cls):
        cls.far_port = free_port_base(REMOTE, 1)
        zones = {"remote.test": ["@ MX 10 mx", "mx A " + REMOTE]}
        cls.dns = NameServer(os.path.join(cls.tmp, "dns"), zones).start()
        cls.addClassCleanup(cls.dns.stop)

    @classmethod
    def config(cls):
        return cls.dns.config() + (
            "relay-port = %d\nrelay-ports = {\"%d\"}\nqueue-retry-min = 1\n"
            "queue-retry-max = 1\nqueue-delay-warning = 2\n"
            "queue-lifetime = 5\nrelay-tls = \"none\"\n"
            % (cls.far_port, cls.far_port))

    def setUp(self):
        super().setUp()
        self.empty("pip")

    def fake(self, **script):
        server = FakeServer(REMOTE, self.far_port, Script(**script),
                            socket.AF_INET)
        self.addCleanup(server.stop)
        return server

    def send_with(self, to, notify, content=None, params=""):
        s = self.submit("pip")
        for line in ("MAIL FROM:<pip@example.test>" + params,
                     "RCPT TO:<%s> %s" % (to, notify)):
            code, text = s.cmd(line)
            self.assertEqual(code, 250, text)
        self.assertEqual(s.cmd("DATA")[0], 354)
        s.send((content or mail.make(1)) + b".\r\n")
        self.assertEqual(s.reply()[0], 250)
        s.close()

    def report(self):
        """The next report in pip's mailbox: message, its fields."""
        found = self.wait_mails(1)
        self.empty()
        m = email.message_from_bytes(found[0])
        self.assertEqual(m.get_content_type(), "multipart/report")
        self.assertEqual(m["Auto-Submitted"], "auto-replied")
        self.assertTrue(found[0].startswith(b"Return-Path: <>"))
        parts = m.get_payload()
        self.assertEqual(len(parts), 3)
        return m, parts[1].get_payload()

    def test_success_here(self):
        self.send_with("estella@example.test",
                       "NOTIFY=SUCCESS ORCPT=rfc822;Estella+2Bx@example.test",
                       params=" RET=HDRS ENVID=QQ+3D7")
        m, (whole, one) = self.report()
        self.assertEqual(whole["Original-Envelope-Id"], "QQ=7")
        self.assertEqual(one["Action"], "delivered")
        self.assertRegex(one["Status"], r"^2\.")
        self.assertEqual(one["Original-Recipient"],
                         "rfc822; Estella+x@example.test")
        self.assertEqual(one["Final-Recipient"],
                         "rfc822; estella@example.test")
        back = m.get_payload()[2]
        self.assertEqual(back.get_content_type(), "text/rfc822-headers")
        self.assertIn("X-Number: 1", back.as_string())

    def test_success_at_a_host_that_does_not_report(self):
        self.fake(EHLO=EHLO)
        self.send_with("x@remote.test", "NOTIFY=SUCCESS,FAILURE")
        _, (_, one) = self.report()
        self.assertEqual(one["Action"], "relayed")
        self.assertEqual(one["Remote-MTA"], "dns; mx.remote.test")

    def test_success_at_a_host_that_reports_itself(self):
        server = self.fake(EHLO=b"250-fake\r\n250 DSN")
        log = self.follow()
        self.send_with("x@remote.test",
                       "NOTIFY=SUCCESS ORCPT=rfc822;x@remote.test",
                       params=" ENVID=abc")
        log.wait(r"event=removed .*reason=finished")
        lines = b"".join(line for _, line in server.lines)
        self.assertIn(b" ENVID=abc", lines)
        self.assertIn(b" NOTIFY=SUCCESS ORCPT=rfc822;x@remote.test", lines)
        self.assertEqual(self.fetch_all("pip"), [])

    def test_never_means_never(self):
        self.fake(RCPT=b"550 5.1.1 no")
        log = self.follow()
        self.send_with("x@remote.test", "NOTIFY=NEVER")
        log.wait(r"event=removed ")
        self.assertEqual(self.fetch_all("pip"), [])

    def test_delay_and_then_failure(self):
        self.fake(RCPT=b"450 4.2.0 come again")
        self.send_with("x@remote.test", "NOTIFY=DELAY,FAILURE")
        _, (_, one) = self.report()
        self.assertEqual(one["Action"], "delayed")
        self.assertEqual(one["Status"], "4.2.0")
        self.assertIsNotNone(one["Will-Retry-Until"])
        m, (_, one) = self.report()
        self.assertEqual(one["Action"], "failed")
        self.assertIn("450 4.2.0 come again",
                      " ".join(one["Diagnostic-Code"].split()))
        self.assertEqual(m.get_payload()[2].get_content_type(),
                         "message/rfc822")
