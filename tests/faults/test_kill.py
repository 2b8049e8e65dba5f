"""kill -9 of one daemon after the other while mail flows."""

import os
import signal
import unittest

from libwm import paths, procs
from libwm.case import SuiteCase
from libwm.follow import until
from libwm.inject import Inject
from libwm.load import AppendLoad, Load
from libwm.testbed import alive, wait_gone
from libwm.wire import WireError

USERS = ["u1", "u2", "u3", "u4"]


class KillOne(SuiteCase):
    """Master brings it back; nothing that was taken is lost or doubled."""

    OPTIONS = {"users": 4}
    first = 0

    def numbers(self):
        """A range of numbers nobody else in this suite uses."""
        KillOne.first += 100000
        return KillOne.first

    def kill(self, kind):
        pid = procs.daemons(self.bed.pid())[kind][0]
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_gone(pid, 10))
        until(lambda: [p for p in procs.daemons(self.bed.pid())[kind]
                       if p != pid and alive(p)], kind + " to come back")

    def check(self, kind, times=2, load=Load):
        for user in USERS:
            self.empty(user)
        with load(self.bed, USERS, first=self.numbers()) as mails:
            mails.wait_more(20)
            for _ in range(times):
                self.kill(kind)
                mails.wait_more(20)
        mails.settle(self)

    def test_smtpd(self):
        self.check("smtpd")

    def test_queue(self):
        self.check("queue", 3)

    def test_router(self):
        self.check("router")

    def test_deliver(self):
        self.check("deliver", 3)

    def test_resolver_relay_and_bounce(self):
        for kind in ("resolver", "relay", "bounce"):
            self.check(kind, 1)

    def test_auth(self):
        self.check("auth", load=AppendLoad)

    def test_imapd(self):
        self.check("imapd", load=AppendLoad)

    def test_imap_usher(self):
        self.check("imap-usher", load=AppendLoad)

    def test_sessions(self):
        for user in USERS:
            self.empty(user)
        with AppendLoad(self.bed, USERS, first=self.numbers()) as mails:
            for _ in range(5):
                mails.wait_more(10)
                for pid in procs.with_uid_between(*self.bed.user_uids):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
        mails.settle(self)

    def test_pop3d_and_its_usher(self):
        for kind in ("pop3d", "pop3-usher"):
            self.kill(kind)
            until(self.pop3_answers, "POP3 to answer", step=0.1)

    def pop3_answers(self):
        try:
            self.leave(self.pop3("u1"))
            return True
        except (OSError, EOFError, WireError):
            return False


class ReloadWhileOneDies(SuiteCase):
    """Its channel is shut and master has not heard yet that it ended."""

    OPTIONS = {"users": 4}

    def reload_while_it_dies(self, kind):
        master = self.bed.pid()
        log = self.follow()
        os.kill(master, signal.SIGSTOP)
        try:
            pid = procs.daemons(master)[kind][0]
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(wait_gone(pid, 10))
            os.kill(master, signal.SIGHUP)
        finally:
            os.kill(master, signal.SIGCONT)
        log.wait("event=reload-done")
        log.wait("event=started proc=%s " % kind)
        self.assertTrue(alive(master))

    def test_master_goes_on(self):
        for kind in ("queue", "router", "auth", "imap-usher", "smtpd"):
            with self.subTest(kind):
                self.reload_while_it_dies(kind)
        with Load(self.bed, USERS) as mails:
            mails.wait_more(20)
        mails.settle(self)


class MasterDies(SuiteCase):
    """No orphan stays behind, and the next start works."""

    OPTIONS = {"users": 4}

    def test_everything_ends_with_master(self):
        with Load(self.bed, USERS) as mails:
            mails.wait_more(20)
            pid = self.bed.pid()
            others = self.bed.processes()
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(wait_gone(pid, 10))
            for p in others:
                self.assertTrue(wait_gone(p, 30), procs.command(p))
            self.assertEqual(self.bed.processes(), set())
            self.bed.start()
            mails.wait_more(20)
        mails.settle(self)


@unittest.skipIf(paths.sanitized(), "the leak sanitizer cannot look at a "
                 "process that strace holds")
class LoopFails(SuiteCase):
    """The kernel refuses to wait: who cannot go on says so and is started
    again, by master or by who started master."""

    def no_waiting(self, pid):
        return Inject(pid, "epoll_wait", "ENOMEM", 1,
                      os.path.join(self.tmp, "trace"))

    def test_of_a_daemon(self):
        log = self.follow()
        with self.no_waiting(procs.daemons(self.bed.pid())["router"][0]):
            self.smtp().code("MAIL FROM:<a@b.example>")
            log.wait("router.*event=loop-failed error=.*memory")
            log.wait("event=ended proc=router .*status=1")
        log.wait("event=started proc=router")

    def test_of_master(self):
        log = self.follow()
        pid = self.bed.pid()
        with self.no_waiting(pid):
            os.kill(pid, signal.SIGHUP)
            log.wait("master.*event=loop-failed error=.*memory")
            self.assertEqual(os.waitstatus_to_exitcode(
                os.waitpid(pid, 0)[1]), 1)
        until(lambda: not self.bed.processes(), "the daemons to end")
        self.bed.start()
