"""make install, the units, the manual."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from libwm import paths


class Install(unittest.TestCase):
    """Into a directory of its own."""

    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.tmp)
        cls.make(cls.tmp)

    @staticmethod
    def make(dest):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("MAKE")}
        done = subprocess.run(
            ["make", "-s", "install", "DESTDIR=" + dest, "PREFIX=/usr",
             "WERROR=1",
             "SAN=%d" % paths.sanitized(), "BUILD=" + os.path.relpath(
                 paths.build_dir(), paths.ROOT)],
            cwd=paths.ROOT, env=env, capture_output=True, text=True,
            check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def path(self, name):
        return self.tmp + name

    def test_programs_are_where_they_belong(self):
        for name in ("master", "smtpd", "queue", "router", "resolver",
                     "relay", "deliver", "bounce", "auth", "imapd",
                     "imap-usher", "pop3d", "pop3-usher"):
            mode = os.stat(self.path("/usr/libexec/wemmick/" + name)).st_mode
            self.assertEqual(stat.S_IMODE(mode), 0o755)
        for name in ("wemmick", "sendmail"):
            self.assertTrue(os.access(self.path("/usr/sbin/" + name),
                                      os.X_OK), name)

    def test_configuration_is_valid_and_never_overwritten(self):
        conf = self.path("/etc/wemmick/wemmick.conf")
        # The users wm-* come from sysusers.d, on a host of its own.
        trial = self.path("/trial.conf")
        shutil.copy(conf, trial)
        with open(trial, "a", encoding="ascii") as f:
            f.write('base-uid = 900000\ntable-directory = "%s"\n' %
                    self.path("/etc/wemmick/tables"))
        done = subprocess.run(
            [self.path("/usr/sbin/wemmick"), "-c", trial, "check"],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(conf, "a", encoding="ascii") as f:
            f.write("# mine\n")
        self.make(self.tmp)
        with open(conf, encoding="ascii") as f:
            self.assertIn("# mine", f.read())

    def test_units(self):
        unit = self.path("/lib/systemd/system/wemmick.service")
        with open(unit, encoding="ascii") as f:
            text = f.read()
        self.assertIn("ExecStart=/usr/libexec/wemmick/master", text)
        self.assertNotIn("@", text.replace("@system-service", "").replace(
            "@chown", "").replace("@setuid", "").replace("@resources", ""))
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd here")
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", unit],
            capture_output=True, text=True, check=False)
        complaints = [r for r in done.stderr.splitlines()
                      if "wemmick" in r and "not executable" not in r]
        self.assertEqual(complaints, [])

    def test_system_users_match_the_table_of_services(self):
        with open(self.path("/usr/lib/sysusers.d/wemmick.conf"),
                  encoding="ascii") as f:
            made = {row.split()[1] for row in f if row.startswith("u ")}
        with open(os.path.join(paths.ROOT, "master/services.c"),
                  encoding="ascii") as f:
            named = set(re.findall(r'"(wm-\w+)"', f.read()))
        self.assertEqual(made, named)

    def test_manual_pages(self):
        for page in ("man5/wemmick.conf.5", "man8/wemmick.8",
                     "man8/wemmick-master.8"):
            path = self.path("/usr/share/man/" + page)
            self.assertTrue(os.path.exists(path), page)
            if shutil.which("mandoc"):
                done = subprocess.run(
                    ["mandoc", "-T", "lint", "-W", "error", path],
                    capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)
