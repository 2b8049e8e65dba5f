"""Processes that vanish, hang, crash again and again, or get no room."""

import os
import resource
import shutil
import signal
import socket
import time

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.faults import Cgroup, cpu_s, full, in_full
from libwm.follow import until
from libwm.load import BROKEN, Load
from libwm.testbed import alive, signal_quietly, wait_gone
from libwm.wire import Imap, Pop3, Smtp, plain

USERS = ["u1", "u2", "u3", "u4"]


class ProcessCase(SuiteCase):
    """What the tests of processes share."""

    OPTIONS = {"users": 4}

    def pids(self, kind):
        return procs.daemons(self.bed.pid())[kind]

    def signal_all(self, kind, number):
        for pid in self.pids(kind):
            os.kill(pid, number)

    def frozen(self, kind):
        """Stop a kind of daemon; it goes on at the end of the test."""
        pids = self.pids(kind)
        for pid in pids:
            self.addCleanup(self.thaw, pid)
            os.kill(pid, signal.SIGSTOP)
        return pids

    @staticmethod
    def thaw(pid):
        if alive(pid):
            os.kill(pid, signal.SIGCONT)

    def kill_until_throttled(self, kind, times=7):
        """Kill it each time it is back; then master waits 3 s or so."""
        for _ in range(times):
            # with an usher's sessions, which are master's when it is gone
            for pid in until(lambda: self.pids(kind), kind):
                signal_quietly(pid, signal.SIGKILL)
                self.assertTrue(wait_gone(pid, 10))

    def front_answers(self):
        """What a login gets on each of the three: (454, NO …, -ERR …)."""
        user, password = self.credentials("pip")
        s = self.client(Smtp, "submissions", tls=self.tls)
        s.ehlo()
        code, text = s.cmd("AUTH PLAIN " + plain(user, password))
        i = self.client(Imap, "imaps", tls=self.tls)
        status, said, _ = i.cmd('LOGIN "%s" "%s"' % (user, password))
        p = self.client(Pop3, "pop3s", tls=self.tls)
        p.ok("USER " + user)
        good, why = p.cmd("PASS " + password)
        for c in (s, i, p):
            c.close()
        return ((code, text[:5]), (status, said.split(b" ")[0]),
                (good, why.split(" ")[0]))

    def all_well(self):
        """A mail goes in, and comes out by both doors."""
        self.empty("estella")
        self.send(mail.make(77), to="estella")
        self.assertEqual(self.originals("estella"), [mail.make(77)])
        c = self.imap("estella", select="INBOX")
        c.ok("NOOP")
        c.close()

    def soon_well(self):
        def well():
            try:
                self.all_well()
                return True
            except (*BROKEN, AssertionError):
                return False
        until(well, "all to be well", step=0.2)


class QueueWithMuch(ProcessCase):
    """kill -9 of queue with thousands of deliveries before it."""

    MANY = 50
    OPTIONS = {"users": MANY}
    TIMEOUT = 600

    def test_kill_with_thousands_active_is_exactly_once(self):
        mails = full(200, 40)
        stopped = self.frozen("deliver")
        everybody = ["u%d@example.test" % (i + 1) for i in range(self.MANY)]
        s = self.smtp()
        for n in range(mails):
            code, text = s.mail("a@b.example", everybody, mail.make(n))
            self.assertEqual(code, 250, text)
        log = self.follow()
        pid = self.pids("queue")[0]
        os.kill(pid, signal.SIGKILL)
        began = time.monotonic()
        log.wait(r"event=started proc=queue")
        self.assertLess(time.monotonic() - began, 5 * paths.PATIENCE)
        for p in stopped:
            self.thaw(p)
        log.wait(r"event=done|event=delivered", mails, 300)
        for i in range(self.MANY):
            until(lambda u="u%d" % (i + 1): self.numbers(u) ==
                  list(range(mails)), "each mail once", 120, 0.3)

    def numbers(self, user):
        """Sorted X-Numbers of an INBOX; a second copy shows."""
        c = self.imap(user, select="INBOX")
        rows = c.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Number)]")
        c.close()
        return sorted(int(r.split(b"X-Number: ")[1].split()[0])
                      for r in rows if b"X-Number: " in r)


class AwayAndHung(ProcessCase):
    """One daemon is away or does not move: the others carry on."""

    TIMEOUT = 300

    def test_auth_killed_is_said_as_temporary(self):
        self.kill_until_throttled("auth")
        got = self.front_answers()
        self.assertEqual(got[0], (454, "4.7.0"))
        self.assertEqual(got[1], (b"NO", b"[UNAVAILABLE]"))
        self.assertEqual(got[2], (False, "[SYS/TEMP]"))
        self.soon_well()

    def test_usher_killed_is_said_as_temporary_or_waited_for(self):
        self.kill_until_throttled("imap-usher", 3)
        c = self.client(Imap, "imaps", tls=self.tls)
        user, password = self.credentials("pip")
        status, said, _ = c.cmd('LOGIN "%s" "%s"' % (user, password))
        if status != b"OK":
            self.assertEqual(said.split(b" ")[0], b"[UNAVAILABLE]")
        self.soon_well()

    def test_router_killed_answers_when_it_is_back(self):
        s = self.smtp()
        self.kill_until_throttled("router", 5)
        code, text = s.mail("a@b.example", ["pip@example.test"],
                            mail.make(3))
        self.assertEqual(code, 250, text)

    @in_full
    def test_router_that_stays_away_is_451(self):
        self.frozen("router")
        with Smtp(self.bed.host, self.bed.port("smtp"), wait=60) as s:
            s.ehlo()
            # not one that router has accepted just now
            code, text = s.mail("a@b.example", ["nobody@example.test"],
                                mail.make(4))
        self.assertEqual((code, text[:2]), (451, "4."))

    def stopped(self, kind, check):
        pids = self.frozen(kind)
        check()
        for pid in pids:
            self.thaw(pid)
        self.all_well()

    def smtp_takes_and_delivers(self):
        self.empty("pip")
        self.send(mail.make(5))

    def imap_reads(self):
        self.imap("pip", select="INBOX").ok("NOOP")

    def test_stopped_relay_resolver_and_bounce_hold_up_nobody(self):
        for kind in ("relay", "resolver", "bounce"):
            with self.subTest(kind=kind):
                self.stopped(kind, self.all_well)

    def test_stopped_pop3_holds_up_nobody_else(self):
        for kind in ("pop3d", "pop3-usher"):
            with self.subTest(kind=kind):
                self.stopped(kind, lambda: (self.send(mail.make(6)),
                                            self.imap_reads()))

    def test_stopped_imap_holds_up_nobody_else(self):
        for kind in ("imapd", "imap-usher"):
            with self.subTest(kind=kind):
                self.stopped(kind, self.smtp_takes_and_delivers)

    def test_stopped_smtp_holds_up_no_reader(self):
        for kind in ("smtpd", "submission", "queue", "router", "deliver"):
            with self.subTest(kind=kind):
                self.stopped(kind, lambda: (self.imap_reads(),
                                            self.fetch_all("pip")))

    def test_stopped_auth_holds_up_no_mail_and_no_session(self):
        c = self.imap("pip", select="INBOX")
        self.stopped("auth", lambda: (c.ok("NOOP"),
                                      self.send(mail.make(8))))

    def test_mail_to_a_stopped_deliver_is_taken_and_comes_later(self):
        self.empty("estella")
        pids = self.frozen("deliver")
        s = self.smtp()
        for n in range(5):
            self.assertEqual(s.mail("a@b.example", ["estella@example.test"],
                                    mail.make(n))[0], 250)
        for pid in pids:
            self.thaw(pid)
        got = self.wait_mails(5, "estella")
        self.assertEqual(sorted(mail.original(m) for m in got),
                         sorted(mail.make(n) for n in range(5)))

    @in_full
    def test_one_that_hangs_for_minutes_is_replaced(self):
        for kind in ("router", "deliver", "auth"):
            with self.subTest(kind=kind):
                log = self.follow()
                pid = self.frozen(kind)[0]
                log.wait("event=hung proc=%s .*pid=%d" % (kind, pid),
                         seconds=100)
                log.wait("event=started proc=" + kind)
                self.soon_well()


class Programs(ProcessCase):
    """Daemons whose programs change beneath them."""

    CRASHES_EXPECTED = True
    TIMEOUT = 120

    @classmethod
    def before_up(cls):
        cls.programs = os.path.join(cls.tmp, "bin")
        os.chmod(cls.tmp, 0o755)
        shutil.copytree(os.path.join(paths.build_dir(), "bin"),
                        cls.programs)
        text = cls.bed.config_text
        cls.bed.config_text = lambda: text().replace(
            os.path.join(paths.build_dir(), "bin"), cls.programs)

    def put(self, name, source):
        """A new program in place of the old one, as packages do it."""
        path = os.path.join(self.programs, name)
        shutil.copy(source, path + ".new")
        os.rename(path + ".new", path)

    def test_a_program_that_crashes_is_throttled_and_comes_back(self):
        log = self.follow()
        self.put("pop3d", "/bin/false")
        for pid in self.pids("pop3d"):
            os.kill(pid, signal.SIGKILL)
        workers = len(os.sched_getaffinity(0))
        log.wait("event=ended proc=pop3d", 4 * workers)
        before, began = len(log.text), time.monotonic()
        self.all_but_pop3()
        seconds = 3 - (time.monotonic() - began)
        time.sleep(max(0, seconds))  # the time in which it is counted
        log.read()
        tries = log.text[before:].count("event=ended proc=pop3d")
        self.assertLessEqual(tries, 4 * workers)
        self.put("pop3d", os.path.join(paths.build_dir(), "bin", "pop3d"))
        log.wait("event=started proc=pop3d", workers)
        self.all_well()

    @in_full
    def test_one_that_hangs_at_its_start_is_replaced(self):
        log = self.follow()
        workers = len(os.sched_getaffinity(0))
        self.put("pop3d", self.write("hangs", "#!/bin/sh\nexec sleep 1000\n",
                                     0o755))
        self.bed.wemmick("reload")
        until(lambda: [procs.command(p) for p in procs.children(
            self.bed.pid())].count("sleep 1000") == workers, "its start")
        self.put("pop3d", os.path.join(paths.build_dir(), "bin", "pop3d"))
        log.wait("event=hung proc=pop3d", workers, seconds=100)
        log.wait("event=reload-done")
        self.all_well()

    def all_but_pop3(self):
        self.send(mail.make(1))
        self.imap("pip", select="INBOX").close()

    def test_new_programs_while_old_sessions_run(self):
        smtp, imap = self.smtp(), self.imap("u1", select="INBOX")
        smtp.cmd("MAIL FROM:<a@b.example>")
        old = set(self.pids("smtpd"))
        for name in os.listdir(self.programs):
            self.put(name, os.path.join(paths.build_dir(), "bin", name))
        log = self.follow()
        os.kill(self.bed.pid(), signal.SIGHUP)
        log.wait("event=reload-done")
        self.assertTrue(set(self.pids("smtpd")) - old)
        self.assertEqual(smtp.code("RCPT TO:<u1@example.test>"), 250)
        self.assertEqual(smtp.code("DATA"), 354)
        smtp.send(mail.make(9) + b".\r\n")
        self.assertEqual(smtp.reply()[0], 250)
        imap.ok("NOOP")
        self.assertEqual(len(self.wait_mails(1, "u1")), 1)
        self.all_well()


class CodeLoad(Load):
    """Remembers the code of each refusal, and connections that failed."""

    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        self.codes, self.failed = {}, []

    def attempt(self, number, user, send):
        def noted():
            code, text = send()
            if code != 250:
                self.codes[number] = code
            return code, text
        super().attempt(number, user, noted)

    def session(self):
        try:
            super().session()
        except BROKEN as e:
            self.failed.append(repr(e))
            raise


class ReloadStorm(ProcessCase):
    """A reload every second while mail comes in."""

    TIMEOUT = 300

    def test_no_transaction_fails_but_by_421(self):
        times = full(60, 3)
        with CodeLoad(self.bed, USERS, threads=3) as load:
            load.wait_more(10)
            for _ in range(times):
                log = self.follow()
                os.kill(self.bed.pid(), signal.SIGHUP)
                log.wait("event=reload-done|event=reload-refused")
                time.sleep(1)  # the storm's own beat
            load.wait_more(10)
        self.assertEqual({c for c in load.codes.values()} - {421}, set())
        self.assertEqual(load.unknown, {})
        load.settle(self)

    def test_generations_held_by_clients_do_not_pile_up(self):
        """A client stays with each; the oldest go when there are many."""
        times = full(60, 14)
        workers = len(self.pids("imapd"))
        held = []
        for _ in range(times):
            held.append(self.imap("pip", select="INBOX"))
            log = self.follow()
            os.kill(self.bed.pid(), signal.SIGHUP)
            log.wait("event=reload-done", seconds=60)
        self.assertIsNotNone(self.bed.pid())
        until(lambda: len(self.pids("imapd")) <= 10 + workers,
              "the oldest generations to go", 60)
        held[-1].ok("NOOP")
        self.all_well()


class Limits(ProcessCase):
    """Groups that limit memory and processes."""

    TIMEOUT = 120

    def group(self, kind, name):
        g = Cgroup(kind, name)
        self.addCleanup(g.remove)
        return g

    def test_a_session_out_of_memory_dies_alone(self):
        group = self.group("memory", "oom")
        big = b"".join(b"Subject: x%d\r\n" % i for i in range(9000))
        other = self.imap("u2", select="INBOX")
        victim = self.imap("u1", select="INBOX")
        victim.ok("APPEND INBOX {}", big + b"\r\n" + mail.text(1, 3 << 20))
        first, last = self.bed.user_uids
        pids = [p for p in procs.with_uid_between(first, last)
                if self.is_of(p, "u1")]
        self.assertTrue(pids)
        log = self.follow()
        group.set("memory.limit_in_bytes", 128 << 10)
        group.take(*pids)
        with self.assertRaises((EOFError, OSError)):
            for word in (b"zzz", b"yyy", b"xxx"):
                victim.cmd(b'SEARCH OR TEXT "%s" BODY "%s"' % (word, word))
                victim.cmd("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
                victim.cmd("APPEND INBOX {}", mail.text(2, 1 << 20))
        log.wait("event=session-died signal=9")
        other.ok("NOOP")
        c = self.imap("u1", select="INBOX")
        self.assertTrue(c.ok("FETCH 1 RFC822.SIZE"))
        self.all_well()

    def is_of(self, pid, user):
        home = os.stat(self.bed.path("state", "mail", self.bed.domain, user))
        s = procs.status(pid)
        return s is not None and s["Uid"].split()[0] == str(home.st_uid)

    def test_master_without_descriptors_heals_when_it_has_some(self):
        master = self.bed.pid()
        hard = resource.prlimit(master, resource.RLIMIT_NOFILE)[1]
        log = self.follow()
        resource.prlimit(master, resource.RLIMIT_NOFILE, (8, hard))
        for kind in ("imapd", "auth"):
            for pid in self.pids(kind):
                os.kill(pid, signal.SIGKILL)
        log.wait("error=\"Too many open files\"", 3)
        resource.prlimit(master, resource.RLIMIT_NOFILE, (hard, hard))
        self.soon_well()
        for kind in procs.NUMBERS:
            until(lambda k=kind: self.pids(k), kind)

    def test_no_more_processes_is_waited_out(self):
        group = self.group("pids", "fork")
        reader = self.imap("u4", select="INBOX")
        group.take(self.bed.pid(), *procs.children_of(self.bed.pid()))
        group.set("pids.max", 1)
        c = self.client(Imap, "imaps", tls=self.tls)
        user, password = self.credentials("u3")
        status, said, _ = c.cmd('LOGIN "%s" "%s"' % (user, password))
        self.assertEqual((status, said.split(b" ")[0]),
                         (b"NO", b"[UNAVAILABLE]"))
        log = self.follow()
        pid = self.pids("router")[0]
        os.kill(pid, signal.SIGKILL)
        log.wait("event=(start-failed|no-fork) proc=router")
        s = self.smtp()  # what runs goes on
        reader.ok("NOOP")
        group.set("pids.max", "max")
        log.wait("event=started proc=router", seconds=10)
        self.assertEqual(c.cmd('LOGIN "%s" "%s"' % (user, password))[0],
                         b"OK")
        self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                mail.make(1))[0], 250)
        self.all_well()


class FewFiles(ProcessCase):
    """ulimit -n: descriptors run out in every daemon."""

    FILES = 160
    TIMEOUT = 120

    @classmethod
    def config(cls):
        return "workers = 1\n"

    @classmethod
    def before_up(cls):
        start = cls.bed.start
        cls.bed.start = lambda: start(
            wrap=["prlimit", "--nofile=%d:%d" % (cls.FILES, cls.FILES)])

    def flood(self, port):
        """So many connections that accept() has nothing left."""
        held = []
        for i in range(3 * self.FILES):
            held.append(socket.create_connection(
                (self.bed.host, self.bed.port(port)), 20,
                ("127.0.%d.%d" % (i // 200 + 1, i % 200 + 1), 0)))
        return held

    def starve(self, kind, port):
        log = self.follow()
        held = self.flood(port)
        try:
            log.wait("event=accept-failed")
            pids = self.pids(kind)
            before, began = cpu_s(*pids), time.monotonic()
            time.sleep(2)  # the time in which a spinning one would show
            spent = cpu_s(*pids) - before
            self.assertLess(spent / (time.monotonic() - began), 0.3)
            log.read()
            lines = log.text.count("event=accept-failed")
            self.assertLessEqual(lines, 3 * len(pids))
            self.assertEqual(self.pids(kind), pids)
        finally:
            for c in held:
                c.close()
        self.soon_well()

    def test_smtpd(self):
        self.starve("smtpd", "smtp")

    def test_submission(self):
        self.starve("submission", "submissions")

    def test_imapd(self):
        self.starve("imapd", "imaps")

    def test_pop3d(self):
        self.starve("pop3d", "pop3s")

