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
