"""A queue and a mailbox with very much in them."""

import os
import threading
import time

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.fake import FakeServer, Script
from libwm.faults import full, rss_kib
from libwm.follow import until
from libwm.testbed import free_port_base
from libwm.wire import Smtp, dot_stuff

RCPTS = 1000  # of a mail
MAILS = full(1000, 8)
FILES = full(6000, 400)      # of a queue
SIZE = full(8000, 100000)    # of a mail: so much that the log is emptied
CLIENTS = 4
FOLDERS_MAX = 10000          # store/state.h
FOLDERS = full(FOLDERS_MAX - 5, 300)  # beside those everybody has
BOX = full(1000000, 3000)
HUGE = full(10 << 30, 300 << 20)  # bytes of a mail; most of it is a hole
LINKS = 50000  # a file may have so many names, and some more


def put_in(case, number, recipients):
    """One mail for many, in one go (RFC 2920)."""
    with Smtp(case.bed.host, case.bed.port("smtp")) as s:
        s.ehlo()
        s.send(b"MAIL FROM:<pip@example.test>\r\n" + b"".join(
            b"RCPT TO:<%s>\r\n" % r.encode() for r in recipients)
            + b"DATA\r\n")
        codes = [s.reply()[0] for _ in range(len(recipients) + 2)]
        case.assertEqual(set(codes[:-1]), {250})
        case.assertEqual(codes[-1], 354)
        s.send(dot_stuff(mail.make(number)))
        case.assertEqual(s.reply()[0], 250)


class Newsletters(SuiteCase):
    """Mails for everybody here, and one for one of them."""

    OPTIONS = {"users": 200}
    TIMEOUT = 300
    # 256 at a time, one of each of 192 jobs; and what of that has begun.
    BEFORE = 1000

    def test_a_mail_for_one_does_not_wait_for_all_of_them(self):
        count = full(200, 20)
        everybody = ["u%d@example.test" % (i + 1) for i in range(200)]
        log = self.follow()
        for n in range(count):
            put_in(self, n, everybody)
        with self.smtp() as s:
            s.mail("alone@example.org", [everybody[0]], mail.make(count))
        taken = log.wait(r"event=accepted id=(\S+) from=alone@.*")[0]
        done = log.wait("event=delivered id=%s .*" % taken[1])[0]
        since = log.text[taken.end():done.start()]
        self.assertLess(since.count("event=delivered"), self.BEFORE)
        log.wait("event=delivered", count * 200 + 1, 240)


class LongQueue(SuiteCase):
    """A million recipients (in full) that all have to wait."""

    TIMEOUT = 840

    @classmethod
    def config(cls):
        return ('relay-domains = {"far.test"}\n'
                'transport-maps = {"inline:{ far.test=relay:[127.0.0.9]:9 }"}'
                '\nrelay-ports = {"9"}\nqueue-retry-min = 600\n'
                "queue-retry-max = 1200\n")

    def fresh_mail_passes(self, seconds):
        self.empty("pip")
        began = time.monotonic()
        self.send(mail.make(99))
        self.assertLess(time.monotonic() - began, seconds * paths.PATIENCE)

    def listed(self):
        out = self.bed.wemmick("queue", "list", "--json").stdout
        return len(out.splitlines())

    def queue_rss(self):
        return rss_kib(procs.daemons(self.bed.pid())["queue"][0])

    def test_it_is_listed_bounded_and_holds_up_nobody(self):
        for n in range(MAILS):
            put_in(self, n, ["u%d-%d@far.test" % (n, i)
                             for i in range(RCPTS)])
        # A million are being tried for the first time meanwhile.
        self.fresh_mail_passes(full(20, 2))
        limit = (100 * 1024 + MAILS * RCPTS // 2) * paths.PATIENCE  # KiB
        self.assertLess(self.queue_rss(), limit)
        began = time.monotonic()
        self.bed.kill_all()
        self.bed.start()
        self.assertLess(time.monotonic() - began,
                        (10 + MAILS / 20) * paths.PATIENCE)
        self.fresh_mail_passes(full(20, 2))
        self.fresh_mail_passes(full(20, 2))  # and router goes on
        until(lambda: self.listed() == MAILS, "the fresh mail to leave")
        self.assertLess(self.queue_rss(), limit)


class ManyFiles(SuiteCase):
    """Mails that wait, each in a file of its own."""

    TIMEOUT = 840

    @classmethod
    def before_up(cls):
        cls.port = free_port_base("127.0.0.1", 1)

    @classmethod
    def config(cls):
        return ('relay-domains = {"far.test"}\n'
                'transport-maps = {"inline:{ far.test=relay:[127.0.0.1]:%d }"}'
                '\nrelay-ports = {"%d"}\nrelay-tls = "none"\n'
                "queue-retry-min = 3600\nqueue-retry-max = 7200\n"
                "queue-segment-size = 4194304\nqueue-delay-warning = 0\n"
                % (cls.port, cls.port))

    def put_in(self, numbers):
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            for n in numbers:
                s.send(b"MAIL FROM:<pip@example.test>\r\nRCPT TO:<x@far.test>"
                       b"\r\nDATA\r\n")
                codes = [s.reply()[0] for _ in range(3)]
                s.send(dot_stuff(mail.make(n, SIZE)))
                self.codes.append((*codes, s.reply()[0]))

    def fill(self):
        self.codes = []
        clients = [threading.Thread(target=self.put_in, args=(
            range(i, FILES, CLIENTS),)) for i in range(CLIENTS)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        self.assertEqual(self.codes, [(250, 250, 354, 250)] * FILES)

    def taken_again(self):
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            return s.code("MAIL FROM:<pip@example.test>") == 250

    def files(self):
        spool = self.bed.path("state", "spool", "deferred")
        return sum(len(names) for _, _, names in os.walk(spool))

    def test_they_are_recovered_listed_and_leave_once_each(self):
        self.fill()
        self.assertGreater(self.files(), FILES // 3)  # the log has the rest
        self.bed.kill_all()
        began = time.monotonic()
        self.bed.start()
        self.assertLess(time.monotonic() - began,
                        (10 + FILES / 1000) * paths.PATIENCE)
        # Closed until one segment of a full log has been emptied.
        until(self.taken_again, "intake", 10 * paths.PATIENCE)
        self.send(mail.make(1))  # a fresh one passes them
        listed = self.bed.wemmick("--json", "queue", "list").stdout
        self.assertEqual(len(listed.splitlines()), FILES)
        server = FakeServer("127.0.0.1", self.port, Script())
        self.addCleanup(server.stop)
        self.bed.wemmick("queue", "flush", "--all")
        until(lambda: len(server.mails) >= FILES, "the mails",
              (60 + FILES / 50) * paths.PATIENCE, 0.2)
        until(lambda: not self.files(), "the files to go", 60)
        self.assertEqual(sorted(mail.original(m) for m in server.mails),
                         sorted(mail.make(n, SIZE) for n in range(FILES)))


class ManyFolders(SuiteCase):
    """As many mailboxes as an account may have."""

    OPTIONS = {"users": 2}
    TIMEOUT = 840

    def create(self, c, numbers):
        c.send(b"".join(b"c CREATE Box%d\r\n" % n for n in numbers))
        for _ in numbers:
            self.assertRegex(c.row(), b"c OK")

    def test_they_are_listed_opened_and_not_passed(self):
        c = self.imap("u1", wait=120)
        for first in range(0, FOLDERS, 100):
            self.create(c, range(first, min(first + 100, FOLDERS)))
        c.close()
        c = self.imap("u1", wait=120)
        began = time.monotonic()
        rows = c.ok('LIST "" "Box*"')
        self.assertEqual(len(rows), FOLDERS)
        c.ok("SELECT Box%d" % (FOLDERS - 1))
        self.assertLess(time.monotonic() - began,
                        (1 + FOLDERS / 5000) * paths.PATIENCE)
        self.assertLess(rss_kib(self.session("u1")),
                        (32768 + FOLDERS) * paths.PATIENCE)
        if FOLDERS > FOLDERS_MAX // 2:
            answers = [c.cmd("CREATE Last%d" % n)[:2] for n in range(10)]
            self.assertIn(b"NO", [status for status, _ in answers])
            self.assertEqual({t.split(b" ")[0] for s, t in answers
                              if s == b"NO"}, {b"[LIMIT]"})
        c.ok('APPEND Box0 {}', mail.make(1))
        self.assertEqual(len(c.ok('LIST "" "Box*"')), FOLDERS)

    def session(self, user):
        home = os.stat(self.bed.path("state", "mail", self.bed.domain, user))
        return procs.with_uid_between(home.st_uid, home.st_uid)[0]


class HugeMail(SuiteCase):
    """A mail of many gigabytes that somebody put into a Maildir."""

    OPTIONS = {"users": 2}
    TIMEOUT = 300
    END = b"\r\nthe end\r\n"

    def test_it_is_listed_and_read_in_parts(self):
        home = self.bed.path("state", "mail", self.bed.domain, "u1")
        owner = os.stat(home)
        path = os.path.join(home, "mail", "cur",
                            "1000000000.M1P1.host,S=%d:2,S" % HUGE)
        with open(path, "wb") as f:
            f.write(b"Subject: huge\r\n\r\n")
            f.truncate(HUGE - len(self.END))
            f.seek(0, os.SEEK_END)
            f.write(self.END)
        os.chown(path, owner.st_uid, owner.st_gid)
        self.send(mail.make(1), to="u1")
        c = self.imap("u1", wait=250)
        self.assertIn(b"* 2 EXISTS", c.ok("SELECT INBOX"))
        sizes = b"".join(c.ok("FETCH 1:* (RFC822.SIZE ENVELOPE)"))
        self.assertIn(b"RFC822.SIZE %d" % HUGE, sizes)
        self.assertIn(b'"huge"', sizes)
        # RFC 3501 has no offsets beyond 32 bits.
        at = min(HUGE, 1 << 32) - len(self.END)
        part = b"".join(c.ok("FETCH 1:* BODY.PEEK[]<%d.%d>" % (
            at, len(self.END))))
        self.assertIn(self.END if HUGE < 1 << 32 else b"<%d>" % at, part)
        home = os.stat(home)
        for pid in procs.with_uid_between(home.st_uid, home.st_uid):
            self.assertLess(rss_kib(pid), 65536)


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
