"""Every process attacks from where it stands, with what it has.

The programs are those of the build, linked with an attacker (tests/attack).
Who may do what and who may talk to whom is what master prints of its table.
"""

import os
import threading
import unittest

from libwm import attack, mail, paths, procs
from libwm.attack import KILLED, NOSYS, OWN, REFUSED
from libwm.case import SuiteCase
from libwm.faults import EVERYTHING
from libwm.follow import until
from libwm.testbed import wait_gone
from libwm.wire import Imap, Pop3, WireError

BAD_CALL = ("Bad system call", "31")
# Each process tries a third of what ends it, another third each run.
SHARE = 1 if EVERYTHING else 3
# A peer that reads nothing may cost a full queue of answers (OUT_MAX).
FLOODED_KIB = 160 * 1024
SESSIONS = {"imap-session": ("imap", Imap, "imap-usher", "u2"),
            "pop3-session": ("pop3", Pop3, "pop3-usher", "u3")}


def setUpModule():
    if paths.sanitized():
        raise unittest.SkipTest("sanitizers run without the walls")
    os.environ["WM_BUILD"] = attack.build()


class AttackCase(SuiteCase):
    """A suite of attackers that do nothing until they are told."""

    OPTIONS = {"cleartext": True, "users": 3}
    CRASHES_EXPECTED = True
    TIMEOUT = 600

    @classmethod
    def config(cls):
        return "workers = 1\n"

    @classmethod
    def setUpClass(cls):
        cls.table = attack.Table()
        super().setUpClass()
        cls.watch = attack.Watch(cls.bed.log)
        cls.addClassCleanup(cls.watch.stop)
        cls.lives = threading.local()

    def pid(self, kind):
        """The living process of that kind."""
        return self.watch.wait(
            lambda: self.watch.pids.get(kind) not in self.watch.ends and
            self.watch.pids.get(kind), kind)

    def in_threads(self, run, items):
        """run(item) for all at once; what fails fails the test."""
        wrong = []

        def one(item):
            try:
                run(item, wrong)
            except Exception as e:  # pylint: disable=W0718
                wrong.append("%s: %r" % (item, e))
        threads = [threading.Thread(target=one, args=(i,)) for i in items]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def mail_passes(self):
        """Everybody works: a mail comes in, is delivered and read."""
        def tried():
            try:
                self.empty("estella")
                self.send(mail.make(9), to="estella")
                return self.originals("estella") == [mail.make(9)]
            except (OSError, EOFError, AssertionError, ValueError):
                return False
        until(tried, "mail to pass", step=0.3)


class Calls(AttackCase):
    """System calls, files, sockets, processes."""

    def chosen(self, kind, rank):
        """The attempts of this process and what must come of them."""
        lethal = 0
        for a in self.table.attempts:
            wanted = self.table.expected(kind, a)
            if a.name == "shut-listener":
                continue
            if wanted == KILLED:
                lethal += 1
                if (lethal + rank + os.getpid()) % SHARE:
                    continue
            yield a, wanted

    def judge(self, kind, a, wanted, result, wrong):
        good = {KILLED: result in [KILLED + " by " + s for s in BAD_CALL],
                NOSYS: result == "ENOSYS",
                OWN: not result.startswith(KILLED),
                REFUSED: not result.startswith(KILLED) and
                result != "worked"}[wanted]
        if not good:
            wrong.append("%s, %s: %s, not %s" % (
                kind, a.name, result, wanted))

    def test_nothing_of_it_is_in_the_build(self):
        ours = paths.build_dir()
        for name in os.listdir(os.path.join(ours, "bin")):
            for where, there in ((ours, True), (os.path.dirname(ours),
                                                False)):
                if there and os.path.islink(os.path.join(ours, "bin", name)):
                    continue
                with open(os.path.join(where, "bin", name), "rb") as f:
                    text = f.read()
                self.assertEqual(b"event=attack" in text or
                                 b"WM_ATTACK_TABLE" in text, there, name)

    def test_daemons(self):
        kinds = sorted(self.table.services)

        def run(kind, wrong):
            other = "queue" if kind != "queue" else "router"
            for a, wanted in self.chosen(kind, kinds.index(kind)):
                pid = self.pid(kind)
                attack.trigger(pid, a.number, 0, self.pid(other))
                self.judge(kind, a, wanted,
                           self.watch.outcome(pid, a.name), wrong)
        self.in_threads(run, kinds)
        self.assertTrue(self.bed.pid(), "master is gone")
        self.mail_passes()

    def login(self, kind):
        """A client, and the process that serves it."""
        service, client, usher, user = SESSIONS[kind]
        pid = self.pid(usher)
        if self.children(pid):
            return None  # one that waits would be taken again
        c = client(self.bed.host, self.bed.port(service), tls=None)
        try:
            if client is Imap:
                c.login(self.bed.address(user), "pw")
            else:
                c.ok("USER " + self.bed.address(user))
                c.ok("PASS pw")
        except (OSError, EOFError, WireError):
            c.close()
            raise
        # It may be the next usher already, of which we have not heard yet.
        return c, until(lambda: self.children(self.pid(usher)), kind)[0]

    @staticmethod
    def children(pid):
        try:
            with open(f"/proc/{pid}/task/{pid}/children",
                      encoding="ascii") as f:
                return [int(w) for w in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            return []

    def session(self, kind):
        def tried():
            try:
                return self.login(kind)
            except (OSError, EOFError, WireError):
                return None
        return until(tried, "a session", step=0.01)

    def test_sessions(self):
        def run(kind, wrong):
            c, pid = self.session(kind)
            for a, wanted in self.chosen(kind, len(kind)):
                attack.trigger(pid, a.number, 0, self.pid("auth"))
                result = self.watch.outcome(pid, a.name)
                self.judge(kind, a, wanted, result, wrong)
                if result.startswith(KILLED):
                    c.close()
                    wait_gone(pid, 10)
                    c, pid = self.session(kind)
            c.close()
        self.in_threads(run, sorted(SESSIONS))
        self.mail_passes()


class OutOfTurn(AttackCase):
    """Messages that are not one's to send, and nonsense that is."""

    def snapshot(self):
        return {k: self.pid(k) for k in self.table.services}

    def violations(self):
        """{(sender, receiver): types} that receivers complained of."""
        found = {}
        for program, _, f in self.watch.lines:
            if f["event"] == "ipc-violation":
                found.setdefault((f["peer"], program), set()).add(
                    int(f["type"]))
        return found

    def talk(self, whom):
        """Everybody says everything to the peers on one side of it."""
        def victims(kind):
            n = self.table.numbers
            return [p for p in self.table.peers(kind)
                    if (n[p] > n[kind]) == (whom == attack.HIGHER)]

        wanted = {(k, p) for k in self.table.services for p in victims(k)}
        for kind in self.table.services:
            attack.trigger(self.pid(kind), attack.TALK, whom)

        def over():
            done = {(program, f["peer"]) for program, _, f in
                    self.watch.lines if f["event"] == "attack-talked"}
            return wanted <= done
        self.watch.wait(over, "the end of the talk", 200)
        return wanted

    def test_peers(self):
        before = self.snapshot()
        pairs = self.talk(attack.HIGHER) | self.talk(attack.LOWER)
        heard = self.violations()
        for sender, receiver in sorted(pairs):
            for m in self.table.messages:
                if self.table.may_send(m, sender, receiver):
                    continue
                with self.subTest(sender=sender, to=receiver, what=m.name):
                    self.assertIn(m.number, heard[sender, receiver])
        self.assertEqual(before, self.snapshot(), "somebody died of it")
        self.mail_passes()

    def test_floods(self):
        """What is allowed, as often as it goes, and no answer read."""
        before = self.snapshot()

        def run(kind, wrong):
            for peer in self.table.peers(kind) + ["master"]:
                for m in self.table.messages:
                    if not self.table.may_send(m, kind, peer) or \
                            (m.number + os.getpid()) % SHARE:
                        continue
                    pid = self.pid(kind)
                    told = len(self.watch.results.get(pid, ()))
                    attack.trigger(pid, attack.FLOOD, m.number,
                                   self.table.numbers[peer])
                    self.watch.wait(lambda: len(self.watch.results.get(
                        pid, ())) > told or pid in self.watch.ends,
                        "the end of a flood", 200)
                    if pid in self.watch.ends:
                        wrong.append("%s to %s, %s: %s" % (
                            kind, peer, m.name, self.watch.ends[pid]))
        self.in_threads(run, sorted(self.table.services))
        self.assertEqual(before, self.snapshot(), "somebody died of it")
        for kind, pid in [*before.items(), ("master", self.bed.pid())]:
            kib = int(procs.status(pid)["VmHWM"].split()[0])
            self.assertLess(kib, FLOODED_KIB, kind)
        # What they said is believed as long as they live: INTAKE_STATE is
        # queue's to say. With them it ends.
        for pid in before.values():
            os.kill(pid, 9)
        self.mail_passes()

    def test_master(self):
        """A daemon that breaks the rules towards master is ended."""
        kinds = sorted(self.table.services)
        master = self.bed.pid()
        wrong = [m for m in self.table.messages
                 if not m.receivers & 1 or not m.senders & 2]

        def run(kind, failed):
            mine = wrong[kinds.index(kind) % SHARE::SHARE]
            for number in [0] + [m.number for m in mine]:
                pid = self.pid(kind)
                attack.trigger(pid, attack.MASTER, number)
                end = self.watch.wait(lambda p=pid: self.watch.ends.get(p),
                                      "the end of " + kind)
                if end != "Killed":
                    failed.append("%s, %d: %s" % (kind, number, end))
        self.in_threads(run, kinds)
        self.assertEqual(master, self.bed.pid())
        self.mail_passes()

    def test_who_ignores_the_end_is_ended_all_the_same(self):
        for kind in ("smtpd", "imap-usher"):
            pid = self.pid(kind)
            attack.trigger(pid, attack.DEAF)
            self.assertEqual(self.watch.outcome(pid, "deaf"), "worked")
            attack.trigger(pid, attack.MASTER, 0)
            self.assertTrue(wait_gone(pid, 10))
        self.mail_passes()

    def test_listener_that_was_shut_listens_again(self):
        number = next(a.number for a in self.table.attempts
                      if a.name == "shut-listener")
        pid = self.pid("smtpd")
        attack.trigger(pid, number)
        self.assertEqual(self.watch.outcome(pid, "shut-listener"), "worked")
        with self.assertRaises(OSError):
            self.smtp(ehlo=False)
        os.kill(pid, 9)
        self.watch.wait(lambda: any(
            f["event"] == "listener-revived" for _, _, f in
            self.watch.lines), "master to listen again")
        self.mail_passes()
