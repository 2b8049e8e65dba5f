"""Scenarios of mailboxes: one change each, and the state before or after."""

import re
import time

from libwm import mail, procs
from libwm.follow import until
from libwm.house import BACK_S, NEWCOMERS, Breach
from libwm.load import BROKEN, content
from libwm.scenario import Scenario, harmless
from libwm.wire import Imap, Pop3

QUIET_S = 0.25   # a session's background work comes in that time
MESSAGES = 6     # in a mailbox that changes are made in
NOT_OUR_FAULT = (b"UNAVAILABLE", b"SERVERBUG", b"INUSE", b"LIMIT",
                 b"OVERQUOTA", b"EXPUNGEISSUED", b"SYS", b"")


class Change(Scenario):
    """A change of u3's mailboxes; the fault strikes the session."""

    TARGETS = ("session",)
    USER = "u3"
    FOLDERS = ("INBOX",)
    # Once its record is written it is done, and its files follow: after a
    # NO it may have come to pass, as a whole.
    REDONE = False
    SERVICE, CLIENT = "imap", Imap

    def pid(self):
        return self.session_pid

    # -- the client ----------------------------------------------------------

    def connect(self, wait=20):
        """A connection that is logged in, without TLS: straight to it."""
        bed = self.house.bed
        c = self.CLIENT(bed.host, bed.port(self.SERVICE), wait=wait)
        try:
            a = bed.address(self.USER)
            c.login(a, bed.accounts()[a])
        except BaseException:
            c.close()
            raise
        return c

    def try_connect(self):
        try:
            return self.connect()
        except BROKEN:
            return None

    def reconnect(self):
        """As the service is back by itself, so is the mailbox."""
        try:
            return until(self.try_connect, "", BACK_S)
        except TimeoutError:
            raise Breach("no session of %s any more" % self.USER) from None

    def start_session(self):
        self.c = self.reconnect()
        self.session_pid = self.house.session_of(
            "pop3-usher" if self.SERVICE == "pop3" else "imap-usher",
            self.c.sock)

    # -- what is there -------------------------------------------------------

    def state(self, c):
        """{folder: {UID: (number, flags)}}; every byte is looked at."""
        return {f: self.folder(c, f) for f in self.folders(c)}

    def folders(self, _c):
        return self.FOLDERS

    def folder(self, c, name):
        rows = b"\n".join(c.ok("SELECT " + name))
        self.house.note_validity(
            self.USER, name,
            int(re.search(rb"UIDVALIDITY (\d+)", rows)[1]),
            int(re.search(rb"UIDNEXT (\d+)", rows)[1]))
        found = {}
        for row in c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[])"):
            if b"BODY[]" not in row:
                continue
            uid = int(re.search(rb"UID (\d+)", row)[1])
            flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", row)[1]
                              .split()) - {b"\\Recent"}
            m = re.search(rb"\{(\d+)\}\r\n", row)
            stored = row[m.end():m.end() + int(m[1])]
            number = int(re.search(rb"^X-Number: (\d+)", stored, re.M)[1])
            if mail.original(stored) != content(number):
                raise Breach("UID %d: bytes differ" % uid)
            found[uid] = (number, flags)
        return found

    # -- one run -------------------------------------------------------------

    def begin(self):
        self.start_session()
        self.fill()
        self.before = self.state(self.c)
        self.c.ok("SELECT INBOX")
        self.prepare()
        self.answer = None

    def small(self):
        """A number whose mail is not large."""
        n = self.house.next_number()
        return n if n % 40 != 7 else self.house.next_number()

    def fill(self):
        """Some messages to work with."""
        have = self.folder(self.c, "INBOX")
        for _ in range(MESSAGES - len(have)):
            self.c.ok("APPEND INBOX (\\Seen) {}", content(self.small()))
        if len(have) > 4 * MESSAGES:
            self.c.ok("STORE %d:* +FLAGS.SILENT (\\Deleted)" % MESSAGES)
            self.c.ok("EXPUNGE")

    def prepare(self):
        """The first half, without a fault."""

    def command(self):
        """The change: (status, text) of its answer."""
        raise NotImplementedError

    def after(self, answer):
        """Is `state` what the change leads to? See check()."""
        raise NotImplementedError

    def act(self):
        self.since = self.house.bed.log_size()
        try:
            self.answer = self.command()
            time.sleep(QUIET_S)  # for its background work to be struck
            self.c.cmd("NOOP")
        except BROKEN as e:
            self.broken = repr(e)
            self.answer = self.answer or (b"", b"")

    def check(self, point, fired):
        status, text = self.answer
        if harmless(point) and status != b"OK":
            raise Breach("%s in %s is no reason for %r %r" % (
                point.fault, point.call, status, text))
        code = re.match(rb"\[([A-Z]*)", text)
        if status == b"NO" and code and code[1] not in NOT_OUR_FAULT:
            raise Breach("said %r" % text)
        for again in ("a second", "a third"):
            c = self.reconnect()
            now = self.state(c)
            c.close()
            self.compare(self.verdict(status), now, again)

    def verdict(self, status):
        """NO where the journal could not be made durable: it may be there,
        and is no promise."""
        if status == b"NO" and (self.REDONE or
                                "event=journal-sync" in self.log()):
            return b""
        return status

    def compare(self, status, now, which):
        changed = self.after(now)
        same = now == self.before
        good = changed if status == b"OK" else same if status == b"NO" \
            else changed or same
        if not good:
            raise Breach("%s session sees, after %r:\n%r\nbefore it was\n%r"
                         % (which, self.answer, now, self.before))

    def end(self):
        self.c.close()

    def without(self, *uids):
        return {u: m for u, m in self.before["INBOX"].items()
                if u not in uids}


class Append(Change):
    NAME = "append"

    def prepare(self):
        self.number = self.pick()

    def pick(self):
        return self.small()

    def command(self):
        status, text, _ = self.c.cmd("APPEND INBOX (\\Flagged) {}",
                                     content(self.number))
        return status, text

    def after(self, now):
        new = {u: m for u, m in now["INBOX"].items()
               if u not in self.before["INBOX"]}
        m = re.search(rb"APPENDUID \d+ (\d+)", self.answer[1])
        return {**self.before["INBOX"], **new} == now["INBOX"] and \
            list(new.values()) == [(self.number, {b"\\Flagged"})] and \
            (m is None or int(m[1]) in new)


class AppendLarge(Append):
    NAME = "append-large"

    def pick(self):
        n = self.house.next_number()
        while n % 40 != 7:
            n = self.house.next_number()
        return n


class Store(Change):
    NAME = "store"

    def command(self):
        self.uid = max(self.before["INBOX"])
        self.add = b"\\Answered"
        if self.add in self.before["INBOX"][self.uid][1]:
            self.add = b"k%d" % (self.house.next_number() % 8)
        return self.c.cmd(b"UID STORE %d +FLAGS.SILENT (\\Draft %s)" % (
            self.uid, self.add))[:2]

    def after(self, now):
        number, flags = self.before["INBOX"][self.uid]
        return now["INBOX"] == {
            **self.before["INBOX"],
            self.uid: (number, flags | {self.add, b"\\Draft"})}


class Expunge(Change):
    NAME = "expunge"

    def prepare(self):
        self.uids = sorted(self.before["INBOX"])[1:3]
        self.c.ok("UID STORE %d,%d +FLAGS.SILENT (\\Deleted)" %
                  tuple(self.uids))
        for u in self.uids:
            number, flags = self.before["INBOX"][u]
            self.before["INBOX"][u] = (number, flags | {b"\\Deleted"})

    def command(self):
        return self.c.cmd("EXPUNGE")[:2]

    def after(self, now):
        return now["INBOX"] == self.without(*self.uids)


class Move(Change):
    """Two messages to another mailbox: both are here, or both there."""

    NAME = "move"
    REDONE = True
    FOLDERS = ("INBOX", "Archive")
    VERB = "MOVE"

    def begin(self):
        self.start_session()
        self.c.cmd("CREATE Archive")
        self.c.close()
        super().begin()

    def command(self):
        self.uids = sorted(self.before["INBOX"])[:2]
        return self.c.cmd("UID %s %d,%d Archive" % (
            self.VERB, *self.uids))[:2]

    def rest(self):
        return self.without(*self.uids)

    def after(self, now):
        new = {u: m for u, m in now["Archive"].items()
               if u not in self.before["Archive"]}
        return now["INBOX"] == self.rest() and \
            now["Archive"] == {**self.before["Archive"], **new} and \
            [m for _, m in sorted(new.items())] == \
            [self.before["INBOX"][u] for u in self.uids]

    def end(self):
        super().end()
        if len(self.before["Archive"]) > 20:
            c = self.reconnect()
            c.ok("SELECT Archive")
            c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
            c.close()


class Copy(Move):
    NAME = "copy"
    REDONE = False
    VERB = "COPY"

    def rest(self):
        return self.before["INBOX"]


class Rename(Change):
    """A mailbox with mail in it gets another name, its UIDs stay."""

    NAME = "rename"
    REDONE = True

    def folders(self, c):
        rows = c.ok('LIST "" "Box*"')
        return ["INBOX"] + sorted(
            r.rsplit(b" ", 1)[1].strip(b'"').decode() for r in rows)

    def begin(self):
        self.start_session()
        if self.folders(self.c) == ["INBOX"]:
            self.c.ok("CREATE Box1")
            self.c.ok("APPEND Box1 (\\Flagged) {}", content(self.small()))
        self.c.close()
        super().begin()

    def command(self):
        self.old = next(f for f in self.before if f != "INBOX")
        self.new = "Box%d" % self.house.next_number()
        return self.c.cmd("RENAME %s %s" % (self.old, self.new))[:2]

    def after(self, now):
        want = dict(self.before)
        want[self.new] = want.pop(self.old)
        return now == want


class Create(Rename):
    """One mailbox is made, or deleted in the next run."""

    NAME = "create"

    def command(self):
        boxes = [f for f in self.before if f != "INBOX"]
        self.made = self.gone = None
        if len(boxes) > 1:
            self.gone = boxes[-1]
            return self.c.cmd("DELETE " + self.gone)[:2]
        self.made = "Box%d" % self.house.next_number()
        return self.c.cmd("CREATE " + self.made)[:2]

    def after(self, now):
        want = dict(self.before)
        if self.gone:
            del want[self.gone]
        else:
            want[self.made] = {}
        return now == want


class Fold(Change):
    """The journal behind a mailbox is folded into its records."""

    NAME = "fold"
    BURST = 400  # times MESSAGES: more than store/fold.c lets pass

    def prepare(self):
        flags = [b"$%d" % (n % 3) for n in range(self.BURST)]
        self.c.send(b"".join(b"x STORE 1:* %cFLAGS.SILENT (%s)\r\n" % (
            b"+-"[n // 3 % 2], f) for n, f in enumerate(flags)))
        for _ in flags:
            while not self.c.row().startswith(b"x "):
                pass
        self.before = self.state(self.c)

    def command(self):
        self.c.ok("UNSELECT")
        time.sleep(QUIET_S)
        return self.c.cmd("NOOP")[:2]

    def after(self, now):
        return now == self.before


class TakeIn(Change):
    """A mail in the drop box, taken in by the session: once."""

    NAME = "takein"

    def prepare(self):
        self.number = self.small()
        log = self.house.bed.log_size()
        to = self.house.bed.address(self.USER)
        until(lambda: self.house.send(self.number, to)[0] == 250, "250")
        until(lambda: "event=delivered" in self.house.bed.log_text(log),
              "the delivery")

    def command(self):
        return self.c.cmd("NOOP")[:2]

    def after(self, now):
        new = {u: m for u, m in now["INBOX"].items()
               if u not in self.before["INBOX"]}
        return now["INBOX"] == {**self.before["INBOX"], **new} and \
            list(new.values()) == [(self.number, frozenset())]

    def compare(self, status, now, which):
        # The mail was taken for delivery, so it is there now, in any case.
        super().compare(b"OK", now, which)


class Open(Change):
    """Login and SELECT; the fault strikes who lets the user in."""

    NAME = "login"
    TARGETS = ("auth", "imapd", "imap-usher")
    USER = "u4"

    def pid(self):
        return self.house.pid_of(self.target)

    def begin(self):
        self.start_session()
        self.fill()
        self.before = self.state(self.c)
        self.c.close()
        self.answer = None

    def command(self):
        bed = self.house.bed
        a = bed.address(self.USER)
        self.c = Imap(bed.host, bed.port("imap"), wait=20)
        status, text, _ = self.c.cmd('LOGIN "%s" "%s"' % (
            a, bed.accounts()[a]))
        if status == b"OK":
            status, text, _ = self.c.cmd("SELECT INBOX")
        return status, text

    def after(self, now):
        return now == self.before

    def compare(self, status, now, which):
        super().compare(b"OK", now, which)


class First(Open):
    """Login of a user for whom no process waits: it is forked. The first
    time ever it makes the mailboxes, too."""

    NAME = "first-login"
    TARGETS = ("imap-usher",)
    turn = 0

    def begin(self):
        First.turn += 1
        self.USER = "u%d" % NEWCOMERS[First.turn % len(NEWCOMERS)]
        self.before = {"INBOX": {}}
        self.answer, self.c = None, None

    def act(self):
        super().act()
        if self.answer[0] == b"OK":
            self.look_at_session()

    def look_at_session(self):
        try:
            self.check_privileges(self.house.session_of(
                "imap-usher", self.c.sock))
        except (TimeoutError, OSError):
            pass  # struck since

    def check_privileges(self, pid):
        """It is the user's, and may nothing else."""
        s = procs.status(pid)
        uid = str(self.house.uid_of(self.USER))
        if s and (s["Uid"].split() != [uid] * 4 or s["Seccomp"] != "2" or
                  s["NoNewPrivs"] != "1" or s["Groups"].split() or
                  any(int(s[c], 16) for c in ("CapPrm", "CapEff", "CapInh"))):
            raise Breach("the session runs with %r" % s)

    def end(self):
        if self.c:
            self.c.close()


class PopQuit(Change):
    """RETR and DELE, and QUIT makes it so."""

    NAME = "pop3"
    USER = "u5"

    def begin(self):
        self.start_session()
        self.fill()
        self.before = self.state(self.c)
        self.c.close()
        self.CLIENT, self.SERVICE = Pop3, "pop3"
        self.start_session()
        self.CLIENT, self.SERVICE = Imap, "imap"
        self.answer = None

    def command(self):
        self.uid = min(self.before["INBOX"])
        stored = self.c.retrieve(1)
        number = self.before["INBOX"][self.uid][0]
        if mail.original(stored) != content(number):
            raise Breach("RETR: bytes differ")
        self.c.ok("DELE 1")
        good, text = self.c.cmd("QUIT")
        return (b"OK" if good else b"NO"), text.encode()

    def act(self):
        self.since = self.house.bed.log_size()
        try:
            self.answer = self.command()
        except BROKEN as e:
            self.broken = repr(e)
            self.answer = (b"", b"")

    def seen(self, state):
        """POP3 marks what it gave out; that is not looked at here."""
        return {u: m for u, (m, _) in state["INBOX"].items()}

    def compare(self, status, now, which):
        now, before = self.seen(now), self.seen(self.before)
        rest = {u: m for u, m in before.items() if u != self.uid}
        allowed = [rest] if status == b"OK" else [rest, before]
        if now not in allowed:
            raise Breach("%s session sees, after %r:\n%r\nbefore it was\n%r"
                         % (which, self.answer, now, before))


ALL = [Append, AppendLarge, Store, Expunge, Move, Copy, Rename, Create,
       Fold, TakeIn, Open, First, PopQuit]
