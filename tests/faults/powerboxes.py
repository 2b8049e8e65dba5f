"""The scenarios of powercut on mailboxes: by IMAP and POP3."""

from libwm.wire import Pop3
from powerplay import follow
from powerscene import Scenario


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


class Pop(Mailbox):
    """What is deleted goes at QUIT, and nothing else goes."""

    name = "pop3"
    targets = (("pop3-usher", False),)
    quiet_s = 1.5

    def act(self, ledger, wrap):
        bed = ledger.bed
        numbers = (101, 102, 106)
        with Pop3(bed.host, bed.port("pop3")) as c:
            a = bed.address("u1")
            c.login(a, bed.accounts()[a])
            for n in numbers:
                c.ok("DELE %d" % self.uid(n))
                ledger.promises.pop("append %d" % n)
            ledger.removed.update(("u1", n) for n in numbers)
            ledger.promises["together"] = lambda v: len({
                len(v.find("u1", n)) for n in numbers}) == 1
            c.ok("QUIT")
            for n in numbers:
                ledger.promises["deleted %d" % n] = \
                    lambda v, n=n: not v.find("u1", n)
            ledger.ack()
