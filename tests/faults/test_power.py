"""Power cuts: what was acknowledged is there when the machine comes back.

The state lies on a file system inside a file on another one, and the outer one
is cut: the inner one's writes and syncs are then what a disk would have seen.
(Cutting the inner one would keep what was written and never synced.)
"""

import fcntl
import os
import random
import struct
import subprocess
import time

from libwm.case import SuiteCase
from libwm.load import Load
from test_disk import MIB, private_mounts

USERS = ["u1", "u2", "u3"]
ROUNDS = int(os.environ.get("WM_TEST_ROUNDS", "4"))
SEED = int(os.environ.get("WM_TEST_SEED", "1"))
GOINGDOWN = 0x8004587d  # ext4: _IOR('X', 125, __u32)
NO_LOG_FLUSH = struct.pack("I", 2)


class PowerCut(SuiteCase):
    """The moments come from a seed, as in test_crash."""

    OPTIONS = {"users": len(USERS)}
    TIMEOUT = 600

    @classmethod
    def config(cls):
        # Small segments: some are filled, freed and folded on the way.
        return ("queue-segment-size = 4194304\nqueue-retry-min = 1\n"
                "queue-retry-max = 2\n")

    @classmethod
    def mount(cls):
        outer = os.path.join(cls.tmp, "outer")
        os.makedirs(outer, exist_ok=True)
        state = cls.bed.path("state")
        os.makedirs(state, exist_ok=True)
        subprocess.run(["mount", "-o", "loop", outer + ".img", outer],
                       check=True)
        inner = os.path.join(outer, "inner.img")
        if not os.path.exists(inner):
            with open(inner, "wb") as f:
                os.posix_fallocate(f.fileno(), 0, 500 * MIB)
            subprocess.run(["mkfs.ext4", "-q", "-m0", "-F", inner],
                           check=True)
        subprocess.run(["mount", "-o", "loop", inner, state], check=True)

    @classmethod
    def umount(cls):
        for path in (cls.bed.path("state"), os.path.join(cls.tmp, "outer")):
            subprocess.run(["umount", path], check=False,
                           stderr=subprocess.DEVNULL)

    @classmethod
    def before_up(cls):
        private_mounts()
        image = os.path.join(cls.tmp, "outer.img")
        with open(image, "wb") as f:
            f.truncate(700 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-m0", "-F", image], check=True)
        cls.mount()
        cls.addClassCleanup(cls.umount)

    def cut(self):
        """The power is gone, and comes back."""
        fd = os.open(os.path.join(self.tmp, "outer"), os.O_RDONLY)
        fcntl.ioctl(fd, GOINGDOWN, NO_LOG_FLUSH)
        os.close(fd)
        self.bed.kill_all()
        self.umount()
        self.mount()
        self.bed.start()

    def test_nothing_acknowledged_is_lost(self):
        moments = random.Random(SEED)
        load = Load(self.bed, USERS)
        with load:
            for _ in range(ROUNDS):
                load.wait_more(30)
                # The moment is what is random here.
                time.sleep(moments.uniform(0, 0.5))
                self.cut()
            load.wait_more(5)
        # Refused because the disk answered no more: it may be there.
        load.unknown.update(load.refused)
        load.refused.clear()
        load.settle(self)
