"""The scenarios of powercut: what is under way when the power goes.

Each names the daemons whose steps are cut at, brings about a state (set_up),
does its work and notes what it was told (act), and may look further
afterwards (check). What all have in common is checked by powerplay.
"""

import os
import threading

from libwm.fake import FakeServer, Script
from libwm.follow import until
from libwm.load import AppendLoad, Load
from libwm.steps import ANY, Step
from libwm.testbed import free_port_base
from powerboxes import (Append, Boxes, Copy, Expunge, Flags, FoldMailbox,
                        Move, Pop, TakeIn)
from powerplay import follow, require
from powerscene import LARGE, Scenario


class Accept(Scenario):
    """250 means durable; small, large, and several at a time."""

    name = "accept"
    targets = (("queue", True), ("smtpd", False), ("deliver", True))
    users = ("u1", "u2")

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            with ledger.smtp() as s:
                ledger.send(s, 41, ["u1"])
                ledger.send(s, LARGE, ["u2"])
                ledger.send(s, 42, ["u1", "u2"])
            ledger.log_wait(log, "event=delivered", 4)
            ledger.ack()


class Deliver(Scenario):
    """Many at once: they share the syncs."""

    name = "deliver"
    targets = (("deliver", True), ("queue", True))
    users = ("u1", "u2")

    def one(self, ledger, number, user):
        try:
            with ledger.smtp() as s:
                ledger.send(s, number, [user])
        except Exception:  # the power is gone for all of them
            if not ledger.over.is_set():
                raise

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            clients = [threading.Thread(target=self.one, args=(
                ledger, n, self.users[n % 2])) for n in range(50, 58)]
            for t in clients:
                t.start()
            for t in clients:
                t.join()
            ledger.log_wait(log, "event=delivered", 8)
            ledger.ack()


class Elsewhere(Scenario):
    """With another mail server, run by us."""

    script = {}

    def __init__(self):
        self.port = free_port_base("127.0.0.1", 1)
        self.server = None

    def config(self):
        return ('relay-domains = {"remote.test"}\nrelay-tls = "none"\n'
                'relay-host = "[127.0.0.1]:%d"\nrelay-ports = {"%d"}\n'
                % (self.port, self.port))

    def serve(self, **script):
        self.close()
        self.server = FakeServer("127.0.0.1", self.port,
                                 Script(**{**self.script, **script}))

    def begin(self, ledger):
        self.serve()

    def close(self):
        if self.server:
            self.server.stop()
            self.server = None

    def arrived(self):
        """{number: times}"""
        found = {}
        with self.server.lock:
            mails = list(self.server.mails)
        for m in mails:
            head = m.partition(b"\r\n\r\n")[0]
            n = int(head.partition(b"X-Number: ")[2].split(b"\r\n")[0])
            found[n] = found.get(n, 0) + 1
        return found

    def arrivals(self, view):
        with self.server.lock:
            return super().arrivals(view) + len(self.server.mails)

    def settled(self, ledger, view):
        there = self.arrived()
        return all(n in there for n, yes in ledger.remote.items() if yes)

    def check(self, ledger, view):
        there = self.arrived()
        for number, taken in ledger.remote.items():
            count = there.get(number, 0)
            require(count >= 1 or not taken, "mail %d was not relayed",
                    number)
            # The window between the remote 250 and our noting it.
            require(count <= 2, "mail %d was relayed %d times", number,
                    count)


class Wait(Elsewhere):
    """250 means durable where nothing else syncs: it has nowhere to go."""

    name = "wait"
    targets = (("queue", True), ("smtpd", False))

    def begin(self, ledger):
        self.close()

    def act(self, ledger, wrap):
        with ledger.smtp() as s:
            for n in (61, LARGE, 62):
                ledger.send_away(s, n, "x@remote.test")

    def power_is_back(self):
        self.serve()


class Relay(Elsewhere):
    """At least once, and twice only for what was on its way."""

    name = "relay"
    targets = (("queue", True),)

    def act(self, ledger, wrap):
        with ledger.smtp() as s:
            for n in (61, LARGE, 62):
                ledger.send_away(s, n, "x@remote.test")
        with self.server.lock:
            while len(self.server.mails) < 3 and not ledger.over.is_set():
                self.server.lock.wait(0.1)


class Bounce(Elsewhere):
    """A recipient that does not exist: the sender hears of it."""

    name = "bounce"
    targets = (("queue", True), ("deliver", True))
    script = {"RCPT": b"550 5.1.1 nobody of that name"}

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            with ledger.smtp() as s:
                for n in (71, 72):
                    ledger.bounced[n] = False
                    code, _ = s.mail(
                        ledger.bed.address("u1"), ["x%d@remote.test" % n],
                        self.content(n))
                    if code == 250:
                        ledger.bounced[n] = True
                        ledger.ack()
            ledger.log_wait(log, "event=delivered", 2)
            ledger.ack()

    @staticmethod
    def content(n):
        return b"Subject: to nobody %d\r\n\r\nhello\r\n" % n

    def told(self, view, n):
        return [t for t in view.dsns("u1")
                if b"x%d@remote.test" % n in t and b"report-type" in t]

    def settled(self, ledger, view):
        return all(self.told(view, n)
                   for n, taken in ledger.bounced.items() if taken)

    def check(self, ledger, view):
        for n, taken in ledger.bounced.items():
            count = len(self.told(view, n))
            require(count >= 1 or not taken, "no bounce for mail %d", n)
            require(count <= 1, "%d bounces for mail %d", count, n)


class FoldQueue(Elsewhere):
    """Mail that lingers is moved from the log into files."""

    name = "fold"
    targets = (("queue", True),)
    retry = 3600, 3600
    # Six of eight segments are used after the next start: the first one is
    # folded as soon as one more is full.
    MAILS, SIZE = 85, 200000
    AFTER = 0
    flushed = False

    def content(self, n):
        line = b"%062d\r\n" % n
        return (b"Subject: lingering\r\nX-Number: %d\r\n\r\n" % n +
                line * (self.SIZE // len(line)))

    def submit(self, ledger, n):
        with ledger.smtp() as s:
            ledger.remote[n] = False
            code, _ = s.mail("load@example.org", ["x@remote.test"],
                             self.content(n))
            if code == 250:
                ledger.remote[n] = True
                ledger.ack()

    def config(self):
        return super().config() + "queue-delay-warning = 0\n"

    def set_up(self, ledger):
        self.begin(ledger)
        for n in range(1000, 1000 + self.MAILS):
            self.submit(ledger, n)

    def begin(self, ledger):
        # Nobody takes it before the power is back.
        self.serve(RCPT=b"450 4.2.0 later")

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            for n in range(2000, 2024):
                self.submit(ledger, n)
            ledger.log_wait(log, "event=folded")
            for n in range(2024, 2024 + self.AFTER):
                self.submit(ledger, n)

    def power_is_back(self):
        self.serve()
        self.flushed = False

    def settled(self, ledger, view):
        if not self.flushed:
            ledger.bed.wemmick("queue", "flush", "--all")
            self.flushed = True
        return super().settled(ledger, view)


class FoldOver(FoldQueue):
    """Another segment begins: what was emptied is forgotten, and reused."""

    name = "fold-over"
    AFTER = 22


# -- start, users, load -------------------------------------------------------

class Start(Elsewhere):
    """The first start after a crash with mail in the queue."""

    name = "start"
    targets = (("start", False),)
    users = ("u1", "u2")
    crashed = True
    starts_it = True

    def set_up(self, ledger):
        with ledger.smtp() as s:
            for n in (401, LARGE, 402):
                ledger.send_away(s, n, "x@remote.test")
            for n in (403, 404):
                ledger.send(s, n, ["u1", "u2"])

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            ledger.bed.start(wrap)
            ledger.log_wait(log, "event=recovered")
        with self.server.lock:
            while len(self.server.mails) < 3 and not ledger.over.is_set():
                self.server.lock.wait(0.1)


class FirstStart(Scenario):
    """The very first one makes the spool."""

    name = "first-start"
    targets = (("start", False),)
    users = ("u1",)
    starts_it = True

    def begin(self, ledger):
        os.unlink(ledger.bed.path("state", "identity.spool"))
        self.play.empty(ledger.bed.path("state", "spool"))

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            ledger.bed.start(wrap)
            ledger.log_wait(log, "event=recovered")
        with ledger.smtp() as s:
            ledger.send(s, 411, ["u1"])


class UserAdd(Scenario):
    """A user who was added is there; who was before is, too."""

    name = "user-add"
    targets = (("command", False),)
    users = ("u1",)

    def act(self, ledger, wrap):
        for user in ("n1", "n2"):
            # The hash is not what takes the time here.
            ledger.bed.wemmick("user", "add", "--hash", "{PLAIN}pw",
                               ledger.bed.address(user), wrap=wrap)
            ledger.promises["user " + user] = lambda v: True
            ledger.ack()

    def check(self, ledger, view):
        listed = ledger.bed.wemmick("user", "list").stdout
        for user in ("n1", "n2"):
            told = "user " + user in ledger.promises
            a = ledger.bed.address(user)
            require(not told or a in listed, "%s was added, and is not", a)
            if a not in listed:
                # Again, over what is left of the first attempt.
                ledger.bed.wemmick("user", "add", "--hash", "{PLAIN}pw", a)
            elif not told:
                ledger.bed.wemmick("user", "sync")
            until(lambda user=user: self.accepted(ledger, user),
                  "a mailbox for the new user", 30)
            until(lambda user=user: self.got(ledger, user),
                  "mail for the new user", 30, step=0.1)

    @staticmethod
    def accepted(ledger, user):
        """router reads the table again when it has changed."""
        with ledger.smtp() as s:
            s.cmd("MAIL FROM:<load@example.org>")
            if s.code("RCPT TO:<%s>" % ledger.bed.address(user)) != 250:
                return False
            s.cmd("RSET")
            ledger.send(s, 510 + int(user[1]), [user])
            return True

    def got(self, ledger, user):
        with ledger.imap(user, "INBOX") as c:
            return c.ok("UID SEARCH HEADER X-Number %d" % (
                510 + int(user[1]))) != [b"* SEARCH"]

    def settled(self, ledger, view):
        return True


class UnderLoad(Scenario):
    """Mail by SMTP and APPEND from several clients; the moments are random."""

    name = "load"
    users = ("u1", "u2", "u3")

    def moments(self, rng, count):
        return [Step("client", ANY, "ms", rng.randrange(50, 2500))
                for _ in range(count)]

    def act(self, ledger, wrap):
        loads = [Load(ledger.bed, self.users, first=10000),
                 AppendLoad(ledger.bed, self.users, first=20000)]
        for load in loads:
            load.__enter__()
        ledger.over.wait()
        for load in loads:
            load.stop()
            for number, user in load.taken.items():
                ledger.taken[number] = [user]
            for number, user in load.unknown.items():
                ledger.unknown[number] = [user]
            for number in load.refused:  # when the disk answered no more
                ledger.unknown[number] = [load.whose[number]]


ALL = (Accept, Wait, Deliver, Relay, Bounce, Append, TakeIn, Expunge, Move,
       Copy, Pop, FoldQueue, FoldOver, FoldMailbox, Flags, Boxes, Start,
       FirstStart, UserAdd, UnderLoad)
BY_NAME = {s.name: s for s in ALL}
