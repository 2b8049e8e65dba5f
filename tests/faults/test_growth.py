"""What is over takes no room any more: no daemon grows with what it did."""

import concurrent.futures
import json
import os
import socket
import typing

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.fake import FakeServer, Script
from libwm.faults import full
from libwm.follow import until
from libwm.wire import Imap, Pop3, Smtp

SPELLS = 20  # at most; more than the chunks that queue keeps in stock
ROUNDS = full(1000, 100)  # of a spell
USERS = 20
CLIENTS = 4
REMOTE = "127.0.0.2"
LIMIT_KIB = 24  # by which heaps vary


class Size(typing.NamedTuple):
    """Of a process."""

    kib: int
    files: int


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Growth(SuiteCase):
    """The same work again and again, good and bad."""

    OPTIONS = {"users": USERS}
    TIMEOUT = 600
    remote = None

    @classmethod
    def config(cls):
        return ('networks = {"127.0.0.0/8"}\nworkers = 1\n'
                'cleartext-networks = {"127.0.0.0/8"}\n'
                "errors-limit = 1000\nclient-connections-limit = 1000\n"
                'transport-maps = {"inline:{ far.test=relay:[%s]:%d }"}\n'
                'relay-ports = {"%d"}\nrelay-tls = "none"\n'
                % (REMOTE, cls.remote.port, cls.remote.port))

    @classmethod
    def before_up(cls):
        cls.remote = FakeServer(REMOTE, 0, Script(
            RCPT=lambda _s, line:
            b"550 5.1.1 nobody" if b"<bad" in line else b"250 ok"),
            socket.AF_INET)
        cls.addClassCleanup(cls.remote.stop)

    def user(self, n):
        return self.bed.address("u%d" % (n % USERS + 1))

    def smtp_round(self, n):
        """One mail is refused, one delivered, relayed, bounced; one lost."""
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            s.cmd("RCPT TO:<out-of-turn>")
            s.mail("a@b.example", ["nobody@" + self.bed.domain], b"")
            s.cmd("RSET")
            to = [self.user(n), "x@far.test", "bad%d@far.test" % n]
            code, text = s.mail(self.user(n), to, mail.make(n, 2000))
            self.assertEqual(code, 250, text)
            s.cmd("MAIL FROM:<a@b.example>")
            s.cmd("RCPT TO:<%s>" % self.user(n))
            s.cmd("DATA")
            s.send(b"half of a mail\r\n")

    def submission_round(self, n):
        with Smtp(self.bed.host, self.bed.port("submission")) as s:
            s.ehlo()
            s.starttls(self.tls)
            s.ehlo()
            s.login(self.user(n), "wrong" if n % 50 == 0 else "pw")
            s.cmd("QUIT")

    def imap_round(self, n):
        with Imap(self.bed.host, self.bed.port("imaps"), tls=self.tls) as c:
            c.cmd("SELECT too-early")
            c.login(self.user(n), "pw")
            c.ok("SELECT INBOX")
            c.ok("APPEND INBOX {}", mail.make(n, 500))
            c.ok("NOOP")
            c.cmd("FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[TEXT])")
            c.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            c.cmd("EXPUNGE" if n % 2 else "nonsense")

    def pop3_round(self, n):
        with Pop3(self.bed.host, self.bed.port("pop3")) as c:
            c.cmd("STAT")
            c.ok("USER " + self.user(n))
            if c.cmd("PASS pw")[0]:  # else the one before still has it
                c.ok("STAT")
                c.cmd("TOP 1 1")  # what follows is left unread

    def work(self, one, first):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(one, range(first, first + ROUNDS)))
        until(lambda: not self.bed.wemmick("queue", "list", "--json").stdout,
              "the queue to be empty", 60 * paths.PATIENCE)

    def sizes(self):
        """{(process, pid): Size}"""
        out = self.bed.wemmick("status", "--json").stdout
        found = {}
        for row in map(json.loads, out.splitlines()):
            pid = row["pid"]
            found[row["process"], pid] = Size(row["heap_kib"], files(pid))
        master = self.bed.pid()
        # What was freed ASan keeps for a while.
        own = 0 if paths.sanitized() else int(
            procs.status(master)["RssAnon"].split()[0])
        found["master", master] = Size(own, files(master))
        return found

    def growths(self, one):
        """Of each spell: {who: Size by which it grew}"""
        before = self.sizes()
        for spell in range(SPELLS):
            self.work(one, spell * ROUNDS)
            after = self.sizes()
            yield {who: Size(size.kib - before[who].kib,
                             size.files - before[who].files)
                   for who, size in after.items() if who in before}
            before = after

    def test_nobody_grows(self):
        for one in (self.smtp_round, self.submission_round, self.imap_round,
                    self.pop3_round):
            with self.subTest(one.__name__):
                self.grows_not(one)

    def grows_not(self, one):
        """Stocks fill and tables double; what stays grows each time."""
        least = {}
        for spell in self.growths(one):
            least = {who: Size(*map(min, size, least.get(who, size)))
                     for who, size in spell.items()}
            grown = {who: size for who, size in least.items()
                     if size.kib > LIMIT_KIB or size.files > 0}
            if not grown:
                return
        self.fail("grew in each of %d spells: %s" % (SPELLS, grown))
