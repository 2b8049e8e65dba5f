"""Bad configuration files: rows F1 to F5 of README.md."""

import os
import re
import signal
import socket
import subprocess
import unittest

from libwm import paths
from libwm.case import SuiteCase

GOOD = b'hostname = "mail.example.test"\n'
# libconfuse reads byte by byte, which takes long where ASan watches.
LONG = 100000 if paths.sanitized() else 10000000
# name, text, what `wemmick check` must say, with file and line
BAD = (
    ("F1 unknown key", GOOD + b"nonsense = 1\n", r":2: no such key"),
    ("F1 no equals sign", b'hostname "x.test"\n', r":1: missing equal"),
    ("F1 byte order mark", b"\xef\xbb\xbf" + GOOD, r":1: no such key"),
    ("F1 NUL", b'hostname = "a\0b.test"\n', r": it holds a NUL"),
    ("F1 NUL in a comment", GOOD + b"# \0\n", r": it holds a NUL"),
    ("F1 line of 10 MB", b'hostname = "' + b"x" * LONG + b'"\n',
     r":1: hostname"),
    ("F1 string without end", b'hostname = "a\nworkers = 1\n', r":\d+: "),
    ("F1 list without end", b'domains = {"a.test",\n', r":\d: "),
    ("F1 brace too many", GOOD + b"}\n", r":2: "),
    ("F1 nothing but noise", bytes(range(1, 256)), r":\d+: "),
    ("F2 number with a letter", b"workers = 10x\n", r":1: workers wants"),
    ("F2 negative number", b"workers = -1\n", r":1: workers wants"),
    ("F2 exponent", b"message-size-limit = 1e9\n", r":1: .* wants a size"),
    ("F2 nothing", b"workers =\n", r":\d: "),
    ("F2 empty text", b'workers = ""\n', r":1: workers wants"),
    ("F2 beyond 64 bits", b"message-size-limit = 99999999999999999999\n",
     r":1: .* must lie between"),
    ("F2 beyond its range", b"workers = 257\n", r":1: .* must lie between"),
    ("F2 below its range", b"recipients-limit = 99\n",
     r":1: .* must lie between"),
    ("F2 unit that is none", b"idle-timeout = 5q\n", r":1: .* wants a time"),
    ("F2 unit twice", b"message-size-limit = 5MM\n", r":1: .* wants a size"),
    ("F3 it includes itself", b'include("%s")\n', r":\d+: .*"),
    ("F3 include that is not there", b'include("/nowhere/x.conf")\n',
     r":1: /nowhere"),
)
# Policy: these are taken. A key that comes twice counts as it was given
# last, so that a file may be included and then changed.
TAKEN = (
    ("F1 CRLF", GOOD.replace(b"\n", b"\r\n")),
    ("F1 no line end at the end", GOOD.rstrip()),
    ("F1 key that comes twice", GOOD + b'hostname = "last.example.test"\n'),
)


class Config(unittest.TestCase):
    """What `wemmick check` says of a file."""

    def check(self, text, mode=0o600):
        path = os.path.join(os.environ.get("TMPDIR", "/tmp"),
                            "bad-%d.conf" % os.getpid())
        with open(path, "wb") as f:
            f.write(text.replace(b"%s", path.encode()))
        os.chmod(path, mode)
        self.addCleanup(os.unlink, path)
        done = subprocess.run([paths.program("wemmick"), "-c", path, "check"],
                              capture_output=True, check=False, timeout=60)
        out = (done.stdout + done.stderr).decode("utf-8", "replace")
        return done.returncode, [row[len(path):] for row in out.split("\n")
                                 if row.startswith(path)]

    def test_f4_file_that_anybody_may_write(self):
        code, rows = self.check(GOOD, 0o666)
        self.assertNotEqual(code, 0)
        self.assertTrue(any("anybody can write" in r for r in rows), rows)


def give_tests():
    def bad(name, text, wanted):
        def test(self):
            code, rows = self.check(text)
            self.assertNotEqual(code, 0)
            self.assertTrue(any(re.match(wanted, r) for r in rows),
                            str(rows)[:400])
        setattr(Config, "test_" + re.sub(r"\W+", "_", name).lower(), test)

    def taken(name, text):
        def test(self):
            self.assertEqual(self.check(text)[1], [])
        setattr(Config, "test_" + re.sub(r"\W+", "_", name).lower(), test)
    for row in BAD:
        bad(*row)
    for row in TAKEN:
        taken(*row)


give_tests()


class Running(SuiteCase):
    """What a suite does with bad files and places."""

    def master(self, change):
        """Start another master on a changed configuration: its end."""
        with open(self.bed.conf, encoding="utf-8") as f:
            text = change(re.sub('(?m)^log = .*', 'log = "stderr"',
                                 f.read()))
        path = self.write("other.conf", text)
        return subprocess.run([paths.program("master"), "-c", path],
                              capture_output=True, check=False, text=True,
                              timeout=60)

    def test_f1_running_suite_keeps_what_it_had(self):
        with open(self.bed.conf, "rb") as f:
            good = f.read()
        self.addCleanup(self.rewrite, good)
        for text in (good + b"nonsense = 1\n", good + b"# \0\n", b""):
            log = self.follow()
            self.rewrite(text)
            os.kill(self.bed.pid(), signal.SIGHUP)
            log.wait("event=(reload-refused|reloaded|reload-failed)")
            self.assertIn("event=reload-refused", log.text)
            self.assertEqual(self.smtp().code("NOOP"), 250)

    def rewrite(self, text):
        with open(self.bed.conf, "wb") as f:
            f.write(text)

    def test_f4_key_that_others_may_read(self):
        key = self.bed.path("key.pem")
        os.chmod(key, 0o644)
        self.addCleanup(os.chmod, key, 0o600)
        done = self.bed.wemmick("check", check=False)
        self.assertIn("can be read by others", done.stdout + done.stderr)

    def test_f5_port_that_is_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            done = self.master(lambda text: re.sub(
                r"(?m)^(listen-\w+) = .*", r"\1 = {}", text).replace(
                    "listen-smtp = {}",
                    'listen-smtp = {"127.0.0.1:%d"}' % port))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(port), done.stderr)
        self.assertEqual(self.smtp().code("NOOP"), 250)

    def test_f5_users_that_are_missing(self):
        done = self.master(lambda text: re.sub(
            r"(?m)^base-uid = .*", "", text))
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, "wm-|user")

    def test_f5_directory_that_cannot_be(self):
        done = self.master(lambda text: re.sub(
            r"(?m)^state-directory = .*", 'state-directory = "/dev/null/x"',
            text))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/dev/null/x", done.stderr)
