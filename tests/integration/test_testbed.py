"""The door that tests, benchmarks and outside clients use."""

import os
import subprocess
import tempfile
import unittest

from libwm import mail, paths
from libwm.faults import private_network
from libwm.testbed import Testbed, claim, free_port_base
from libwm.wire import Imap, Pop3, Smtp, tls_context


def testbed(*words):
    return subprocess.run([paths.TESTBED, *words], capture_output=True,
                          text=True, check=False)


class TestbedCommand(unittest.TestCase):
    """tests/testbed as another program uses it."""

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.addCleanup(self.tmp.cleanup)
        self.dir = os.path.join(self.tmp.name, "suite")
        self.addCleanup(lambda: Testbed(self.dir).load().kill_all())

    def up(self, *options):
        done = testbed("up", self.dir, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(row.split("=", 1) for row in done.stdout.splitlines())

    def down(self):
        done = testbed("down", self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_up_prints_what_a_client_needs(self):
        v = self.up()
        for name in ("HOST SMTP SUBMISSION SUBMISSIONS IMAP IMAPS POP3 POP3S "
                     "LMTP USER PASS USER2 PASS2 CAFILE").split():
            self.assertIn("WM_" + name, v)
        self.assertEqual(v["WM_USER"], "pip@example.test")
        tls = tls_context(v["WM_CAFILE"])
        with Imap(v["WM_HOST"], int(v["WM_IMAPS"]), tls=tls) as c:
            c.login(v["WM_USER"], v["WM_PASS"])
        with Pop3(v["WM_HOST"], int(v["WM_POP3"])) as c:
            c.starttls(tls)
            c.login(v["WM_USER2"], v["WM_PASS2"])
        self.down()

    def test_up_again_has_the_same_ports_and_the_data(self):
        before = self.up("--cleartext", "--users", "2")
        with Smtp(before["WM_HOST"], int(before["WM_SMTP"])) as s:
            s.ehlo()
            self.assertEqual(s.mail("a@example.org", ["u2@example.test"],
                                    mail.make(1))[0], 250)
        self.down()
        after = self.up()
        self.assertEqual({k: v for k, v in before.items() if k != "WM_PID"},
                         {k: v for k, v in after.items() if k != "WM_PID"})
        with Pop3(after["WM_HOST"], int(after["WM_POP3"])) as c:
            c.login("u2@example.test", "pw")
            self.assertEqual(mail.original(c.retrieve(1)), mail.make(1))
        self.down()

    def test_config_file_adds_settings(self):
        extra = os.path.join(self.tmp.name, "extra")
        with open(extra, "w", encoding="ascii") as f:
            f.write("message-size-limit = 65536\n")
        v = self.up("--config", extra)
        with Smtp(v["WM_HOST"], int(v["WM_SMTP"])) as s:
            self.assertIn("SIZE 65536", s.ehlo())
        self.down()

    def test_down_leaves_no_process(self):
        self.up()
        bed = Testbed(self.dir).load()
        self.assertTrue(bed.processes())
        self.down()
        self.assertFalse(bed.processes())

    def test_nothing_outside_the_directory_and_no_users(self):
        with open("/etc/passwd", "rb") as f:
            before = f.read()
        self.up()
        self.down()
        with open("/etc/passwd", "rb") as f:
            self.assertEqual(f.read(), before)
        for place in ("/etc/wemmick", "/var/lib/wemmick", "/run/wemmick"):
            self.assertFalse(os.path.exists(place), place)


class Claims(unittest.TestCase):
    """Two suites with the same uids would kill each other's processes."""

    def test_a_base_is_had_once_also_from_another_network(self):
        base = free_port_base()
        self.assertFalse(claim(base))
        pid = os.fork()
        if pid == 0:
            private_network()
            os._exit(1 if claim(base) else 0)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
