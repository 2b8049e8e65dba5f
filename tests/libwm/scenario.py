"""What is done while a fault strikes, and what has to be true afterwards."""

import re

from libwm import mail, nomem
from libwm.follow import until
from libwm.house import ANSWER_S, SETTLE_S, Breach
from libwm.inject import Count, Inject
from libwm.load import BROKEN, content
from libwm.wire import Smtp

# Calls that other causes interrupt or cut short every day: with these two
# faults the operation has to succeed as if nothing had happened.
EVERYDAY = {"read", "readv", "recvmsg", "recvfrom", "write", "writev",
            "sendmsg", "sendto", "epoll_wait", "accept4", "pread64",
            "pwrite64", "pwritev", "preadv", "wait4", "poll", "ppoll"}


def harmless(point):
    """Has the operation to succeed in spite of it?"""
    if point.fault == "short" and point.call.endswith("msg") and \
            point.target.endswith("usher"):
        return False  # whole messages, which come short never
    return point.fault in ("EINTR", "short") and point.call in EVERYDAY


class Scenario:
    """begin(), then act() with the fault armed, then check()."""

    NAME = ""
    TARGETS = ()
    TO = "u1"
    CALLS = None   # only these; None: all that it makes
    FOLLOW = True  # its children and new threads, too
    MOST = 60      # occurrences of a call

    def __init__(self, house, target):
        self.house, self.target = house, target

    def strikes(self, call):
        """Is it one of those that are to fail?"""
        return self.CALLS is None or call in self.CALLS

    def pid(self):
        """The process that the fault strikes."""
        return self.house.pid_of(self.target)

    def armed(self, point, out):
        """The fault, a context."""
        return Inject(self.pid(), point.call, point.fault, point.nth, out,
                      self.FOLLOW)

    def counted(self, out):
        """No fault, every call counted."""
        return Count(self.pid(), out, self.FOLLOW)

    def asking(self, nth):
        """As armed() and counted(): its nth wish for memory is refused; 0:
        they are counted."""
        return nomem.Refuse(self.pid(), nth, self.FOLLOW)

    def begin(self):
        """Before the fault is armed."""

    def act(self):
        """Until the client has its answer."""

    def done(self):
        """Is all over that the fault might strike?"""
        return True

    def log(self):
        """What the suite has said since `since`."""
        return self.house.bed.log_text(self.since)

    def check(self, point, fired):
        """The oracle."""

    def end(self):
        """Put away what only this run needed."""


class Accept(Scenario):
    """A mail for a local user by SMTP, until queue has forgotten it."""

    NAME = "accept"
    TARGETS = ("smtpd", "queue", "router")
    SIZE = None

    def begin(self):
        self.house.inbox(self.TO).look()
        self.number = self.pick()
        self.since = self.house.bed.log_size()
        self.answer = None

    def pick(self):
        n = self.house.next_number()
        while n % 40 == 7:  # that would be a large one
            n = self.house.next_number()
        return n

    def to(self):
        return self.house.bed.address(self.TO)

    def act(self):
        self.answer = self.house.send(self.number, self.to())

    def id(self):
        return self.answer[1].rpartition(" ")[2]

    def over(self):
        return "event=removed id=%s" % self.id() in self.log()

    def done(self):
        return self.answer[0] != 250 or self.over()

    def taken(self, point):
        """Was it taken? Refused for good because of a fault: never."""
        code, text = self.answer
        if code >= 500:
            raise Breach("refused for good: %d %s" % (code, text))
        if code != 250 and harmless(point):
            raise Breach("%s in %s is no reason to say %d %s" % (
                point.fault, point.call, code, text))
        return code == 250

    def check(self, point, fired):
        if self.taken(point):
            self.house.wait_arrived(self.TO, self.number)
            self.wait_over()
        self.house.inbox(self.TO).look()
        if self.house.inbox(self.TO).copies[self.number] > 1:
            raise Breach("mail %d was delivered twice" % self.number)

    def wait_over(self):
        """Queue has done with it; a second copy would be on its way."""
        try:
            until(lambda: not self.house.queued(self.id()), "", SETTLE_S)
        except TimeoutError:
            raise Breach("queue still keeps mail %d" % self.number) from None


class Large(Accept):
    """The same with content in a file of its own."""

    NAME = "large"
    TARGETS = ("smtpd", "queue", "deliver")

    def pick(self):
        n = self.house.next_number()
        while n % 40 != 7:
            n = self.house.next_number()
        return n


class Deliver(Accept):
    NAME = "deliver"
    TARGETS = ("deliver", "queue")


class Relay(Accept):
    """To a server elsewhere: at least once; twice where a reply was lost."""

    NAME = "relay"
    TARGETS = ("relay", "queue")

    def to(self):
        return "n%d@far.test" % self.number

    def copies(self):
        mark = b"\r\nX-Number: %d\r\n" % self.number
        return [m for m in self.house.remote.mails if mark in m]

    def begin(self):
        super().begin()
        self.house.remote.mails.clear()

    def check(self, point, fired):
        if self.taken(point):
            try:
                until(self.copies, "", SETTLE_S)
            except TimeoutError:
                raise Breach("mail %d was taken and is lost" %
                             self.number) from None
            self.wait_over()
        found = self.copies()
        if len(found) > (2 if fired else 1):
            raise Breach("relayed %d times" % len(found))
        if len(found) > 1 and harmless(point):
            raise Breach("relayed twice for nothing")
        for m in found:
            if mail.original(m) != content(self.number):
                raise Breach("relayed mail %d: bytes differ" % self.number)


class Bounce(Accept):
    """To nobody elsewhere: the sender gets a report, once."""

    NAME = "bounce"
    TARGETS = ("bounce", "queue", "relay")
    TO = "u2"

    def to(self):
        return "bad%d@far.test" % self.number

    def reports(self):
        box = self.house.inbox(self.TO)
        return box.look() and box.reports[self.number]

    def check(self, point, fired):
        if self.taken(point):
            try:
                until(self.reports, "", SETTLE_S)
            except TimeoutError:
                raise Breach("no report on mail %d" % self.number) from None
            self.wait_over()
        self.house.inbox(self.TO).look()
        n = self.house.inbox(self.TO).reports[self.number]
        if n > (2 if point.fault == "KILL" and fired else 1):
            raise Breach("%d reports on mail %d" % (n, self.number))


class Linger(Relay):
    """A mail that waits, and whose segment of queue's log is emptied."""

    NAME = "linger"
    TARGETS = ("queue",)
    CALLS = ("openat", "close", "fallocate", "fsync", "syncfs", "newfstatat",
             "pread64", "pwrite64", "renameat", "unlinkat", "mkdirat")
    MOST = 25
    BULK = mail.make(0, 250000)  # a segment has room for sixteen
    SEGMENTS = 120  # mails, until the oldest segment must have been reached

    def to(self):
        return "later%d@far.test" % self.number

    def begin(self):
        super().begin()
        self.house.later = True
        self.answer = self.house.send(self.number, self.to())
        until(lambda: "event=deferred id=%s" % self.id() in self.log(),
              "the mail to be put off")

    def folds(self):
        return len(re.findall("event=fold(?:ed|-failed)", self.log()))

    def act(self):
        """Push mails that nobody gets through the log."""
        bed = self.house.bed
        try:
            with Smtp(bed.host, bed.port("smtp"), wait=ANSWER_S) as s:
                s.ehlo()
                for _ in range(self.SEGMENTS):
                    s.mail("", ["x@sink.test"], self.BULK)
                    if self.folds():
                        return
        except BROKEN:
            pass  # struck: what becomes of the mail is looked at later

    def done(self):
        return self.folds() > 0

    def check(self, point, fired):
        self.house.later = False
        super().check(point, fired)


ALL = [Accept, Large, Deliver, Relay, Bounce, Linger]
