"""The unit: what systemd says of it, and what it is under a real systemd."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from libwm import paths
from libwm.faults import in_full
from libwm.follow import until
from libwm.machine import Machine
from libwm.wire import Imap, Smtp

# docs/decisions/009-no-power-over-files.md: what stands before less.
EXPOSURE = 2.2
CONFIG = """hostname = "mail.example.test"
domains = {"example.test"}
cleartext-networks = {"127.0.0.0/8", "::1"}
"""
UNIT = "/lib/systemd/system/wemmick.service"
DROP_IN = "/etc/systemd/system/wemmick.service.d/test.conf"


def install(dest):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-s", "install", "DESTDIR=" + dest, "PREFIX=/usr",
         "WERROR=1", "SAN=%d" % paths.sanitized(),
         "BUILD=" + os.path.relpath(paths.build_dir(), paths.ROOT)],
        cwd=paths.ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)


class Unit(unittest.TestCase):
    """Looked at without being run."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("systemd-analyze"):
            raise unittest.SkipTest("no systemd-analyze here")
        cls.tmp = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.tmp)
        install(cls.tmp)

    def analyze(self, *words):
        return subprocess.run(
            ["systemd-analyze", "--no-pager", *words, self.tmp + UNIT],
            capture_output=True, text=True, check=False)

    def test_exposure(self):
        done = self.analyze("security", "--offline=true",
                            "--threshold=%d" % round(EXPOSURE * 10))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Overall exposure", done.stdout)

    def test_nothing_in_it_is_unknown(self):
        done = self.analyze("verify", "--man=no")
        self.assertEqual([r for r in done.stderr.splitlines()
                          if "wemmick" in r and "not executable" not in r],
                         [])


@in_full
class Booted(unittest.TestCase):
    """systemd as PID 1, the unit as it is installed."""

    TIMEOUT = 300

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or paths.sanitized():
            raise unittest.SkipTest("needs root and the plain build")
        cls.tmp = tempfile.mkdtemp(prefix="systemd-")
        cls.addClassCleanup(shutil.rmtree, cls.tmp, ignore_errors=True)
        cls.box = Machine(os.path.join(cls.tmp, "root"))
        cls.box.unpack()
        install(cls.box.root)
        cls.box.write("/etc/wemmick/wemmick.conf", CONFIG)
        cls.addClassCleanup(cls.box.halt)
        cls.box.boot()
        cls.box.run("systemd-sysusers")
        cls.box.run("systemd-tmpfiles", "--create", check=False)
        cls.box.run("wemmick", "user", "add", "--stdin", "pip@example.test",
                    stdin="secret\n")
        cls.box.enter_network()

    def setUp(self):
        self.box.run("systemctl", "stop", "wemmick.socket", check=False)
        if os.path.exists(self.box.path(DROP_IN)):
            os.unlink(self.box.path(DROP_IN))
        self.box.run("systemctl", "daemon-reload")
        self.box.run("systemctl", "start", "wemmick")

    def smtp(self):
        s = Smtp("127.0.0.1", 25)
        self.addCleanup(s.close)
        s.ehlo()
        return s

    def received(self, subject):
        def there():
            c = Imap("127.0.0.1", 143)
            try:
                c.login("pip@example.test", "secret")
                c.ok("SELECT INBOX")
                return any(row[:9] == b"* SEARCH " for row in map(
                    bytes, c.cmd('SEARCH SUBJECT "%s"' % subject)[2]))
            finally:
                c.close()
        until(there, subject, step=0.2)

    def send(self, s, subject):
        for line in ("MAIL FROM:<a@b.example>",
                     "RCPT TO:<pip@example.test>"):
            self.assertEqual(s.code(line), 250)
        self.finish(s, subject)

    def finish(self, s, subject):
        self.assertEqual(s.code("DATA"), 354)
        s.send(b"Subject: " + subject.encode() + b"\r\n\r\nx\r\n.\r\n")
        self.assertEqual(s.reply()[0], 250)

    def test_mail_comes_in_and_is_read(self):
        self.send(self.smtp(), "first")
        self.received("first")
        self.assertEqual(self.box.show("NRestarts"), "0")

    def test_reload_drops_no_connection(self):
        s = self.smtp()
        self.assertEqual(s.code("MAIL FROM:<a@b.example>"), 250)
        main = self.box.show("MainPID")
        self.box.run("systemctl", "reload", "wemmick")
        self.assertEqual(s.code("RCPT TO:<pip@example.test>"), 250)
        self.finish(s, "across")
        self.received("across")
        self.assertEqual(self.box.show("MainPID"), main)

    def test_watchdog_restarts_what_hangs(self):
        self.box.write(DROP_IN, "[Service]\nWatchdogSec=12\n")
        self.box.run("systemctl", "daemon-reload")
        self.box.run("systemctl", "restart", "wemmick")
        main = self.box.show("MainPID")
        self.box.run("sh", "-c", "kill -STOP " + main)
        until(lambda: self.box.show("MainPID") not in (main, "0") and
              self.box.show("ActiveState") == "active", "another master",
              seconds=120, step=0.5)
        self.assertIn("Watchdog timeout", self.box.journal(400))
        self.send(self.smtp(), "watched")
        self.received("watched")

    def test_stop_drains_and_leaves_nothing(self):
        s = self.smtp()
        self.send(s, "last")
        group = self.box.show("ControlGroup")
        self.box.run("systemctl", "stop", "wemmick")
        self.assertEqual(self.box.show("Result"), "success")
        self.assertEqual(self.box.show("ActiveState"), "inactive")
        left = self.box.run("sh", "-c", "cat /sys/fs/cgroup%s/cgroup.procs"
                            % group, check=False).stdout
        self.assertEqual(left, "")
        self.box.run("systemctl", "start", "wemmick")
        self.received("last")

    def test_socket_activation(self):
        self.box.write("/etc/systemd/system/wemmick.socket",
                       "[Socket]\nListenStream=25\n")
        self.box.run("systemctl", "stop", "wemmick")
        self.box.run("systemctl", "daemon-reload")
        self.box.run("systemctl", "start", "wemmick.socket")
        self.assertEqual(self.box.show("ActiveState"), "inactive")
        with socket.create_connection(("127.0.0.1", 25), 60) as early:
            self.assertEqual(early.recv(4), b"220 ")
        until(lambda: self.box.show("ActiveState") == "active",
              "the service that was woken")
        self.send(self.smtp(), "woken")
        self.received("woken")
        self.box.run("systemctl", "stop", "wemmick.socket", "wemmick")
