"""Numbered mails in a steady stream, and the account of what became of them.

A mail's number fixes its content. For each number the sender knows: taken
(the server said so), refused (it said no) or unknown (the connection broke
with the answer outstanding). Taken must be there exactly once, refused not
at all, unknown once at most; and every byte must be the one sent.
"""

import collections
import re
import ssl
import threading
import time

from libwm import mail
from libwm.follow import until
from libwm.wire import Imap, Pop3, Smtp, WireError, tls_context

BROKEN = (OSError, EOFError, WireError)
PAUSE_S = 0.02  # between attempts to connect to a suite that is down


def size_of(number):
    """Mostly small, some in a descriptor of their own (over 256 KiB)."""
    return 300000 if number % 40 == 7 else 500 + number * 37 % 9000


def content(number):
    return mail.make(number, size_of(number))


class Load:
    """Threads that send until stop(). Numbers never repeat in a testbed."""

    def __init__(self, bed, users, threads=4, first=1):
        self.bed = bed
        self.users = users
        self.lock = threading.Lock()
        self.number = first
        self.taken, self.refused, self.unknown = {}, {}, {}
        self.whose = {}  # number: the user it was for
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.run)
                        for _ in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.done.set()
        for t in self.threads:
            t.join()

    def next(self):
        with self.lock:
            self.number += 1
            return self.number, self.users[self.number % len(self.users)]

    def run(self):
        while not self.done.is_set():
            try:
                self.session()
            except BROKEN:
                time.sleep(PAUSE_S)

    def session(self):
        """One connection with some mails."""
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            for _ in range(5):
                if self.done.is_set():
                    return
                self.one(s)

    def one(self, s):
        number, user = self.next()
        self.attempt(number, user, lambda: s.mail(
            "load@example.org", [self.bed.address(user)], content(number)))

    def attempt(self, number, user, send):
        """Note what became of a number; send() gives (code, text)."""
        self.whose[number] = user
        try:
            code, text = send()
        except BROKEN:
            self.unknown[number] = user
            raise
        if code == 250:
            self.taken[number] = user
        else:
            self.refused[number] = text
        if code == 421:
            raise EOFError(text)

    def wait_more(self, count, seconds=60):
        """Until so many more were taken."""
        goal = len(self.taken) + count
        until(lambda: len(self.taken) >= goal,
              "%d more mails to be taken" % count, seconds)

    # -- the account ---------------------------------------------------------

    def found(self, user):
        """{number: copies} of a mailbox; raises when a byte differs."""
        password = self.bed.accounts()[self.bed.address(user)]
        copies = collections.Counter()
        with Pop3(self.bed.host, self.bed.port("pop3s"), wait=60,
                  tls=tls_context()) as c:
            c.login(self.bed.address(user), password)
            count = int(c.ok("STAT").split()[0])
            c.send(b"".join(b"RETR %d\r\n" % (i + 1) for i in range(count)))
            for _ in range(count):
                if not c.status()[0]:
                    raise AssertionError("a mail cannot be read")
                stored = b"".join(r + b"\r\n" for r in c.lines())
                m = re.search(rb"^X-Number: (\d+)\r$", stored, re.M)
                if not m:
                    raise AssertionError("not a mail of ours: %r" %
                                         stored[:300])
                number = int(m[1])
                if mail.original(stored) != content(number):
                    raise AssertionError("mail %d: bytes differ" % number)
                copies[number] += 1
            c.ok("QUIT")
            c.rest()
        return copies

    def all_found(self):
        copies = collections.Counter()
        for user in self.users:
            copies += self.found(user)
        return copies

    def complete(self):
        try:
            copies = self.all_found()
        except (*BROKEN, ssl.SSLError):
            return None  # a daemon is still on its way back
        return copies if set(self.taken) <= set(copies) else None

    def settle(self, case, seconds=90):
        """Wait until all that was taken is there, then check the account."""
        try:
            copies = until(self.complete, "all mails", seconds, step=0.5)
        except TimeoutError:
            missing = sorted(set(self.taken) - set(self.all_found()))
            case.fail("lost %d of %d: %r" % (
                len(missing), len(self.taken), missing[:20]))
        twice = {n: c for n, c in copies.items() if c > 1}
        case.assertEqual(twice, {}, "delivered more than once")
        case.assertEqual(set(copies) & set(self.refused), set(),
                         "refused, and there all the same")
        case.assertEqual(
            set(copies) - set(self.taken) - set(self.unknown), set())


class AppendLoad(Load):
    """The same by IMAP APPEND."""

    def session(self):
        number, user = self.next()
        password = self.bed.accounts()[self.bed.address(user)]
        with Imap(self.bed.host, self.bed.port("imaps"),
                  tls=tls_context()) as c:
            c.login(self.bed.address(user), password)
            for _ in range(5):
                if self.done.is_set():
                    return
                self.append(c, number, user)
                number = self.next()[0]

    def append(self, c, number, user):
        def send():
            status, text, _ = c.cmd("APPEND INBOX {}", content(number))
            return 250 if status == b"OK" else 451, text
        self.attempt(number, user, send)


class Inbox:
    """An IMAP session that stays, and what it has seen of a mailbox.

    Each mail is read once, when it is new: every byte must be the one sent,
    and a UID names one mail for ever (RFC 3501 §2.3.1.1).
    """

    def __init__(self, bed, user, folder="INBOX"):
        self.bed, self.user, self.folder = bed, user, folder
        self.uids = {}  # UID: number
        self.copies = collections.Counter()
        self.reports = collections.Counter()  # of bounces, by number
        self.next, self.validity = 1, None
        self.imap = None

    def close(self):
        if self.imap:
            self.imap.close()
            self.imap = None

    def session(self):
        if self.imap is None:
            a = self.bed.address(self.user)
            c = Imap(self.bed.host, self.bed.port("imaps"),
                     tls=tls_context())
            try:
                c.login(a, self.bed.accounts()[a])
                self.select(c)
            except BaseException:
                c.close()
                raise
            self.imap = c
        return self.imap

    def select(self, c):
        rows = b"\n".join(c.ok("SELECT " + self.folder))
        validity = int(re.search(rb"UIDVALIDITY (\d+)", rows)[1])
        following = int(re.search(rb"UIDNEXT (\d+)", rows)[1])
        if self.validity not in (None, validity):
            raise AssertionError("UIDVALIDITY changed from %d to %d" % (
                self.validity, validity))
        if following < self.next:
            raise AssertionError("UIDNEXT went back from %d to %d" % (
                self.next, following))
        self.validity = validity

    def look(self):
        """Read what is new. False when it cannot be read now."""
        try:
            c = self.session()
            c.ok("NOOP")
            rows = c.ok("UID FETCH %d:* (UID BODY.PEEK[])" % self.next)
        except BROKEN:
            self.close()
            return False
        for row in rows:
            if b"BODY[]" in row:
                self.note(row)
        return True

    def note(self, row):
        uid = int(re.search(rb"UID (\d+)", row)[1])
        if uid < self.next and uid in self.uids:
            return  # n:* names the last one even where it is below n
        m = re.search(rb"\{(\d+)\}\r\n", row)
        stored = row[m.end():m.end() + int(m[1])]
        self.next = max(self.next, uid + 1)
        head, _, body = stored.partition(b"\r\n\r\n")
        own = re.search(rb"^X-Number: (\d+)\r?$", head, re.M)
        if own is None:
            self.report(uid, stored, body)
            return
        number = int(own[1])
        if mail.original(stored) != content(number):
            raise AssertionError("mail %d: bytes differ" % number)
        self.uids[uid] = number
        self.copies[number] += 1

    def report(self, uid, stored, body):
        """A bounce: it names the mail it is about."""
        about = re.search(rb"^X-Number: (\d+)\r?$", body, re.M)
        if about is None or b"multipart/report" not in stored:
            raise AssertionError("not a mail of ours: %r" % stored[:300])
        edge = re.search(rb'boundary="?([^"\r\n;]+)', stored)[1]
        if b"\r\n--" + edge + b"--" not in stored:
            raise AssertionError("a report without its end: %r" % stored)
        self.uids[uid] = -int(about[1])
        self.reports[int(about[1])] += 1

    def remove_all(self):
        """Begin again with an empty mailbox."""
        c = self.session()
        c.ok("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
        c.ok("EXPUNGE")
        self.copies.clear()
        self.reports.clear()
