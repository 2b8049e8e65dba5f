"""A queue and a mailbox with very much in them."""

import os
import time

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.faults import full, rss_kib
from libwm.wire import Smtp, dot_stuff

RCPTS = 1000  # of a mail
MAILS = full(1000, 8)
BOX = full(200000, 3000)
LINKS = 50000  # a file may have so many names, and some more


class LongQueue(SuiteCase):
    """A million recipients (in full) that all have to wait."""

    TIMEOUT = 840

    @classmethod
    def config(cls):
        return ('relay-domains = {"far.test"}\n'
                'transport-maps = {"inline:{ far.test=relay:[127.0.0.9]:9 }"}'
                '\nrelay-ports = {"9"}\nqueue-retry-min = 600\n'
                "queue-retry-max = 1200\n")

    def put_in(self, number):
        """One mail for a thousand, in one go (RFC 2920)."""
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            s.send(b"MAIL FROM:<pip@example.test>\r\n" + b"".join(
                b"RCPT TO:<u%d-%d@far.test>\r\n" % (number, i)
                for i in range(RCPTS)) + b"DATA\r\n")
            codes = [s.reply()[0] for _ in range(RCPTS + 2)]
            self.assertEqual(set(codes[:-1]), {250})
            self.assertEqual(codes[-1], 354)
            s.send(dot_stuff(mail.make(number)))
            self.assertEqual(s.reply()[0], 250)

    def fresh_mail_passes(self, seconds):
        self.empty("pip")
        began = time.monotonic()
        self.send(mail.make(99))
        self.assertLess(time.monotonic() - began, seconds * paths.PATIENCE)

    def queue_rss(self):
        return rss_kib(procs.daemons(self.bed.pid())["queue"][0])

    def test_it_is_listed_bounded_and_holds_up_nobody(self):
        for n in range(MAILS):
            self.put_in(n)
        # A million are being tried for the first time meanwhile.
        self.fresh_mail_passes(full(20, 2))
        limit = 100 * 1024 + MAILS * RCPTS // 2  # KiB
        self.assertLess(self.queue_rss(), limit)
        began = time.monotonic()
        self.bed.kill_all()
        self.bed.start()
        self.assertLess(time.monotonic() - began,
                        (10 + MAILS / 20) * paths.PATIENCE)
        self.fresh_mail_passes(full(20, 2))
        out = self.bed.wemmick("queue", "list", "--json").stdout
        self.assertEqual(len(out.splitlines()), MAILS)
        self.assertLess(self.queue_rss(), limit)


class LargeMailbox(SuiteCase):
    """Files put into a Maildir before its user has ever looked."""

    OPTIONS = {"users": 2}
    TIMEOUT = 840

    def fill(self, user, count):
        home = self.bed.path("state", "mail", self.bed.domain, user)
        owner = os.stat(home)
        cur = os.path.join(home, "mail", "cur")
        for i in range(count):
            first = i - i % LINKS
            path = os.path.join(cur, "%d.M%dP1.host:2,S" % (10 ** 9 + i, i))
            if i == first:
                origin = path
                with open(path, "wb") as f:
                    f.write(mail.make(i, 500))
                os.chown(path, owner.st_uid, owner.st_gid)
            else:
                os.link(origin, path)

    def test_it_is_opened_in_time_and_within_memory(self):
        self.fill("u1", BOX)
        c = self.imap("u1", wait=600)
        rows = c.ok("SELECT INBOX")
        self.assertIn(b"* %d EXISTS" % BOX, rows)
        c.ok("FETCH %d BODY.PEEK[]" % BOX)
        c.close()
        c = self.imap("u1")
        began = time.monotonic()
        c.ok("SELECT INBOX")
        self.assertLess(time.monotonic() - began,
                        (1 + BOX / 100000) * paths.PATIENCE)
        home = os.stat(self.bed.path("state", "mail", self.bed.domain, "u1"))
        for pid in procs.with_uid_between(home.st_uid, home.st_uid):
            self.assertLess(rss_kib(pid), 32768 + BOX // 2)
        self.send(mail.make(1), to="u1")
        self.assertIn(b"* %d EXISTS" % (BOX + 1), c.ok("NOOP"))
