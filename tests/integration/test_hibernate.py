"""IMAP sessions that are idle give their process up, and clients do not
notice."""

import os
import re
import signal
import unittest

from libwm import mail, paths, procs
from libwm.case import OwnAccounts
from libwm.faults import EVERYTHING
from libwm.follow import until
from libwm.testbed import wait_gone
from libwm.wire import Imap

HIBERNATE_S = 1
SILENT_FACTOR = 6  # imapd/session_sleep.c


class HibernateCase(OwnAccounts):
    """Sessions that sleep soon."""

    OPTIONS = {"users": 30, "cleartext": True}
    TIMEOUT = 300
    TLS = False

    @classmethod
    def config(cls):
        return 'imap-hibernate = %d\nlog-level = "debug"\nworkers = 1\n' % \
            HIBERNATE_S

    def imap(self, user="pip", select=None, **more):
        if self.TLS:
            return super().imap(user, select, **more)
        c = self.client(Imap, "imap", **more)
        c.login(*self.credentials(user))
        if select:
            c.ok("SELECT " + select)
        return c

    @staticmethod
    def idle(c):
        c.send(b"i IDLE\r\n")
        row = c.row()
        while not row.startswith(b"+"):
            row = c.row()

    def uid(self, user):
        return os.stat(self.home(user)).st_uid

    def home(self, user):
        return self.bed.path("state", "mail", self.bed.domain, user)

    def sessions(self, user):
        """Processes of that user."""
        return procs.with_uid_between(self.uid(user), self.uid(user))

    def front(self):
        return procs.daemons(self.bed.pid())["imapd"][0]

    def asleep(self):
        """How many the fronts have in their care."""
        rows = self.bed.wemmick("status").stdout
        return sum(int(n) for n in re.findall(
            r"^.*\bimapd\b.* asleep=(\d+)", rows, re.M))

    def sleeps(self, *clients, others=0):
        """They are all asleep; their user has processes for others only."""
        until(lambda: self.asleep() == len(clients), "so many asleep")
        for c in clients:
            until(lambda c=c: len(self.sessions(c.user)) <= others,
                  "no process")

    def idles(self, *contents):
        c = self.mailbox(*contents)
        self.idle(c)
        self.sleeps(c)
        return c

    def done(self, c):
        """End IDLE; what was told meanwhile."""
        c.send(b"DONE\r\n")
        status, text, rows = c.until(b"i")
        self.assertEqual(status, b"OK", text)
        return rows

    def rows_to(self, c, last):
        rows = [c.row()]
        while not re.match(last, rows[-1]):
            rows.append(c.row())
        return rows

    def tearDown(self):
        self.doCleanups()  # clients leave
        until(lambda: self.asleep() == 0, "nobody asleep")


class Ordinary(HibernateCase):
    """What a client sees, without TLS."""

    def test_a_delivery_wakes_it_and_it_sleeps_again(self):
        c = self.idles()
        for n in (1, 2):
            self.send(mail.make(n), to=c.user)
            self.assertEqual(self.rows_to(c, rb".*RECENT"),
                             [b"* %d EXISTS" % n, b"* %d RECENT" % n])
            self.sleeps(c)
        self.assertEqual(self.done(c), [])
        self.assertRegex(b"".join(c.ok("FETCH 1:2 FLAGS")),
                         rb"1 FETCH .*Recent.*2 FETCH .*Recent")

    def test_done_wakes_it(self):
        c = self.idles(mail.make(1))
        self.assertEqual(self.done(c), [])
        rows = c.ok("FETCH 1 (UID FLAGS)")
        self.assertRegex(rows[0], rb"\* 1 FETCH \(UID 1 FLAGS \(.*Recent")
        self.assertEqual(c.ok("NOOP"), [])

    def test_done_in_pieces_and_commands_behind_it(self):
        c = self.idles(mail.make(1))
        c.send(b"DO")
        until(lambda: self.sessions(c.user), "a process again")
        c.send(b"NE\r\na NOOP\r\nb FETCH 1 UID\r\nc LOGOUT\r\n")
        for tag in (b"i", b"a", b"b", b"c"):
            self.assertEqual(c.until(tag)[0], b"OK")

    def test_changes_of_another_session_come_right(self):
        c = self.idles(*[mail.make(i) for i in range(1, 8)])
        other = self.imap(c.user, select="INBOX")
        other.ok(r"STORE 2,5 +FLAGS (\Deleted)")
        self.assertEqual(self.rows_to(c, rb"\* 5 FETCH"), [
            b"* 2 FETCH (UID 2 FLAGS (\\Deleted \\Recent))",
            b"* 5 FETCH (UID 5 FLAGS (\\Deleted \\Recent))"])
        self.sleeps(c, others=1)
        other.ok("EXPUNGE")
        self.assertEqual(self.rows_to(c, rb"\* 4 EXPUNGE"),
                         [b"* 2 EXPUNGE", b"* 4 EXPUNGE"])
        self.sleeps(c, others=1)
        other.ok("STORE 4 +FLAGS (odd)")
        self.assertIn(b"* 4 FETCH (UID 6 FLAGS (\\Recent odd))",
                      self.rows_to(c, rb"\* 4 FETCH"))
        self.done(c)
        self.assertEqual(
            re.findall(rb"UID (\d+)", b"".join(c.ok("FETCH 1:* UID"))),
            [b"1", b"3", b"4", b"6", b"7"])

    def test_what_came_while_nobody_looked_is_told_in_order(self):
        """Expunged, flagged and new at once: the usher was away."""
        c = self.idles(*[mail.make(i) for i in range(1, 6)])
        other = self.imap(c.user, select="INBOX")
        usher = procs.daemons(self.bed.pid())["imap-usher"][0]
        os.kill(usher, signal.SIGSTOP)
        try:
            other.ok(r"STORE 1,3 +FLAGS.SILENT (\Deleted)")
            other.ok("EXPUNGE")
            other.ok(r"STORE 3 +FLAGS.SILENT (\Flagged)")
            other.ok("APPEND INBOX {}", mail.make(6))
        finally:
            os.kill(usher, signal.SIGCONT)
        self.assertEqual(self.rows_to(c, rb"\* 3 FETCH"), [
            b"* 1 EXPUNGE", b"* 2 EXPUNGE", b"* 4 EXISTS", b"* 3 RECENT",
            b"* 3 FETCH (UID 5 FLAGS (\\Flagged \\Recent))"])
        self.done(c)

    def test_examined_stays_read_only(self):
        user = self.account()
        c = self.imap(user)
        c.user = user
        c.ok("APPEND INBOX {}", mail.make(1))
        c.ok("EXAMINE INBOX")
        self.idle(c)
        self.sleeps(c)
        self.done(c)
        status, text, _ = c.cmd(r"STORE 1 +FLAGS (\Seen)")
        self.assertEqual((status, text[:11]), (b"NO", b"[READ-ONLY]"))

    def test_without_a_mailbox(self):
        user = self.account()
        c = self.imap(user)
        c.user = user
        self.idle(c)
        self.sleeps(c)
        self.done(c)
        c.ok("SELECT INBOX")

    def test_a_silent_client_sleeps_too(self):
        """Not in IDLE: it hears nothing before its next command."""
        c = self.mailbox(mail.make(1))
        c.ok("NOOP")
        self.sleeps(c)
        self.send(mail.make(2), to=c.user)
        self.assertTrue(c.quiet())
        self.assertEqual(self.asleep(), 1)
        self.assertEqual(c.ok("NOOP"), [b"* 2 EXISTS", b"* 2 RECENT"])

    def test_what_may_not_be_told_yet_keeps_it_awake(self):
        """An EXPUNGE that FETCH could not tell: nobody goes before."""
        c = self.mailbox(mail.make(1), mail.make(2))
        other = self.imap(c.user, select="INBOX")
        other.ok(r"STORE 1 +FLAGS (\Deleted)")
        other.ok("EXPUNGE")
        c.ok("FETCH 2 FLAGS")
        pid = self.sessions(c.user)
        self.assertTrue(c.quiet(HIBERNATE_S * (SILENT_FACTOR + 1)))
        self.assertTrue(pid)
        self.assertIn(b"* 1 EXPUNGE", c.ok("NOOP"))

    def test_a_mailbox_deleted_meanwhile_ends_it(self):
        user = self.account()
        c = self.imap(user)
        c.user = user
        c.ok("CREATE Box")
        c.ok("SELECT Box")
        self.idle(c)
        self.sleeps(c)
        self.imap(user).ok("DELETE Box")
        c.send(b"DONE\r\n")
        self.assertRegex(c.row(), rb"\* BYE .*deleted")
        self.assertEqual(c.rest(), b"")

    def test_the_end_of_a_client_needs_no_process(self):
        c = self.idles()
        log = self.follow()
        c.close()
        log.wait(r"event=logout user=%s@.* asleep=1" % c.user)
        self.assertEqual(self.sessions(c.user), [])

    def test_many_sleep_and_all_are_woken(self):
        """More at once than come back at a time."""
        user = self.account()
        crowd = [self.imap(user, select="INBOX") for _ in range(14)]
        for c in crowd:
            c.user = user
            self.idle(c)
        self.sleeps(*crowd)
        self.send(mail.make(1), to=user)
        for c in crowd:
            self.assertEqual(c.row(), b"* 1 EXISTS")
        self.sleeps(*crowd)
        for c in crowd:
            self.done(c)


class Tls(HibernateCase):
    """The front has the client all the time."""

    TLS = True

    test_delivery = Ordinary.test_a_delivery_wakes_it_and_it_sleeps_again
    test_done = Ordinary.test_done_wakes_it
    test_pieces = Ordinary.test_done_in_pieces_and_commands_behind_it
    test_changes = Ordinary.test_changes_of_another_session_come_right
    test_end = Ordinary.test_the_end_of_a_client_needs_no_process

    def test_last_words_of_a_client_that_ends_at_once(self):
        c = self.idles(mail.make(1))
        c.send(b"DONE\r\na STORE 1 +FLAGS (\\Seen)\r\n")
        c.close()
        again = self.imap(c.user)
        until(lambda: b"UNSEEN 0" in b"".join(
            again.ok("STATUS INBOX (UNSEEN)")), "the flag")


class Hard(HibernateCase):
    """Deaths, reloads, refusals."""

    CRASHES_EXPECTED = True

    def kill(self, kind):
        """Kill a daemon and wait for the next one."""
        log = self.follow()
        for pid in procs.daemons(self.bed.pid())[kind]:
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(wait_gone(pid, 10 * paths.PATIENCE))
        log.wait(r"event=started proc=%s" % kind)

    def assert_told(self, c, number):
        self.send(mail.make(number), to=c.user)
        self.assertEqual(c.row(), b"* %d EXISTS" % number)

    def test_the_usher_dies(self):
        c = self.idles()
        self.kill("imap-usher")
        self.assert_told(c, 1)
        self.sleeps(c)
        self.done(c)

    def test_the_front_dies(self):
        """As a TLS client it is cut off, and comes again."""
        c = self.idles()
        self.kill("imapd")
        self.assertEqual(c.rest(), b"")
        until(lambda: self.came(c.user), "a login")

    def came(self, user):
        try:
            return self.imap(user, select="INBOX")
        except (OSError, EOFError, ValueError):
            return None

    def test_auth_dies(self):
        """It alone knew whose session that was."""
        c = self.idles()
        self.kill("auth")
        c.send(b"DONE\r\n")
        self.assertRegex(c.row(), rb"\* BYE ")
        self.assertEqual(c.rest(), b"")

    def test_a_session_dies_that_came_back(self):
        c = self.idles()
        self.assert_told(c, 1)
        os.kill(self.sessions(c.user)[0], signal.SIGKILL)
        self.assertEqual(c.rest()[-9:], b"1 RECENT\r\n"[-9:])
        until(lambda: self.came(c.user), "a login")

    def test_a_reload_lets_it_sleep(self):
        c = self.idles()
        log = self.follow()
        self.bed.wemmick("reload")
        log.wait(r"event=started proc=imapd")
        self.assert_told(c, 1)
        self.done(c)
        c.ok("NOOP")

    def test_a_user_who_is_not_let_in_any_more_does_not_come_back(self):
        c = self.idles()
        self.bed.wemmick("user", "set", self.bed.address(c.user), "no-imap")
        c.send(b"DONE\r\n")
        self.assertRegex(c.row(), rb"\* BYE ")
        self.assertEqual(c.rest(), b"")

    def test_sleepers_count_for_the_limit(self):
        user = self.account()
        crowd = [self.imap(user) for _ in range(3)]
        for c in crowd:
            c.user = user
            self.idle(c)
        self.sleeps(*crowd)
        rows = self.bed.wemmick("status").stdout
        self.assertRegex(rows, r"\bauth\b.* asleep=3")

    def test_its_pockets_are_empty_when_it_leaves(self):
        """Tickets go with the clients."""
        c = self.idles()
        c.close()
        until(lambda: re.search(r"\bauth\b.* asleep=0",
                                self.bed.wemmick("status").stdout),
              "no ticket left")


class Limits(HibernateCase):
    """Few sessions for each user, and short patience."""

    @classmethod
    def config(cls):
        return super().config() + \
            "user-sessions-limit = 2\nimap-timeout = 60\n"

    def test_sleepers_are_sessions(self):
        user = self.account()
        crowd = [self.imap(user) for _ in range(2)]
        for c in crowd:
            c.user = user
            self.idle(c)
        self.sleeps(*crowd)
        third = self.client(Imap, "imap")
        self.assertEqual(
            third.cmd('LOGIN "%s" "%s"' % self.credentials(user))[0], b"NO")
        self.done(crowd[0])  # who comes back is not refused
        crowd[0].ok("NOOP")

    @unittest.skipUnless(EVERYTHING, "a minute; WM_TEST_ALL=1")
    def test_silence_ends_it_as_ever(self):
        c = self.idles()
        c.sock.settimeout(90)
        self.assertEqual(c.row(), b"* BYE Silent for too long")
        self.assertEqual(c.rest(), b"")


if __name__ == "__main__":
    unittest.main()
