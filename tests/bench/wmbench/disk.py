"""Where the servers keep their data: a file system of their own.

On a file system that others use, a sync waits for, and pays for, what they
have written, and what was deleted shortly before makes new files dear. So
a fresh ext4 is made in a file and mounted for this process and its children
alone; it is gone when they are.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import tempfile

CLONE_NEWNS = 0x20000
SIZE = 8 << 30  # of a sparse file
INODES = 1500000  # for a million deferred mails
LIBC = ctypes.CDLL(None, use_errno=True)


def quietly(*words):
    """Run a command. Did it succeed?"""
    with contextlib.suppress(OSError):
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False).returncode == 0
    return False


def own_mounts():
    """What we mount from here on is seen by us and our children only."""
    return LIBC.unshare(CLONE_NEWNS) == 0 and \
        quietly("mount", "--make-rprivate", "/")


class Disk:
    """A directory to work in: on a file system of its own, or given."""

    def __init__(self, parent=None):
        self.mounted = False
        self.dir = tempfile.mkdtemp(prefix="wemmick-bench-", dir=parent)
        if parent is None:
            self.mounted = self.mount()
        os.chmod(self.dir, 0o755)

    def mount(self):
        image = self.dir + ".img"
        try:
            with open(image, "wb") as f:
                os.truncate(f.fileno(), SIZE)
            # Nor shall the kernel fill its tables while we measure.
            return (quietly("mkfs.ext4", "-q", "-F", "-N", str(INODES),
                            image) and
                    own_mounts() and
                    quietly("mount", "-o", "loop,noinit_itable", image,
                            self.dir))
        finally:
            os.unlink(image)

    def describe(self):
        return "a fresh ext4 of its own in a file" if self.mounted else \
            "a file system shared with others"

    def close(self):
        if self.mounted:
            quietly("umount", "-l", self.dir)
            os.rmdir(self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
