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
from libwm.testbed import claim, free_port_base
from powerplay import follow, require

LARGE = 47  # load.size_of() makes it 300,000 bytes


class Scenario:
    """What most of them are like."""

    name = ""
    targets = ()           # (daemon, are its threads told apart)
    users = ("u1",)
    crashed = False        # the state is that of a killed suite
    starts_it = False      # act() starts the suite
    quiet_s = 0            # background work that comes after act()
    retry = 1, 2           # seconds
    play = None

    def config(self):
        return ""

    def set_up(self, ledger):
        """Before the copy is made that every run begins with."""

    def begin(self, ledger):
        """Before a run starts."""

    def act(self, ledger, wrap):
        raise NotImplementedError

    def power_is_back(self):
        """Before the suite starts again."""

    def settled(self, ledger, view):
        """Has all that goes on by itself come to its end?"""
        del ledger, view
        return True

    def check(self, ledger, view):
        """More than what powerplay looks at."""

    def probe(self, ledger):
        """Service is back by itself: a new mail goes its way."""
        number = 990001
        with ledger.smtp() as s:
            ledger.send(s, number, [self.users[0]])
        def there():
            with ledger.imap(self.users[0], "INBOX") as c:
                return c.ok("UID SEARCH HEADER X-Number %d" % number) != [
                    b"* SEARCH"]
        until(there, "a new mail", 30, step=0.05)

    def close(self):
        pass


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
        claim(self.port)
        self.server = None

    def config(self):
        return ('relay-domains = {"remote.test"}\nrelay-tls = "none"\n'
                'relay-host = "[127.0.0.1]:%d"\nrelay-ports = {"%d"}\n'
                % (self.port, self.port))

    def serve(self):
        self.close()
        self.server = FakeServer("127.0.0.1", self.port,
                                 Script(**self.script))

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
        for n in range(1000, 1000 + self.MAILS):
            self.submit(ledger, n)

    def begin(self, ledger):
        self.close()  # nobody takes it before the power is back

    def act(self, ledger, wrap):
        with follow(ledger.bed) as log:
            for n in range(2000, 2024):
                self.submit(ledger, n)
            ledger.log_wait(log, "event=folded")

    def power_is_back(self):
        self.serve()
        self.flushed = False

    def settled(self, ledger, view):
        if not self.flushed:
            ledger.bed.wemmick("queue", "flush", "--all")
            self.flushed = True
        return super().settled(ledger, view)


# -- mailboxes ----------------------------------------------------------------

class Mailbox(Scenario):
    """By IMAP, on a mailbox that holds mail."""

    targets = (("imap-usher", False),)
    FIRST, COUNT = 100, 12

    def set_up(self, ledger):
        with ledger.imap("u1", "INBOX") as c:
            for n in range(self.FIRST, self.FIRST + self.COUNT):
                ledger.append(c, "u1", "INBOX", n)
            c.ok("LOGOUT")
            c.rest()

    def uid(self, n):
        return n - self.FIRST + 1


class Append(Mailbox):
    """One, several, a large one, one with flags."""

    name = "append"

    def act(self, ledger, wrap):
        with ledger.imap("u1", "INBOX") as c:
            ledger.append(c, "u1", "INBOX", 201)
            ledger.append(c, "u1", "Sent", 202, "\\Seen $Label")
            ledger.append(c, "u1", "INBOX", 207)
            ledger.append(c, "u1", "Sent", 204)


class TakeIn(Mailbox):
    """From the drop box: a UID that was told stays."""

    name = "takein"

    def set_up(self, ledger):
        super().set_up(ledger)
        with follow(ledger.bed) as log, ledger.smtp() as s:
            for n in range(301, 306):
                ledger.send(s, n, ["u1"])
            ledger.log_wait(log, "event=delivered", 5)

    def look(self, ledger, c):
        rows = c.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-Number)])")
        for row in rows:
            if b"X-Number: " in row:
                ledger.see_uid("u1", "INBOX",
                               int(row.split(b"UID ")[1].split()[0]),
                               int(row.split(b"X-Number: ")[1].split()[0]))
        ledger.ack()

    def act(self, ledger, wrap):
        with ledger.imap("u1", "INBOX") as c:
            self.look(ledger, c)
            with follow(ledger.bed) as log, ledger.smtp() as s:
                ledger.send(s, 306, ["u1"])
                ledger.log_wait(log, "event=delivered", 1)
            c.ok("NOOP")
            self.look(ledger, c)


class Expunge(Mailbox):
    """What is gone stays gone; what is not stays."""

    name = "expunge"
    quiet_s = 1.5  # files are moved later

    def expunge(self, ledger, c, numbers):
        c.ok("UID STORE %s +FLAGS.SILENT (\\Deleted)" % ",".join(
            str(self.uid(n)) for n in numbers))
        ledger.removed.update(("u1", n) for n in numbers)
        for n in numbers:
            ledger.promises.pop("append %d" % n)
        c.ok("EXPUNGE")
        for n in numbers:
            ledger.promises["expunged %d" % n] = \
                lambda v, n=n: not v.find("u1", n)
        ledger.ack()

    def act(self, ledger, wrap):
        with ledger.imap("u1", "INBOX") as c:
            self.expunge(ledger, c, [101, 103])
            self.expunge(ledger, c, range(105, 110))
            c.ok("NOOP")


class Move(Mailbox):
    """In one mailbox or in the other, never in both and never in none."""

    name = "move"
    quiet_s = 1.5

    def move(self, ledger, c, numbers):
        for n in numbers:
            ledger.promises.pop("append %d" % n)
        # All of them or none: one command, one record.
        ledger.promises["together"] = lambda v: len({
            box for n in numbers for box, _, _ in v.find("u1", n)}) == 1
        c.ok("UID MOVE %s Archive" % ",".join(
            str(self.uid(n)) for n in numbers))
        del ledger.promises["together"]
        for n in numbers:
            ledger.promises["moved %d" % n] = lambda v, n=n: [
                box for box, _, _ in v.find("u1", n)] == ["Archive"]
        ledger.ack()

    def set_up(self, ledger):
        super().set_up(ledger)
        with ledger.imap("u1") as c:
            c.ok("CREATE Archive")

    def act(self, ledger, wrap):
        with ledger.imap("u1", "INBOX") as c:
            self.move(ledger, c, [102])
            self.move(ledger, c, [104, 105, 106, 107])


class Copy(Mailbox):
    """A copy that was told is there, and the mail itself, too."""

    name = "copy"

    def act(self, ledger, wrap):
        numbers = (103, 104, 105)
        with ledger.imap("u1", "INBOX") as c:
            ledger.copied.update(numbers)
            for n in numbers:
                ledger.promises.pop("append %d" % n)
                ledger.promises["there %d" % n] = lambda v, n=n: [
                    box for box, _, _ in v.find("u1", n)] in (
                        ["INBOX"], ["Drafts", "INBOX"], ["INBOX", "Drafts"])
            c.ok("UID COPY %d:%d Drafts" % (self.uid(103), self.uid(105)))
            for n in numbers:
                ledger.promises["copy %d" % n] = lambda v, n=n: sorted(
                    box for box, _, _ in v.find("u1", n)) == [
                        "Drafts", "INBOX"]
            ledger.ack()


class Flags(Mailbox):
    """As they were when CHECK said so, or a second had passed."""

    name = "flags"

    def store(self, ledger, c, uids, what, durable):
        """what: the flag that is set; durable() waits until it must be."""
        numbers = [self.FIRST + u - 1 for u in uids]
        c.ok("UID STORE %s +FLAGS (%s)" % (
            ",".join(str(u) for u in uids), what))
        durable()
        for n in numbers:
            ledger.promises["%s on %d" % (what, n)] = lambda v, n=n: [
                True for _, _, f in v.find("u1", n) if what in f]
        ledger.ack()

    def act(self, ledger, wrap):
        with ledger.imap("u1", "INBOX") as c:
            def check():
                c.ok("CHECK")

            def a_second():  # what is promised is a time
                ledger.over.wait(1.5)
            self.store(ledger, c, [1, 2, 3], "\\Seen", check)
            self.store(ledger, c, [2, 4, 6, 8], "$Work", check)
            self.store(ledger, c, [5, 7], "\\Flagged", a_second)


class FoldMailbox(Mailbox):
    """So many changes that `records` is written anew."""

    name = "fold-mailbox"
    COUNT = 40
    quiet_s = 2

    def act(self, ledger, wrap):
        with ledger.imap("u1", "INBOX") as c:
            for i in range(1200):
                c.send(b"x%d UID STORE %d %sFLAGS.SILENT (k%d)\r\n" % (
                    i, i % self.COUNT + 1, b"+-"[i // 40 % 2:][:1], i % 7))
                if i % 100 == 99:
                    for k in range(i - 99, i + 1):
                        c.until(b"x%d" % k)
            c.ok("UID STORE 1:20 +FLAGS.SILENT (\\Answered)")
            c.ok("CHECK")
            for n in range(self.FIRST, self.FIRST + 20):
                ledger.promises["answered %d" % n] = lambda v, n=n: [
                    True for _, _, f in v.find("u1", n)
                    if "\\Answered" in f]
            ledger.ack()
            ledger.over.wait(0.5)  # idle: it folds now
            c.ok("NOOP")
            ledger.append(c, "u1", "INBOX", 241)


class Boxes(Mailbox):
    """CREATE, RENAME with children, DELETE, SUBSCRIBE."""

    name = "mailboxes"

    def told(self, ledger, name, present):
        ledger.promises["mailbox " + name] = \
            lambda v: (name in v.names("u1")) == present

    def doubt(self, ledger, *names):
        for name in names:
            ledger.promises.pop("mailbox " + name, None)

    def set_up(self, ledger):
        super().set_up(ledger)
        with ledger.imap("u1") as c:
            for name in ("Old", "Old/Sub", "Gone"):
                c.ok("CREATE " + name)
                self.told(ledger, name, True)
            ledger.append(c, "u1", "Old/Sub", 141)
            ledger.append(c, "u1", "Gone", 142)

    def act(self, ledger, wrap):
        with ledger.imap("u1") as c:
            c.ok("CREATE New")
            self.told(ledger, "New", True)
            ledger.ack()
            ledger.append(c, "u1", "New", 143)
            c.ok("SUBSCRIBE New")
            ledger.promises["subscribed"] = \
                lambda v: "New" in v.subscribed["u1"]
            ledger.ack()
            self.rename(ledger, c)
            self.doubt(ledger, "Gone")
            ledger.removed.add(("u1", 142))
            ledger.promises.pop("append 142")
            ledger.validity.pop(("u1", "Gone"))
            c.ok("DELETE Gone")
            self.told(ledger, "Gone", False)
            ledger.ack()
            self.doubt(ledger, "Gone")
            c.ok("CREATE Gone")  # must not bring its mail back
            self.told(ledger, "Gone", True)
            ledger.promises["empty"] = \
                lambda v: not v.boxes["u1", "Gone"].mails
            ledger.ack()

    def rename(self, ledger, c):
        self.doubt(ledger, "Old", "Old/Sub")
        ledger.promises.pop("append 141")
        ledger.promises["atomic"] = lambda v: (
            {"Old", "Old/Sub"} <= v.names("u1")) != (
                {"Box", "Box/Sub"} <= v.names("u1"))
        same = ledger.validity["u1", "Old/Sub"]
        c.ok("RENAME Old Box")
        for name, there in (("Old", False), ("Old/Sub", False),
                            ("Box", True), ("Box/Sub", True)):
            self.told(ledger, name, there)
        ledger.promises["renamed mail"] = lambda v: [
            box for box, _, _ in v.find("u1", 141)] == ["Box/Sub"]
        ledger.promises["UIDVALIDITY of the renamed"] = \
            lambda v: v.boxes["u1", "Box/Sub"].validity == same
        ledger.ack()


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
            with ledger.smtp() as s:
                ledger.send(s, 500 + int(user[1]), [user])

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
            with ledger.smtp() as s:
                ledger.send(s, 510 + int(user[1]), [user])
            until(lambda user=user: self.got(ledger, user),
                  "mail for the new user", 30, step=0.1)

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
                ledger.unknown[number] = [self.users[number % 3]]


ALL = (Accept, Wait, Deliver, Relay, Bounce, Append, TakeIn, Expunge, Move, Copy,
       FoldQueue, FoldMailbox, Flags, Boxes, Start, FirstStart, UserAdd,
       UnderLoad)
BY_NAME = {s.name: s for s in ALL}
