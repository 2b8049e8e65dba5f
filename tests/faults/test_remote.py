"""A remote that vanishes while mail is on its way to it."""

import os
import signal

from libwm import mail, procs
from libwm.case import SuiteCase
from libwm.dns import NameServer
from libwm.follow import until
from libwm.load import Load, content
from libwm.testbed import Testbed, free_port_base
from libwm.wire import Smtp

REMOTE = "127.0.0.3"
USERS = ["u1", "u2"]


class RelayLoad(Load):
    """Submitted here for users over there."""

    def __init__(self, bed, far, tls, **more):
        super().__init__(far, USERS, threads=2, **more)
        self.near, self.tls = bed, tls

    def session(self):
        with Smtp(self.near.host, self.near.port("submissions"),
                  tls=self.tls) as s:
            s.ehlo()
            user = self.near.address("pip")
            code, text = s.login(user, self.near.accounts()[user])
            if code != 235:
                raise EOFError(text)
            for _ in range(5):
                if not self.done.is_set():
                    self.submit(s)

    def submit(self, s):
        number, user = self.next()
        self.attempt(number, user, lambda: s.mail(
            "pip@example.test", [self.bed.address(user)], content(number)))


class VanishingRemote(SuiteCase):
    """A second suite, killed and started again in the middle."""

    TIMEOUT = 300

    @classmethod
    def before_up(cls):
        port = free_port_base(REMOTE)
        cls.dns = NameServer(os.path.join(cls.tmp, "dns"), {
            "remote.test": ["@ MX 10 mx", "mx A " + REMOTE]}).start()
        cls.addClassCleanup(cls.dns.stop)
        cls.far = Testbed(os.path.join(cls.tmp, "far"))
        cls.addClassCleanup(lambda: cls.far.kill_all())
        cls.far.up(host=REMOTE, domain="remote.test", port_base=port,
                   hostname="mx.remote.test", users=2)

    @classmethod
    def config(cls):
        return (cls.dns.config() + 'relay-port = %d\nrelay-ports = {"%d"}\n'
                "queue-retry-min = 1\nqueue-retry-max = 2\n"
                "relay-timeout = 10\nrelay-connect-timeout = 5\n" % (
                    (cls.far.port("smtp"),) * 2))

    def test_remote_dies_and_comes_back(self):
        with RelayLoad(self.bed, self.far, self.tls) as load:
            for _ in range(3):
                load.wait_more(15)
                self.far.kill_all()
                load.wait_more(5)
                self.far.start()
            load.wait_more(15)
        copies = until(load.complete, "all mails", 120, step=0.5)
        # At least once, and twice only where the remote died between
        # taking a mail and saying so: at most a connection's worth a kill.
        twice = [n for n, c in copies.items() if c > 1]
        self.assertLessEqual(len(twice), 3 * 20)
        self.assertEqual(self.fetch_all("pip"), [])  # nothing bounced

    def test_our_relay_dies_in_between(self):
        with RelayLoad(self.bed, self.far, self.tls, first=500000) as load:
            for _ in range(3):
                load.wait_more(15)
                for pid in procs.daemons(self.bed.pid())["relay"]:
                    os.kill(pid, signal.SIGKILL)
            load.wait_more(15)
        until(load.complete, "all mails", 120, step=0.5)

    def test_remote_that_is_gone_for_good_does_not_hold_up_others(self):
        self.far.kill_all()
        try:
            s = self.submit("pip")
            for i in range(20):
                self.assertEqual(s.mail(
                    "pip@example.test", ["u1@remote.test"],
                    mail.make(900000 + i))[0], 250)
            self.empty("estella")
            self.send(mail.make(1), to="estella")
            self.assertEqual(self.originals("estella"), [mail.make(1)])
        finally:
            self.far.start()
