"""Mail that goes elsewhere: found by real DNS, taken by real servers."""

import email
import os
import re
import socket

from libwm import mail
from libwm.case import SuiteCase
from libwm.dns import NameServer
from libwm.fake import FakeServer, Script
from libwm.follow import Follow
from libwm.testbed import Testbed, free_port_base
from libwm.wire import Pop3, tls_context

REMOTE, DEAD = "127.0.0.2", "127.0.0.9"


class RelayCase(SuiteCase):
    """A suite that asks a name server of ours."""

    ZONES = {}
    SETTINGS = ""
    far_port = None
    dns = None

    @classmethod
    def config(cls):
        return (cls.dns.config() + "relay-port = %d\nrelay-ports = "
                '{"%d"}\nqueue-retry-min = 1\nqueue-retry-max = 2\n'
                "relay-connect-timeout = 5\nrelay-timeout = 10\n"
                % (cls.far_port, cls.far_port)) + cls.SETTINGS

    @classmethod
    def before_up(cls):
        cls.far_port = free_port_base(REMOTE, 1)
        cls.dns = NameServer(os.path.join(cls.tmp, "dns"), cls.ZONES).start()
        cls.addClassCleanup(cls.dns.stop)

    def fake(self, host=REMOTE, family=socket.AF_INET, **script):
        server = FakeServer(host, self.far_port, Script(**script), family)
        self.addCleanup(server.stop)
        return server

    def submit_to(self, *recipients, content=None, sender="pip@example.test",
                  params=""):
        s = self.submit("pip")
        code, text = s.mail(sender, recipients, content or mail.make(1),
                            params)
        self.assertEqual(code, 250, text)

    def bounce(self, user="pip"):
        """The one DSN in a mailbox, parsed; it is removed."""
        found = self.wait_mails(1, user)
        self.empty(user)
        self.assertEqual(len(found), 1)
        m = email.message_from_bytes(found[0])
        self.assertEqual(m.get_content_type(), "multipart/report")
        self.assertTrue(found[0].startswith(b"Return-Path: <>"))
        return m


def status_of(bounce):
    """The per-recipient fields of a DSN (RFC 3464 §2.3)."""
    part = [p for p in bounce.walk()
            if p.get_content_type() == "message/delivery-status"][0]
    return part.get_payload()[1]


class TwoSuites(RelayCase):
    """A second suite is the remote; MX, A, AAAA and none of them."""

    ZONES = {
        "remote.test": ["@ MX 10 mx", "mx A " + REMOTE],
        "second.test": ["@ MX 5 dead", "@ MX 10 live", "dead A " + DEAD,
                        "live A " + REMOTE],
        "implicit.test": ["@ A " + REMOTE],
        "six.test": ["@ MX 10 mx", "mx AAAA ::1"],
        "null.test": ["@ MX 0 ."],
        "nomx.test": ["@ TXT nothing"],
        "unfit.test": ["@ MX 10 192.0.2.1.", "@ A " + REMOTE],
    }

    @classmethod
    def before_up(cls):
        super().before_up()
        cls.far = Testbed(os.path.join(cls.tmp, "far"))
        cls.addClassCleanup(cls.stop_far)
        cls.far.prepare(host=REMOTE, domain="remote.test",
                        hostname="mx.remote.test", port_base=cls.far_port,
                        config='domains = {"remote.test", "second.test", '
                        '"implicit.test", "six.test"}\nvirtual-alias-maps '
                        '= {"inline:{ pip@second.test=pip@remote.test, '
                        'pip@implicit.test=pip@remote.test, '
                        'pip@six.test=pip@remote.test }"}\n'
                        'listen-smtp = {"%s:%d", "[::1]:%d"}\n' % (
                            REMOTE, cls.far_port, cls.far_port))
        cls.far.start()

    @classmethod
    def stop_far(cls):
        cls.far.kill_all()

    def arrives(self, to, content):
        log = self.follow()
        far_log = Follow(self.far.log)
        self.addCleanup(far_log.__exit__)
        self.submit_to(to, content=content)
        line = log.wait(r"event=relayed .*")[0][0]
        self.assertIn("to=" + to, line)
        far_log.wait("event=delivered")
        c = self.pop3_far()
        count = int(c.ok("STAT").split()[0])
        got = c.retrieve(count)
        self.assertEqual(mail.original(got), content)
        return got

    def pop3_far(self):

        c = Pop3(self.far.host, self.far.port("pop3s"),
                 tls=tls_context(self.far.path("cert.pem")))
        self.addCleanup(c.close)
        far = "pip@remote.test"
        c.login(far, self.far.accounts()[far])
        return c

    def test_by_mx_under_tls(self):
        got = self.arrives("pip@remote.test", mail.make(1, 50000))
        self.assertIn(b"by mx.remote.test", got)
        self.assertIn(b"with ESMTPS", got)
        self.assertIn(b"with ESMTPSA", got)

    def test_large_mail(self):
        self.arrives("pip@remote.test", mail.make(2, 3 << 20))

    def test_dead_first_mx(self):
        self.arrives("pip@second.test", mail.make(3))

    def test_implicit_mx(self):
        self.arrives("pip@implicit.test", mail.make(4))

    def test_ipv6(self):
        self.arrives("pip@six.test", mail.make(5))

    def test_null_mx(self):
        self.submit_to("x@null.test")
        fields = status_of(self.bounce())
        self.assertEqual(fields["Action"], "failed")
        self.assertEqual(fields["Status"], "5.1.10")

    def test_no_such_domain(self):
        self.submit_to("x@nothing.remote.test")
        self.assertRegex(status_of(self.bounce())["Status"], r"^5\.1\.2|5\.4")

    def test_domain_without_a_server(self):
        self.submit_to("x@nomx.test")
        self.assertTrue(status_of(self.bounce())["Status"].startswith("5."))

    def test_unfit_mx_is_not_the_domain_itself(self):
        self.submit_to("x@unfit.test")
        self.assertEqual(status_of(self.bounce())["Status"], "5.4.4")

    def test_unknown_user_there_becomes_a_bounce_here(self):
        self.submit_to("nobody@remote.test", content=mail.make(6))
        m = self.bounce()
        fields = status_of(m)
        self.assertEqual(fields["Status"], "5.1.1")
        self.assertEqual(fields["Final-Recipient"],
                         "rfc822; nobody@remote.test")
        self.assertIn("550", fields["Diagnostic-Code"])
        self.assertIn(b"X-Number: 6", m.as_bytes())

    def test_some_recipients_fail(self):
        log = self.follow()
        self.submit_to("pip@remote.test", "nobody@remote.test",
                       "estella@remote.test", content=mail.make(7))
        log.wait("event=relayed", 2)
        status_of(self.bounce())

    def test_bounce_of_a_bounce_goes_no_further(self):
        log = self.follow()
        s = self.submit("pip")
        code, _ = s.mail("", ["nobody@remote.test"], mail.make(8))
        if code == 250:
            log.wait(r"event=(bounced|dropped|failed)")
        self.assertEqual(self.fetch_all("pip"), [])


class BadServers(RelayCase):
    """A remote that misbehaves."""

    ZONES = {"remote.test": ["@ MX 10 mx", "mx A " + REMOTE]}
    SETTINGS = 'relay-tls = "none"\nworkers = 1\n'

    def deferred_then_taken(self, **script):
        """The first answers are bad, the next time all is well."""
        log = self.follow()
        server = self.fake(**script)
        self.submit_to("x@remote.test")
        log.wait("event=deferred")
        server.script = Script()
        log.wait("event=relayed")
        self.assertEqual(len(server.mails), 1)
        self.assertEqual(mail.original(server.mails[0]), mail.make(1))
        server.stop()

    def test_temporary_answers(self):
        for script in ({"connect": b"421 not now"},
                       {"MAIL": b"451 later"}, {"RCPT": b"450 busy"},
                       {"DATA": b"451 later"}, {"end": b"452 disk full"}):
            with self.subTest(script=script):
                self.deferred_then_taken(**script)

    def test_protocol_nonsense_is_temporary(self):
        for script in ({"connect": b"hello"}, {"EHLO": b"2x0 what"},
                       {"MAIL": None}, {"end": None},
                       {"MAIL": b"999 beyond"},
                       {"RCPT": b"250-" + b"x" * 100000}):
            with self.subTest(script=str(script)[:60]):
                self.deferred_then_taken(**script)

    def test_refusal_bounces(self):
        server = self.fake(RCPT=b"550 5.7.1 we do not like you")
        self.submit_to("x@remote.test")
        fields = status_of(self.bounce())
        self.assertEqual(fields["Status"], "5.7.1")
        self.assertIn("we do not like you", fields["Diagnostic-Code"])
        self.assertEqual(server.mails, [])

    def test_helo_only_server(self):
        server = self.fake(EHLO=b"500 what?")
        log = self.follow()
        self.submit_to("x@remote.test")
        log.wait("event=relayed")
        self.assertIn("HELO", [v for v, _ in server.lines])

    def test_refused_connection_is_tried_again(self):
        log = self.follow()
        self.submit_to("x@remote.test")
        log.wait("event=deferred")
        server = self.fake()
        server.wait(lambda s: s.mails)
        self.assertEqual(len(server.mails), 1)

    def test_many_recipients_and_a_limit_of_the_server(self):
        def some(session, _):
            session.seen = getattr(session, "seen", 0) + 1
            return b"250 ok" if session.seen % 3 else b"452 4.5.3 too many"
        server = self.fake(RCPT=some)
        log = self.follow()
        self.submit_to(*("r%d@remote.test" % i for i in range(5)))
        log.wait("event=relayed", 5)
        server.stop()

    def test_remote_is_sent_what_we_took(self):
        content = mail.make(2, body=b".\r\n..x\r\n" + bytes(
            range(128, 256)) + b"\r\nend\r\n")
        server = self.fake(EHLO=b"250-fake\r\n250-PIPELINING\r\n"
                           b"250-SIZE 1000000\r\n250 8BITMIME")
        self.submit_to("x@remote.test", content=content,
                       params=" BODY=8BITMIME")
        server.wait(lambda s: s.mails)
        self.assertEqual(mail.original(server.mails[0]), content)

    def test_control_characters_of_a_reply_stay_out_of_the_log(self):
        self.fake(RCPT=b"550 5.1.1 a\x1b[2J\x07event=delivered id=forged")
        self.submit_to("x@remote.test")
        self.bounce()
        self.assertNotIn("\x1b", self.bed.log_text())
        self.assertIsNone(re.search(r"^[^\"]* event=delivered id=forged",
                                    self.bed.log_text(), re.M))


class Late(RelayCase):
    """A remote that never answers: days of waiting in seconds."""

    ZONES = {"remote.test": ["@ MX 10 mx", "mx A " + DEAD]}
    SETTINGS = ("workers = 1\nqueue-delay-warning = 2\n"
                "queue-lifetime = 6\n")

    def test_warning_and_then_failure(self):
        self.submit_to("x@remote.test")
        late = self.bounce()
        fields = status_of(late)
        self.assertEqual(fields["Action"], "delayed")
        self.assertTrue(fields["Status"].startswith("4."))
        self.assertIn("Will-Retry-Until", fields)
        failed = status_of(self.bounce())
        self.assertEqual(failed["Action"], "failed")
        self.assertEqual(self.bed.wemmick("queue", "list", "--json").stdout,
                         "")

    def test_null_sender_hears_nothing(self):
        log = self.follow()
        s = self.submit("pip")
        code, _ = s.mail("", ["x@remote.test"], mail.make(2))
        if code == 250:
            log.wait("event=(failed|removed)")
        self.assertEqual(self.fetch_all("pip"), [])


class Smarthost(RelayCase):
    """Everything goes to one host, which wants a login."""

    @classmethod
    def before_up(cls):
        cls.far_port = free_port_base(REMOTE, 7)
        cls.far = Testbed(os.path.join(cls.tmp, "far"))
        cls.addClassCleanup(lambda: cls.far.kill_all())
        cls.far.prepare(host=REMOTE, domain="isp.test",
                        hostname="mx.isp.test", port_base=cls.far_port,
                        config='domains = {"isp.test"}\n')
        cls.far.start()
        cls.secret = os.path.join(cls.tmp, "secret")
        with open(cls.secret, "w", encoding="ascii") as f:
            f.write(cls.far.accounts()["pip@isp.test"] + "\n")
        os.chmod(cls.secret, 0o600)

    @classmethod
    def config(cls):
        port = cls.far.port("submission")
        return ('relay-host = "[%s]:%d"\nrelay-ports = {"%d"}\n'
                'relay-host-user = "pip@isp.test"\n'
                'relay-host-password-file = "%s"\nrelay-tls = "must"\n'
                % (REMOTE, port, port, cls.secret))

    def test_login_at_the_smarthost(self):
        log = self.follow()
        self.submit_to("estella@isp.test")
        log.wait("event=relayed")
        self.assertIn("user=pip@isp.test", self.far.log_text())
