"""Directories that are not what they should be: another disk, or none."""

import os
import subprocess
import threading

from libwm import mail, testbed
from libwm.case import SuiteCase
from libwm.faults import private_mounts, run
from libwm.follow import until
from libwm.wire import Smtp, WireError


class Mounts(SuiteCase):
    """What lies at a place is hidden by a mount, for a while."""

    @classmethod
    def config(cls):
        return ("queue-retry-min = 1\nqueue-retry-max = 1\n"
                "queue-segment-size = 4194304\n"
                "queue-disk-reserve = 1048576\n")

    @classmethod
    def before_up(cls):
        private_mounts()

    def setUp(self):
        if self.bed.pid() is None:
            self.bed.start()

    def cover(self, *names):
        path = self.bed.path(*names)
        run("mount", "-t", "tmpfs", "-o", "size=64m", "other", path)
        self.addCleanup(self.uncover, *names)

    def uncover(self, *names):
        path = self.bed.path(*names)
        if os.path.ismount(path):
            run("umount", path)

    def try_start(self):
        """A start that fails; what the log says of it."""
        log = self.follow()
        with self.assertRaises(testbed.TestbedError):
            self.bed.start()
        log.read()
        self.bed.kill_all()
        return log.text

    def submit(self, content):
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            self.assertEqual(s.mail(
                "sender@example.org", [self.bed.address("pip")],
                content)[0], 250)

    def put_off(self):
        """A mail that stays in the queue, with a home that is away."""
        home = self.bed.path("state", "mail", "example.test")
        self.empty()
        os.rename(home, home + ".away")
        log = self.follow()
        self.submit(mail.make(7))
        log.wait("event=deferred ")
        return home, log


class OneDevice(Mounts):
    """Row 27: what is renamed between directories is on one device."""

    def refused(self, *names):
        self.bed.down()
        self.cover("state", "spool", *names)
        os.chown(self.bed.path("state", "spool", *names),
                 *(2 * [self.bed.base_uid + 3]))
        log = self.follow()
        failed = []

        def start():
            try:
                self.bed.start()
            except testbed.TestbedError as e:
                failed.append(e)
        thread = threading.Thread(target=start)
        thread.start()
        log.wait("event=spool-unusable dir=%s .*another file system" %
                 names[-1])
        self.bed.kill_all()
        thread.join()
        self.assertTrue(failed)
        self.uncover("state", "spool", *names)
        self.bed.start()
        self.send(mail.make(1))

    def test_log_elsewhere(self):
        self.refused("log")

    def test_large_elsewhere(self):
        self.refused("large")

    def test_a_part_of_deferred_elsewhere(self):
        self.refused("deferred", "a7")


class WrongDisk(Mounts):
    """Row 46 and B7: an absent mount is not a new host."""

    def test_spool_is_absent_and_comes_back(self):
        home, _ = self.put_off()
        self.bed.down()
        self.cover("state", "spool")
        self.assertRegex(self.try_start(),
                         "event=wrong-directory path=.*/spool .*found=none")
        self.assertEqual(os.listdir(self.bed.path("state", "spool")), [])
        self.uncover("state", "spool")
        os.rename(home + ".away", home)
        log = self.follow()
        self.bed.start()
        log.wait("event=delivered ")
        self.assertEqual(self.originals(), [mail.make(7)])

    def test_spool_of_another_host(self):
        self.bed.down()
        self.cover("state", "spool")
        with open(self.bed.path("state", "spool", ".identity"), "w",
                  encoding="ascii") as f:
            f.write("0123456789abcdef" * 2 + "\n")
        self.assertRegex(self.try_start(),
                         "event=wrong-directory .*found=0123456789abcdef")
        # As the message says, where it is meant:
        known = self.bed.path("state", "identity.spool")
        os.rename(known, known + ".old")
        self.bed.start()
        self.send(mail.make(1))
        self.bed.down()
        self.uncover("state", "spool")
        os.rename(known + ".old", known)

    def test_mail_root_is_absent(self):
        self.bed.down()
        self.cover("state", "mail")
        self.assertRegex(self.try_start(),
                         "event=wrong-directory path=.*/mail .*found=none")
        done = self.bed.wemmick("user", "add", "--hash", "{PLAIN}x",
                                self.bed.address("new"), check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("wrong-directory", done.stderr)
        self.assertEqual(os.listdir(self.bed.path("state", "mail")), [])

    def test_mail_root_is_gone(self):
        """Not even the directory for a mount is made."""
        self.bed.down()
        root = self.bed.path("state", "mail")
        os.rename(root, root + ".away")
        self.assertRegex(self.try_start(), "event=wrong-directory")
        self.assertFalse(os.path.exists(root))
        os.rename(root + ".away", root)

    def test_identity_that_is_none(self):
        self.bed.down()
        mark = self.bed.path("state", "spool", ".identity")
        os.rename(mark, mark + ".old")
        for make in (lambda: os.symlink("/etc/passwd", mark),
                     lambda: os.mkfifo(mark),
                     lambda: subprocess.run(["truncate", "-s5", mark],
                                            check=True)):
            make()
            self.assertIn("event=identity-unreadable", self.try_start())
            os.unlink(mark)
        os.rename(mark + ".old", mark)

    def test_home_vanishes_while_it_runs(self):
        """Mail waits, IMAP refuses, and nobody makes a new home."""
        home, log = self.put_off()
        with self.assertRaises((WireError, EOFError)):
            self.imap("pip", select="INBOX")
        self.assertFalse(os.path.exists(home))
        os.rename(home + ".away", home)
        log.wait("event=delivered ")
        until(lambda: self.originals() == [mail.make(7)], "the mail")
