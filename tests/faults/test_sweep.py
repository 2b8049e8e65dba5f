"""The points of tests/faults/sweep that tell most, in a suite of their own."""

import os
import shutil
import tempfile
import unittest

from libwm import meddle
from libwm.sweep import Point, Runner

SHM = "/dev/shm"
STRUCK_AT_LEAST = 0.8  # of the points: others' work moves calls about

# scenario, process: {call: {fault: occurrences}}
MAIL = {
    ("accept", "queue"): {
        "pwritev": {"EIO": [1, 2], "short": [1], "KILL": [1, 2]},
        "fdatasync": {"EIO": [1], "always-EIO": [1], "KILL": [1, 2]},
        "sendmsg": {"KILL": [1, 2, 3], "EPIPE": [1, 2], "short": [1]},
        "recvmsg": {"KILL": [2], "EOF": [1, 2]},
        "write": {"EIO": [1]}},
    ("accept", "smtpd"): {
        "accept4": {"EMFILE": [1]}, "recvmsg": {"EOF": [1], "KILL": [2]},
        "recvfrom": {"short": [1, 5]},
        "sendmsg": {"ENOMEM": [1], "KILL": [2]}},
    ("large", "queue"): {
        "openat": {"EMFILE": [1], "ENOSPC": [1]},
        "fsync": {"EIO": [1], "KILL": [1]}},
    ("large", "smtpd"): {"write": {"ENOSPC": [1], "short": [1]}},
    ("deliver", "deliver"): {
        "openat": {"ENOSPC": [1], "EMFILE": [1]},
        "writev": {"ENOSPC": [1], "short": [1]},
        "syncfs": {"EIO": [1, 2], "KILL": [1, 2]},
        "renameat2": {"EIO": [1], "late-EIO": [1], "KILL": [1]},
        "sendmsg": {"KILL": [1], "EPIPE": [1]}},
    ("relay", "relay"): {
        "connect": {"ECONNREFUSED": [1]}, "socket": {"EMFILE": [1]},
        "sendto": {"ECONNRESET": [2], "KILL": [5]},
        "sendmsg": {"KILL": [1]}},
    ("bounce", "bounce"): {"sendmsg": {"KILL": [1, 2], "EPIPE": [1]}},
}
MAILBOXES = {
    ("append", "session"): {
        "write": {"ENOSPC": [1], "short": [1]},
        "fdatasync": {"EIO": [1, 2], "KILL": [1, 2, 3]},
        "renameat2": {"EIO": [1], "KILL": [1]},
        "pwrite64": {"ENOSPC": [2], "always-ENOSPC": [4], "KILL": [2, 4]}},
    ("expunge", "session"): {
        "pwrite64": {"ENOSPC": [2], "KILL": [1, 2, 3]},
        "unlinkat": {"EIO": [1], "KILL": [1]}},
    ("move", "session"): {"renameat2": {"EIO": [1], "KILL": [1, 2]},
                          "fcntl": {"ENOLCK": [1, 2]}},
    ("fold", "session"): {"renameat": {"EIO": [1], "KILL": [1, 2]},
                          "fdatasync": {"EIO": [1], "KILL": [2]}},
    ("takein", "session"): {"renameat2": {"EIO": [1], "KILL": [1]},
                            "fdatasync": {"EIO": [1], "KILL": [1]}},
    ("first-login", "imap-usher"): {
        "clone": {"EAGAIN": [1]}, "setresuid": {"EAGAIN": [1]},
        "mkdirat": {"KILL": [2]}},
    ("login", "auth"): {"sendmsg": {"KILL": [1]}},
    ("login", "imap-usher"): {"sendmsg": {"KILL": [1]},
                              "openat2": {"EMFILE": [1]}},
}
STARTING = {
    ("start", "queue"): {"openat": {"EIO": [1, 4], "KILL": [5]},
                         "mmap": {"ENOMEM": [2]}},
    ("start", "deliver"): {"epoll_ctl": {"ENOMEM": [3, 4]}},
    ("start", "imap-usher"): {"recvmsg": {"KILL": [3]},
                              "write": {"short": [1]}},
    ("refused", "smtpd"): {
        "setresuid": {"EAGAIN": [1]}, "setgroups": {"EPERM": [1]},
        "chroot": {"EPERM": [1]}, "prctl": {"EPERM": [4, 5]},
        "seccomp": {"EPERM": [10]},
        "landlock_create_ruleset": {"EPERM": [1]}},
    ("refused", "imap-usher"): {"capset": {"EPERM": [1]}},
    ("restart", "master"): {"clone": {"EAGAIN": [1]},
                            "socketpair": {"EMFILE": [1, 3]}},
    ("restart-front", "master"): {"openat": {"EMFILE": [2, 3]}},
    ("reload", "master"): {"read": {"EINTR": [6], "EIO": [6]},
                           "memfd_create": {"EMFILE": [1]},
                           "clone": {"EAGAIN": [1]}},
}


def points(table):
    return [Point(scenario, target, call, fault, nth)
            for (scenario, target), calls in table.items()
            for call, faults in calls.items()
            for fault, numbers in faults.items() for nth in numbers]


@unittest.skipUnless(meddle.AVAILABLE, "x86-64 only")
class Sweep(unittest.TestCase):
    """`tests/faults/sweep` is the whole, and says how to run one again."""

    TIMEOUT = 400

    @classmethod
    def setUpClass(cls):
        base = SHM if os.path.isdir(SHM) else None
        cls.tmp = tempfile.mkdtemp(prefix="wemmick-sweep-", dir=base)
        os.chmod(cls.tmp, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.tmp, ignore_errors=True)
        cls.runner = Runner(cls.tmp)
        cls.addClassCleanup(cls.runner.close)

    def run_all(self, table):
        rows = [self.runner.point(p) for p in points(table)]
        bad = ["%s\n%s\n%s" % (Point(*r["point"]).words(), r["why"],
                               r["log"])
               for r in rows if r["outcome"] != "ok"]
        self.assertEqual(bad, [], "\n".join(bad))
        struck = sum(bool(r["fired"]) for r in rows)
        self.assertGreater(
            struck, len(rows) * STRUCK_AT_LEAST, "did not strike: %r" % [
                r["point"] for r in rows if not r["fired"]])

    def test_mail(self):
        self.run_all(MAIL)

    def test_mailboxes(self):
        self.run_all(MAILBOXES)

    def test_starting(self):
        self.run_all(STARTING)
