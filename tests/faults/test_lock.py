"""A session is stopped while it holds its account's lock."""

import os
import signal
import socket

from libwm import mail, procs
from libwm.case import SuiteCase
from libwm.steps import Step, Stop
from libwm.testbed import alive, wait_gone
from libwm.wire import Imap, Pop3


class Held(SuiteCase):
    """What both classes share: a session that stops in a change."""

    def sessions(self, user):
        """The processes that are this user's."""
        uid = os.stat(self.bed.path("state", "mail", self.bed.domain,
                                    user)).st_uid
        return set(procs.with_uid_between(uid, uid))

    def hold(self, user):
        """One has the lock of this account, and does nothing any more."""
        self.assertEqual(self.sessions(user), set())
        c = self.imap(user, select="INBOX")
        c.ok("NOOP")
        pid, = self.sessions(user)
        stop = Stop(Step("session", 0, "pwrite64", 1), self.tmp, [pid])
        self.addCleanup(stop.end)
        self.addCleanup(self.thaw, pid)
        c.send(b"x STORE 1 +FLAGS (\\Flagged)\r\n")
        self.assertTrue(stop.wait(c.sock, 30))
        return pid, c

    @staticmethod
    def thaw(pid):
        if alive(pid):
            os.kill(pid, signal.SIGCONT)


class ShortWait(Held):
    """Who waits is told in time, and mail comes in meanwhile."""

    OPTIONS = {"users": 2}

    @classmethod
    def config(cls):
        return "mailbox-lock-timeout = 1\n"

    def test_sessions_are_told_and_mail_is_delivered(self):
        self.send(mail.make(1), to="u1")
        pid, first = self.hold("u1")
        log = self.follow()
        c = self.imap("u1", select="INBOX")
        log.wait("event=delivered|event=login")
        for line in ("STORE 1 +FLAGS (\\Seen)", "COPY 1 Sent",
                     "UID STORE 1 -FLAGS (\\Seen)", "CREATE New",
                     "FETCH 1 BODY[]"):
            with self.subTest(line=line):
                status, text, _ = c.cmd(line)
                self.assertEqual((status, text[:8]), (b"NO", b"[INUSE] "))
        status, text, _ = c.cmd("APPEND INBOX {}", mail.make(9))
        self.assertEqual((status, text[:8]), (b"NO", b"[INUSE] "))
        log.wait("event=store-lock-busy")
        # What needs no lock goes on; and deliveries do, unseen for now.
        self.send(mail.make(2), to="u1")
        self.assertTrue(c.ok("FETCH 1 (FLAGS BODY.PEEK[])"))
        self.assertEqual(c.ok("NOOP"), [])
        p = self.client(Pop3, "pop3s", tls=self.tls)
        user, password = self.credentials("u1")
        p.ok("USER " + user)
        good, text = p.cmd("PASS " + password)
        self.assertEqual((good, text[:8]), (False, "[IN-USE]"))
        # Others do not notice.
        self.send(mail.make(3), to="estella")
        self.assertEqual(self.originals("estella"), [mail.make(3)])
        self.goes_on(pid, first, c)

    def goes_on(self, pid, first, c):
        """The one that hung does its work, and everything is there."""
        self.thaw(pid)
        self.assertEqual(first.until(b"x")[0], b"OK")
        rows = c.ok("NOOP")
        self.assertIn(b"* 2 EXISTS", rows)
        rows = c.ok("FETCH 1:* FLAGS")
        self.assertIn(b"\\Flagged", rows[0])
        c.ok("STORE 1:* +FLAGS (\\Seen)")
        for each in (first, c):
            each.ok("LOGOUT")
        self.assertEqual(self.originals("u1"), [mail.make(1), mail.make(2)])

    def test_idle_tells_once_the_lock_is_free(self):
        self.send(mail.make(1), to="u2")
        pid, first = self.hold("u2")
        c = self.imap("u2", select="INBOX")
        c.send(b"i IDLE\r\n")
        self.assertEqual(c.row()[:1], b"+")
        log = self.follow()
        self.send(mail.make(2), to="u2")
        log.wait("event=delivered")
        log.wait("event=store-lock-busy")
        # Not thawed: what killed it sends nobody an event.
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(c.row()[-7:], b" EXISTS")
        c.close()
        first.close()


class LongWait(Held):
    """Who would wait for minutes notices what happens meanwhile."""

    OPTIONS = {"users": 4}
    CRASHES_EXPECTED = True

    @classmethod
    def config(cls):
        return "mailbox-lock-timeout = 300\n"

    def waiting(self, user):
        """A session that waits for the lock, and its connection."""
        before = self.sessions(user)
        c = self.imap(user, select="INBOX")
        pid, = self.sessions(user) - before
        c.send(b"w STORE 1 +FLAGS (\\Seen)\r\n")
        return pid, c

    def test_a_client_that_hangs_up_is_noticed(self):
        self.send(mail.make(1), to="u1")
        holder, _ = self.hold("u1")
        log = self.follow()
        _, c = self.waiting("u1")
        c.sock.shutdown(socket.SHUT_RDWR)
        c.close()
        log.wait("event=logout user=u1@")
        user, password = self.credentials("u1")
        p = self.client(Pop3, "pop3s", tls=self.tls)
        p.ok("USER " + user)
        log = self.follow()
        self.send(mail.make(2), to="u1")
        p.send(b"PASS " + password.encode() + b"\r\n")
        log.wait("event=login user=u1@.* service=pop3")
        p.close()
        log.wait("event=logout user=u1@.* service=pop3 why=gone")
        self.thaw(holder)

    def test_the_end_of_master_is_noticed(self):
        self.send(mail.make(1), to="u2")
        holder, _ = self.hold("u2")
        pid, c = self.waiting("u2")
        master = self.bed.pid()
        os.kill(master, signal.SIGKILL)
        for each in (master, pid):
            self.assertTrue(wait_gone(each, 30))
        self.thaw(holder)
        self.assertTrue(wait_gone(holder, 30))
        self.assertEqual(self.bed.processes(), set())
        c.close()
        self.bed.start()
