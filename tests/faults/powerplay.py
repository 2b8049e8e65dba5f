"""One scenario, cut at a step: what powercut and test_power run.

A Ledger knows what clients were told; a View is what they find afterwards.
check() holds the one against the other: the promises S1 to S6 and M1 to M6.
"""

import copy
import os
import random
import re
import signal
import threading
import time
import traceback

from libwm import mail, paths, procs, steps
from libwm.case import BAD_SIGNS
from libwm.follow import Follow, until
from libwm.load import BROKEN, content
from libwm.power import Disk
from libwm.testbed import (Testbed, TestbedError, signal_quietly,
                           wait_gone)
from libwm.wire import Imap, Smtp, WireError

ACT_S = 60 * paths.PATIENCE  # a scenario takes no longer
SETTLE_S = 30 * paths.PATIENCE
CONFIG = ("queue-segment-size = 4194304\nqueue-disk-reserve = 1048576\n"
          "relay-connect-timeout = 5\nrelay-timeout = 10\n")
GONE = (*BROKEN, TestbedError, TimeoutError)


class Cut(Exception):
    """The power was cut while the scenario was at work."""


class Breach(AssertionError):
    """A promise was not kept."""


def require(good, text, *more):
    if not good:
        raise Breach(text % more if more else text)


# -- what they find -----------------------------------------------------------

class Box:
    """A mailbox as a client sees it."""

    def __init__(self, c, name):
        rows = b"\n".join(c.ok('SELECT "%s"' % name))
        self.validity = int(re.search(rb"UIDVALIDITY (\d+)", rows)[1])
        self.uidnext = int(re.search(rb"UIDNEXT (\d+)", rows)[1])
        count = int(re.search(rb"\* (\d+) EXISTS", rows)[1])
        self.mails = {}  # uid: (number or None, flags)
        self.texts = {}  # uid: content of what has no number
        for row in c.ok("UID FETCH 1:* (UID FLAGS RFC822.SIZE BODY.PEEK[])") \
                if count else ():
            self.add(row)
        require(len(self.mails) == count, "%s: %d messages, %d fetched",
                name, count, len(self.mails))
        if self.mails:
            require(max(self.mails) < self.uidnext, "UID not under UIDNEXT")

    def add(self, row):
        if b"BODY[" not in row:
            return  # flags of what was just taken in
        head, _, text = row.partition(b"BODY[] {")
        size, _, text = text.partition(b"}\r\n")
        after = text[int(size):]
        text = text[:int(size)]
        uid = int(re.search(rb"UID (\d+)", head + after)[1])
        flags = re.search(rb"FLAGS \(([^)]*)\)", head + after)[1]
        said = int(re.search(rb"RFC822.SIZE (\d+)", head + after)[1])
        require(said == len(text), "RFC822.SIZE %d, %d bytes", said,
                len(text))
        m = re.search(rb"^X-Number: (\d+)$",
                      text.partition(b"\r\n\r\n")[0].replace(b"\r", b""),
                      re.M)
        number = int(m[1]) if m else None
        if number is None:
            self.texts[uid] = text
        else:
            require(mail.original(text) == content(number),
                    "mail %d: bytes differ", number)
        require(uid not in self.mails, "UID %d twice", uid)
        self.mails[uid] = (number, frozenset(
            flags.decode().split()) - {"\\Recent"})


class View:
    """All mailboxes of some users."""

    def __init__(self, ledger, users):
        self.boxes = {}
        self.subscribed = {}
        for user in users:
            with ledger.imap(user) as c:
                for name in names_of(c.ok('LIST "" "*"')):
                    self.boxes[user, name] = Box(c, name)
                self.subscribed[user] = set(names_of(c.ok('LSUB "" "*"')))
                c.ok("LOGOUT")

    def find(self, user, number):
        """[(mailbox, uid, flags)] of a mail."""
        return [(name, uid, flags)
                for (u, name), box in self.boxes.items() if u == user
                for uid, (n, flags) in box.mails.items() if n == number]

    def names(self, user):
        return {name for u, name in self.boxes if u == user}

    def dsns(self, user):
        return [t for (u, _), box in self.boxes.items() if u == user
                for t in box.texts.values()]


def names_of(rows):
    return [re.search(rb'"([^"]*)"$|(\S+)$', row).group(0).strip(
        b'"').decode() for row in rows
        if row.startswith((b"* LIST", b"* LSUB")) and b"\\Noselect" not in row]


# -- what they were told ------------------------------------------------------

class Ledger:
    """Grows while a scenario runs; a copy of it belongs to each run."""

    def __init__(self, bed):
        self.bed = bed
        self.taken = {}     # number: users; answered with 250 or OK
        self.unknown = {}   # number: users; no answer was seen
        self.removed = set()   # (user, number) that may be gone
        self.copied = set()    # numbers that may be there more than once
        self.remote = {}    # number: True when taken, for elsewhere
        self.bounced = {}   # number: local sender
        self.uids = {}      # (user, mailbox, validity): {uid: number}
        self.uidnext = {}   # (user, mailbox, validity): highest told
        self.validity = {}  # (user, mailbox): as long as it is that one
        self.promises = {}  # name: predicate of a View
        self.acks = 0
        self.stop_at = None
        self.at_ack = threading.Event()
        self.over = threading.Event()

    def __deepcopy__(self, memo):
        new = Ledger(self.bed)
        for name in ("taken", "unknown", "removed", "copied", "remote",
                     "bounced", "uids", "uidnext", "validity"):
            setattr(new, name, copy.deepcopy(getattr(self, name), memo))
        new.promises = dict(self.promises)
        return new

    def ack(self):
        """The server has said so, and it is in the ledger."""
        self.acks += 1
        if self.acks == self.stop_at:
            self.at_ack.set()
            self.over.wait(ACT_S)
            raise Cut()

    def log_wait(self, log, pattern, count=1):
        end = time.monotonic() + ACT_S
        while True:
            if self.over.is_set():
                raise Cut()
            try:
                return log.wait(pattern, count, 0.3)
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    # -- clients -------------------------------------------------------------

    def imap(self, user, select=None):
        c = Imap(self.bed.host, self.bed.port("imap"), wait=SETTLE_S)
        try:
            a = self.bed.address(user)
            c.login(a, self.bed.accounts().get(a, "pw"))
            if select:
                self.see_select(user, select, c.ok('SELECT "%s"' % select))
        except BaseException:
            c.close()
            raise
        return c

    def see_select(self, user, name, rows):
        rows = b"\n".join(rows)
        key = user, name
        self.validity[key] = int(re.search(rb"UIDVALIDITY (\d+)", rows)[1])
        self.see_next(user, name, int(re.search(rb"UIDNEXT (\d+)", rows)[1]))

    def see_next(self, user, name, uidnext):
        key = (user, name, self.validity[user, name])
        self.uidnext[key] = max(self.uidnext.get(key, 0), uidnext)

    def see_uid(self, user, name, uid, number):
        key = (user, name, self.validity[user, name])
        self.uids.setdefault(key, {})[uid] = number
        self.see_next(user, name, uid + 1)

    def smtp(self):
        s = Smtp(self.bed.host, self.bed.port("smtp"))
        s.ehlo()
        return s

    def send(self, s, number, users, sender="load@example.org"):
        """To local users."""
        self.unknown[number] = users
        code, text = s.mail(sender, [self.bed.address(u) for u in users],
                            content(number))
        if code == 250:
            self.taken[number] = self.unknown.pop(number)
            self.ack()
        elif code // 100 == 5 or not 400 <= code < 500:
            raise Breach("mail %d: %d %s" % (number, code, text))

    def send_away(self, s, number, recipient, sender="load@example.org"):
        self.remote[number] = False
        code, _ = s.mail(sender, [recipient], content(number))
        if code == 250:
            self.remote[number] = True
            self.ack()

    def append(self, c, user, name, number, flags=""):
        self.unknown[number] = [user]
        status, text, _ = c.cmd('APPEND "%s" (%s) {}' % (name, flags),
                                content(number))
        if status != b"OK":
            return
        m = re.search(rb"APPENDUID (\d+) (\d+)", text)
        self.validity[user, name] = int(m[1])
        self.see_uid(user, name, int(m[2]), number)
        self.taken[number] = self.unknown.pop(number)
        want = set(flags.split())
        self.promises["append %d" % number] = lambda v: [
            (n, u) for n, u, f in v.find(user, number) if want <= f] == [
                (name, int(m[2]))]
        self.ack()


# -- promise against find -----------------------------------------------------

def check_uids(ledger, view):
    """M2: UIDs are never given a second time, nor changed."""
    for (user, name), box in view.boxes.items():
        known = ledger.validity.get((user, name))
        require(known in (None, box.validity),
                "%s %s: UIDVALIDITY %s is now %d", user, name, known,
                box.validity)
        key = (user, name, box.validity)
        require(box.uidnext >= ledger.uidnext.get(key, 0),
                "%s %s: UIDNEXT %d, was %d", user, name, box.uidnext,
                ledger.uidnext.get(key, 0))
        for uid, number in ledger.uids.get(key, {}).items():
            if uid in box.mails:
                require(box.mails[uid][0] == number,
                        "%s %s: UID %d was mail %s, is %s", user, name, uid,
                        number, box.mails[uid][0])


def check_mails(ledger, view, users):
    """S2, S3, M1, M3: taken mail exactly once, other mail at most once."""
    for number, to in ledger.taken.items():
        for user in to:
            found = view.find(user, number)
            require(len(found) <= 1 or number in ledger.copied,
                    "mail %d for %s: %r", number, user, found)
            require(found or (user, number) in ledger.removed,
                    "mail %d for %s is lost", number, user)
    for (user, name), box in view.boxes.items():
        for uid, (number, _) in box.mails.items():
            if number is None:
                continue
            to = ledger.taken.get(number) or ledger.unknown.get(number)
            require(to and user in to, "%s %s: UID %d is mail %d, whose?",
                    user, name, uid, number)
    for number, to in ledger.unknown.items():
        for user in to:
            if user in users:
                require(len(view.find(user, number)) <= 1,
                        "mail %d for %s twice, was never taken", number,
                        user)


def complete(ledger, view):
    """Has everything arrived that was taken?"""
    return all(view.find(user, n) for n, to in ledger.taken.items()
               for user in to if (user, n) not in ledger.removed)


def left_over(bed):
    """Files of mails, when the queue has none."""
    spool = bed.path("state", "spool")
    found = []
    for sub in ("deferred", "large", "corrupt"):
        for top, _, names in os.walk(os.path.join(spool, sub)):
            found += [os.path.join(top, n) for n in names]
    return found


# -- a run --------------------------------------------------------------------

class Play:
    """A scenario on a file system of its own. Private mounts are needed."""

    def __init__(self, tmp, fs, scenario):
        self.tmp = tmp
        self.fs = fs
        self.scenario = scenario
        self.bed = Testbed(os.path.join(tmp, "suite"))
        self.disk = Disk(tmp, fs, [self.bed.path("state"),
                                   self.bed.path("tables")])
        self.base = None
        self.ledger = None
        self.log_from = 0
        self.missed = False
        self.stop = None

    def set_up(self):
        self.disk.make()
        self.bed.up(users=3, cleartext=True,
                    config=CONFIG + "queue-retry-min = %d\n"
                    "queue-retry-max = %d\n" % self.scenario.retry +
                    self.scenario.config())
        self.base = Ledger(self.bed)
        self.scenario.play = self
        self.scenario.set_up(self.base)
        if self.scenario.crashed:
            os.sync()
            self.bed.kill_all()
        else:
            self.bed.down()
        self.disk.save("template")

    def tear_down(self):
        self.scenario.close()
        if self.bed.options:
            self.bed.kill_all()
        self.disk.remove()

    def empty(self, path):
        """Remove what lies in a directory of the disk, for good."""
        for top, names, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(os.path.join(top, name))
            for name in names:
                os.rmdir(os.path.join(top, name))
        os.sync()

    def pids(self, target):
        return procs.daemons(self.bed.pid())[target]

    def begin(self):
        """As it was after set_up(), and running."""
        self.bed.kill_all()
        self.disk.take_back("template")
        self.ledger = copy.deepcopy(self.base)
        self.log_from = self.bed.log_size()
        self.scenario.begin(self.ledger)
        if not self.scenario.starts_it:
            self.bed.start()

    def actor(self, wrap=()):
        """The scenario in a thread; (thread, descriptor, [error])."""
        reader, writer = os.pipe()
        error = []
        ledger = self.ledger

        def work():
            try:
                self.scenario.act(ledger, wrap)
            except Cut:
                pass
            except GONE as e:
                if not ledger.over.is_set():
                    error.append(traceback.format_exc())
                del e
            except BaseException:
                error.append(traceback.format_exc())
            finally:
                os.close(writer)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread, reader, error

    def steps(self):
        """All steps of the scenario, and how many acknowledgements."""
        found = []
        for target, by_thread in self.scenario.targets:
            self.begin()
            wraps = target in ("start", "command")
            record = steps.Record(target, self.disk.places,
                                  () if wraps else self.pids(target),
                                  by_thread)
            thread, reader, error = self.actor(
                record.wrap() if wraps else ())
            thread.join(ACT_S)
            os.close(reader)
            if error or thread.is_alive():
                raise RuntimeError("%s does not work: %s\n%s" % (
                    self.scenario.name, "".join(error),
                    self.bed.log_tail(10)))
            if self.scenario.quiet_s:
                time.sleep(self.scenario.quiet_s)  # background work
            if wraps and target == "start":
                self.bed.kill_all()
            found += record.end()
            acks = self.ledger.acks
        self.bed.kill_all()
        return found + [steps.Step("client", steps.ANY, "ack", n + 1)
                        for n in range(acks)]

    def run_to(self, step):
        """Start and go on to the step. The suite is stopped or over."""
        self.begin()
        self.missed = False
        stop = None
        wraps = step.target in ("start", "command")
        if step.call == "ack":
            self.ledger.stop_at = step.number
        elif step.call != "ms":
            stop = steps.Stop(step, self.tmp,
                              () if wraps else self.pids(step.target))
        self.stop = stop
        thread, reader, error = self.actor(stop.wrap() if wraps else ())
        try:
            if stop is not None:
                self.missed = not stop.wait(reader, ACT_S)
                if self.missed and self.scenario.quiet_s:
                    self.wait_quiet(stop)
            elif step.call == "ms":
                # The moment is what is random here.
                time.sleep(step.number / 1000)
            else:
                while not self.ledger.at_ack.wait(0.02):
                    self.missed = not thread.is_alive()
                    if self.missed:
                        break
            if error:
                raise Breach("before the cut: " + error[0])
        except BaseException:
            self.ledger.over.set()
            raise
        finally:
            os.close(reader)
        return thread

    def wait_quiet(self, stop):
        """Background work goes on when the client is content."""
        reader, writer = os.pipe()
        try:
            self.missed = not stop.wait(reader, self.scenario.quiet_s)
        except TimeoutError:
            pass
        finally:
            os.close(reader)
            os.close(writer)

    def freeze(self):
        pid = self.bed.pid()
        for p in ([pid] if pid else []) + sorted(
                self.bed.processes()) + self.commands():
            signal_quietly(p, signal.SIGSTOP)

    def kill_commands(self):
        """The one who runs them waits for our own children."""
        todo = self.commands()
        for p in todo:
            signal_quietly(p, signal.SIGKILL)
        for p in todo:
            s = procs.status(p)
            if s and int(s["PPid"]) != os.getpid():
                wait_gone(p, ACT_S)

    def commands(self):
        """Programs for the administrator that a client of ours runs."""
        return [p for p in procs.children_of(os.getpid())
                if self.bed.conf in procs.command(p)]

    def cut_at(self, step, torn, seed):
        """The whole of it; raises Breach."""
        thread = self.run_to(step)
        if torn:
            self.freeze()
        self.disk.cut(seed if torn else None)
        self.ledger.over.set()
        self.ledger.stop_at = None
        self.bed.kill_all()
        self.kill_commands()
        if self.stop is not None:
            self.stop.end()
            self.stop = None
        thread.join(ACT_S)
        require(not thread.is_alive(), "a client hangs")
        self.disk.restore_power(seed if torn else None)
        self.recover()

    def recover(self):
        try:
            self.scenario.power_is_back()
            self.bed.start()
            self.check()
            self.scenario.probe(self.ledger)
            self.bed.down()
        except (TimeoutError, TestbedError, WireError, EOFError,
                OSError) as e:
            raise Breach("service did not come back: %s: %s" % (
                type(e).__name__, e)) from e
        bad = BAD_SIGNS.search(self.bed.log_text(self.log_from))
        require(not bad, "in the log: %s", bad and bad[0])

    def check(self):
        users = self.scenario.users
        view = self.settle(users)
        check_uids(self.ledger, view)
        check_mails(self.ledger, view, users)
        for name, kept in self.ledger.promises.items():
            require(kept(view), "not kept: " + name)
        self.scenario.check(self.ledger, view)
        try:
            until(lambda: not left_over(self.bed), "", 20)
        except TimeoutError:
            raise Breach("left over: %r" % left_over(self.bed)) from None

    def settle(self, users):
        """Wait until what was taken is there; the View then."""
        end = time.monotonic() + SETTLE_S  # from the last arrival on
        wait = 0.02
        idle = False
        seen = 0
        while True:
            try:
                view = View(self.ledger, users)
                if complete(self.ledger, view) and \
                        self.scenario.settled(self.ledger, view):
                    return view
                if self.scenario.arrivals(view) != seen:
                    seen = self.scenario.arrivals(view)
                    end = time.monotonic() + SETTLE_S
            except (*BROKEN, TimeoutError):
                if time.monotonic() > end:
                    raise
                view = None
            if time.monotonic() > end or (idle and view is not None):
                return view
            idle = self.idle()  # then what is missing does not come
            time.sleep(wait)
            wait = min(0.5, wait * 2)


    def idle(self):
        """Has the queue nothing to do any more?"""
        listed = self.bed.wemmick("--json", "queue", "list", check=False)
        return listed.returncode == 0 and \
            listed.stdout.strip() in ("", "[]")


def follow(bed):
    return Follow(bed.log)


def pick(all_steps, count, seed):
    """Some of the steps: every call of every target first."""
    rng = random.Random(seed)
    groups = {}
    for s in all_steps:
        groups.setdefault((s.target, s.thread, s.call), []).append(s)
    order = list(groups.values())
    rng.shuffle(order)
    for g in order:
        rng.shuffle(g)
    chosen = []
    while order and len(chosen) < count:
        for g in order:
            chosen.append(g.pop())
        order = [g for g in order if g]
    return chosen[:count]
