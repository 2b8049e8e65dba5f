"""Clocks that jump by a day or ten years, forth and back."""

import os
import struct

from libwm import mail
from libwm.case import SuiteCase
from libwm.fake import FakeServer
from libwm.faults import full
from libwm.follow import until
from libwm.load import Load

DAY = 86400
REMOTE = "127.0.0.4"
JUMPS = (DAY, -DAY, 3650 * DAY, -3650 * DAY, 5000 * DAY)  # the last: 2040


class Jumps(SuiteCase):
    """The wall clock alone jumps; boot time goes on as it did."""

    OPTIONS = {"users": 2}
    TIMEOUT = 200

    @classmethod
    def before_up(cls):
        cls.shift = os.path.join(cls.tmp, "shift")
        cls.jump(0)
        cls.remote = FakeServer(REMOTE)
        cls.addClassCleanup(cls.remote.stop)

    @classmethod
    def jump(cls, wall_s):
        # Mapped by every process: written in place.
        mode = "r+b" if os.path.exists(cls.shift) else "wb"
        with open(cls.shift, mode) as f:
            f.write(struct.pack("=qq", 0, wall_s))

    @classmethod
    def config(cls):
        port = cls.remote.port
        return ('clock-shift-file = "%s"\nrelay-ports = {"%d"}\n'
                'relay-domains = {"far.test"}\ntransport-maps = '
                '{"inline:{ far.test=relay:[%s]:%d }"}\nrelay-tls = "none"\n'
                "queue-retry-min = 1\nqueue-retry-max = 10\n" % (
                    cls.shift, port, REMOTE, port))

    def tearDown(self):
        self.jump(0)

    def waiting(self, number):
        """A mail the remote does not take yet."""
        self.remote.script.table["MAIL"] = b"451 later"
        log = self.follow()
        s = self.smtp()
        self.assertEqual(s.mail("pip@example.test", ["x@far.test"],
                                mail.make(number))[0], 250)
        log.wait("event=deferred .*to=x@far.test")

    def arrives(self, number):
        self.remote.script.table["MAIL"] = b"250 ok"
        self.bed.wemmick("queue", "flush")
        self.remote.wait(lambda s: mail.make(number) in [
            mail.original(m) for m in s.mails])

    def test_while_it_runs_nothing_stops_and_nothing_bounces(self):
        self.empty("pip")
        self.waiting(7)
        log = self.follow()
        with Load(self.bed, ["u1", "u2"], threads=2) as load:
            for by in JUMPS:
                load.wait_more(10)
                self.jump(by)
                load.wait_more(10)
                c = self.imap("pip", select="INBOX")
                c.ok("NOOP")
                c.close()
            self.jump(0)
            load.wait_more(10)
        self.assertEqual((load.refused, load.unknown), ({}, {}))
        load.settle(self)
        log.read()
        self.assertNotRegex(log.text, "event=(expired|bounced)")
        self.assertEqual(self.fetch_all("pip"), [])
        self.arrives(7)

    def test_a_start_in_another_year_bounces_nothing_at_once(self):
        self.empty("pip")
        self.waiting(8)
        for by in full((3650 * DAY, -3650 * DAY), (3650 * DAY,)):
            log = self.follow()
            self.bed.down()
            self.jump(by)
            self.bed.start()
            log.wait("event=deferred .*to=x@far.test")
            log.read()
            self.assertNotRegex(log.text, "event=(expired|failed|bounced)")
            until(self.takes, "mail to be taken", step=0.1)
        self.bed.down()
        self.jump(0)
        self.bed.start()
        self.assertEqual(self.fetch_all("pip"), [])
        self.arrives(8)

    def takes(self):
        with self.smtp() as s:
            return s.mail("a@b.example", ["estella@example.test"],
                          mail.make(1))[0] == 250
