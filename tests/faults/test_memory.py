"""No memory at the N-th time of asking, in programs that run.

`tests/faults/sweep --build BUILD/nomem --call malloc` is the whole: every N
of every scenario. What it found stands here.
"""

import os
import shutil
import tempfile
import unittest

from libwm import nomem, paths
from libwm.faults import EVERYTHING
from libwm.sweep import Point, Runner

SHM = "/dev/shm"
# scenario, process: the times that told most
POINTS = {
    ("accept", "smtpd"): [1, 5, 20, 40], ("accept", "queue"): [1, 4, 9, 20],
    ("large", "queue"): [1, 2], ("deliver", "deliver"): [1, 2],
    # A sender that could not be looked at is not one that is none.
    ("relay", "relay"): [1, 4, 7, 8, 9, 10, 11, 12],
    ("bounce", "bounce"): [1, 3],
    # Nor is a mailbox name, nor a password.
    ("append", "session"): [1, 2, 3, 4, 7], ("move", "session"): [4, 7],
    ("login", "auth"): [1, 2, 3, 4, 5], ("login", "imapd"): [1, 4],
}


@unittest.skipIf(EVERYTHING, "all of it is a part of `make faults` by itself")
@unittest.skipIf(paths.sanitized(), "ASan has a malloc() of its own")
class NoMemory(unittest.TestCase):
    """What asked may end or say no; nothing is lost, nothing refused for
    good, and the service is back."""

    TIMEOUT = 400

    @classmethod
    def setUpClass(cls):
        where = os.path.join(paths.build_dir(), "nomem")
        if not os.path.isdir(where):
            raise unittest.SkipTest("run make nomem first")
        before = os.environ.get("WM_BUILD")
        os.environ["WM_BUILD"] = where
        cls.addClassCleanup(cls.put_back, before)
        cls.tmp = tempfile.mkdtemp(
            prefix="wemmick-nomem-", dir=SHM if os.path.isdir(SHM) else None)
        os.chmod(cls.tmp, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.tmp, ignore_errors=True)
        cls.runner = Runner(cls.tmp)
        cls.addClassCleanup(cls.runner.close)

    @staticmethod
    def put_back(build):
        if build is None:
            os.environ.pop("WM_BUILD", None)
        else:
            os.environ["WM_BUILD"] = build

    def test_nothing_is_lost_for_want_of_memory(self):
        for subject, numbers in POINTS.items():
            struck = 0
            for n in numbers:
                row = self.runner.point(
                    Point(*subject, nomem.CALL, "ENOMEM", n))
                struck += bool(row["fired"])
                with self.subTest(point=row["point"]):
                    self.assertEqual(row["outcome"], "ok", "%s\n%s" % (
                        row["why"], row.get("log")))
            self.assertGreater(struck, 0, subject)
