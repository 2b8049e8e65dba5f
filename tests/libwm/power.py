"""A file system whose power can be cut, and what a disk may do to it then.

The file system under test lies on a loop file inside another one, both in
memory, and the outer one is shut down without a flush of its log. The loop
file's page cache is then the disk's volatile cache: what the inner file system
wrote is in it, what it flushed is in the outer one's file, and only the latter
is there afterwards. (Cutting the inner one keeps what was written and never
synced.)

Torn writes. A disk that loses power has every sector it was told to flush; of
those written since, each may be the old or the new one, in any order. So at
the cut both are read: `new` from the loop file's page cache (by a mapping,
which a file system that was shut down still serves), and after the remount
`old` from the file itself. Where they differ the sector was written and not
flushed, and only there something is changed, at random:
- a sector that belongs to the content of a file: old, new, or as the head was
  just over it: the bytes that were being changed are noise. (Noise stays
  within the first and the last byte that differ, so what was synced in the
  same sector is never touched: disks do keep that.)
- any other sector (directories, inodes, the journal of the file system): old
  or new, in pieces of 4 KiB, the least that ext4 and XFS are made for.

So that there is something to tear, what a busy kernel may have done by itself
until then is done at random before such a cut: contents of some files are
written out without a flush, and the file system's journal is committed by a
sync of a file nobody knows (names are durable then, contents are not).
"""

import array
import ctypes
import fcntl
import mmap
import os
import random
import shutil
import struct
import subprocess
import uuid

from libwm.follow import until

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64,
                                 ctypes.c_int64, ctypes.c_uint]
WRITE_AND_WAIT = 6
GOINGDOWN = 0x8004587D  # _IOR('X', 125, __u32), the same for ext4 and XFS
NO_LOG_FLUSH = struct.pack("I", 2)
FIEMAP = 0xC020660B
MIB = 1 << 20
SECTOR, BLOCK = 512, 4096
BOOT_ID = "/proc/sys/kernel/random/boot_id"
MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-m0", "-N", "16384", "-J", "size=8",
             "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}
INNER_SIZE = 320 * MIB  # the least that XFS takes is 300


def is_mounted(path):
    """Also where the file system answers nothing any more."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return any(row.split(" ")[1] == path for row in f)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def data_ranges(fd):
    """[(start, end)] of what a sparse file holds."""
    found, at = [], 0
    size = os.fstat(fd).st_size
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(fd, at, os.SEEK_HOLE)
        found.append((at, end))
        at = end
    return found


def files(root):
    """A descriptor of each regular file, open for a moment."""
    for top, _, names in os.walk(root):
        for name in names:
            try:
                fd = os.open(os.path.join(top, name),
                             os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue  # a socket, or a link
            try:
                yield fd
            finally:
                os.close(fd)


def file_blocks(root):
    """Numbers of the 4 KiB blocks that hold content of regular files."""
    blocks = set()
    for fd in files(root):
        for start, length in extents(fd):
            blocks.update(range(start // BLOCK, (start + length) // BLOCK))
    return blocks


def write_out(root, rng, share):
    """To the disk, which is not told to keep it."""
    for fd in files(root):
        if rng.random() < share:
            LIBC.sync_file_range(fd, 0, 0, WRITE_AND_WAIT)


def commit(root):
    """The file system's journal; only a file of ours is named."""
    path = os.path.join(root, "commit")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(fd, b"x")
    os.fsync(fd)
    os.close(fd)


def extents(fd):
    """(physical byte, length) of a file as it is laid out by now."""
    at, last = 0, False
    while not last:
        room = 64
        buf = array.array("B", struct.pack("=QQIIII", at, (1 << 64) - 1 - at,
                                           0, 0, room, 0) + bytes(room * 56))
        fcntl.ioctl(fd, FIEMAP, buf)
        count = struct.unpack_from("=I", buf, 20)[0]
        last = count == 0
        for i in range(count):
            logical, physical, length = struct.unpack_from(
                "=QQQ", buf, 32 + i * 56)
            flags = struct.unpack_from("=I", buf, 32 + i * 56 + 40)[0]
            at, last = logical + length, bool(flags & 1)
            if not flags & 0x206:  # unknown, delayed or inline
                yield physical, length


class Sight:
    """The loop file as its page cache has it, to be read after the cut."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)
        self.map = mmap.mmap(self.fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
        self.address = None
        with open("/proc/self/maps", encoding="ascii") as maps:
            for row in maps:
                if row.rstrip().endswith(path):
                    self.address = int(row.split("-")[0], 16)
        self.ranges = data_ranges(self.fd)

    def read(self):
        """{offset: bytes}, a MiB each. What cannot be read was not cached,
        so it was not dirty either."""
        found = {}
        with open("/proc/self/mem", "rb", buffering=0) as mem:
            for start, end in self.ranges:
                for at in range(start, end, MIB):
                    found.update(self.read_piece(mem, at, min(MIB, end - at)))
        self.map.close()
        os.close(self.fd)
        return found

    def read_piece(self, mem, at, n):
        step = n
        try:
            data = os.pread(mem.fileno(), n, self.address + at)
            if len(data) == n:
                return {at: data}
        except OSError:
            if n <= BLOCK:
                return {}
        step = BLOCK
        found = {}
        for i in range(at, at + n, step):
            found.update(self.read_piece(mem, i, step))
        return found


def noise(rng, old, new):
    """new, with garbage where it differs from old."""
    first = next(i for i in range(SECTOR) if old[i] != new[i])
    last = next(i for i in range(SECTOR - 1, -1, -1) if old[i] != new[i])
    return new[:first] + rng.randbytes(last + 1 - first) + new[last + 1:]


class Tear:
    """Decides what becomes of each sector that was not flushed."""

    def __init__(self, seed, content):
        self.rng = random.Random(seed)
        self.content = content
        # Mostly old, mostly new, or anything: each is a history of its own.
        self.share = self.rng.choice([0.1, 0.5, 0.5, 0.9, 1.0])
        self.noisy = self.rng.choice([0, 0, 0.05, 0.3])
        self.counts = {"old": 0, "new": 0, "noise": 0}

    def note(self, what, piece):
        self.counts[what] += 1
        return piece

    def sector(self, old, new):
        if self.rng.random() < self.noisy:
            return self.note("noise", noise(self.rng, old, new))
        if self.rng.random() < self.share:
            return self.note("new", new)
        return self.note("old", old)

    def block(self, number, old, new):
        if number not in self.content:
            take = self.rng.random() < self.share
            return self.note(*(("new", new) if take else ("old", old)))
        out = []
        for i in range(0, len(old), SECTOR):
            a, b = old[i:i + SECTOR], new[i:i + SECTOR]
            out.append(a if a == b else self.sector(a, b))
        return b"".join(out)

    def apply(self, path, seen):
        """Write what the disk made of it. seen: Sight.read()'s."""
        with open(path, "r+b", buffering=0) as f:
            for at, new in seen.items():
                old = os.pread(f.fileno(), len(new), at)
                old += bytes(len(new) - len(old))
                if old == new:
                    continue
                for i in range(0, len(new), BLOCK):
                    a, b = old[i:i + BLOCK], new[i:i + BLOCK]
                    if a != b:
                        os.pwrite(f.fileno(), self.block(
                            (at + i) // BLOCK, a, b), at + i)


class Disk:
    """What lies under `places` (directories of a suite) can lose power."""

    def __init__(self, tmp, fs, places):
        self.fs = fs
        self.places = places
        self.ram = os.path.join(tmp, "ram")
        self.outer = os.path.join(tmp, "outer")
        self.inner = os.path.join(tmp, "disk")
        self.image = os.path.join(self.ram, "outer.img")
        self.loop_file = os.path.join(self.outer, "inner.img")
        self.boot_id = os.path.join(self.ram, "boot_id")
        self.seen = self.content = None
        self.counts = {}

    def make(self):
        """Everything new and empty, and mounted. In private mounts only."""
        for d in (self.ram, self.outer, self.inner, *self.places):
            os.makedirs(d, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "size=2g", "powercut", self.ram)
        with open(self.image, "wb") as f:
            f.truncate(INNER_SIZE + 128 * MIB)
        run(*MKFS["ext4"], self.image)
        run("mount", "-o", "loop", self.image, self.outer)
        with open(self.loop_file, "wb") as f:
            f.truncate(INNER_SIZE)
        run(*MKFS[self.fs], self.loop_file)
        run("mount", "-o", "loop", self.loop_file, self.inner)
        for place in self.places:
            os.mkdir(self.at(place))
        self.bind()
        with open(self.boot_id, "w", encoding="ascii") as f:
            f.write(str(uuid.uuid4()) + "\n")
        # Programs that look whether there was a boot must see one.
        run("mount", "--bind", self.boot_id, BOOT_ID)

    def at(self, place):
        return os.path.join(self.inner, os.path.basename(place))

    def bind(self):
        for place in self.places:
            run("mount", "--bind", self.at(place), place)

    def mount(self):
        """After a boot."""
        run("mount", "-o", "loop", self.image, self.outer)
        run("mount", "-o", "loop", self.loop_file, self.inner)
        self.bind()
        with open(self.boot_id, "w", encoding="ascii") as f:
            f.write(str(uuid.uuid4()) + "\n")

    def umount(self, check=True):
        for path in (*reversed(self.places), self.inner, self.outer):
            if not is_mounted(path):
                continue
            # Whoever looks at loop devices keeps one busy for a moment.
            try:
                until(lambda path=path: subprocess.run(
                    ["umount", path], check=False,
                    stderr=subprocess.DEVNULL).returncode == 0,
                      "umount of " + path, 30)
            except TimeoutError:
                if check:
                    raise

    def remove(self):
        self.umount(check=False)
        for path in (BOOT_ID, self.ram):
            subprocess.run(["umount", path], check=False,
                           stderr=subprocess.DEVNULL)

    # -- the power -----------------------------------------------------------

    def bustle(self, rng):
        """What the kernel may do by itself, see above."""
        if rng.random() < 0.5:
            write_out(self.inner, rng, rng.random())
        if rng.random() < 0.5:
            commit(self.inner)
        write_out(self.inner, rng, rng.choice([0, 0.5, 1]))

    def cut(self, tear_seed=None):
        """The power is gone. With a seed it is to be restored with torn
        sectors; the processes of the suite must be stopped for that."""
        sight = None
        self.seen = None
        if tear_seed is not None:
            self.bustle(random.Random(tear_seed))
            self.content = file_blocks(self.inner)
            sight = Sight(self.loop_file)
        fd = os.open(self.outer, os.O_RDONLY)
        fcntl.ioctl(fd, GOINGDOWN, NO_LOG_FLUSH)
        os.close(fd)
        if sight:
            self.seen = sight.read()

    def restore_power(self, tear_seed=None):
        """The machine boots; nothing of before runs any more."""
        self.umount()
        if tear_seed is not None and self.seen is not None:
            run("mount", "-o", "loop", self.image, self.outer)
            tear = Tear(tear_seed, self.content)
            tear.apply(self.loop_file, self.seen)
            self.counts = tear.counts
            run("umount", self.outer)
        self.mount()

    # -- copies --------------------------------------------------------------

    def copy(self, name):
        return os.path.join(self.ram, name)

    def save(self, name):
        """Keep it as it is. Nothing may run."""
        self.umount()
        run("cp", "--sparse=always", self.image, self.copy(name))
        self.mount()

    def take_back(self, name):
        """As it was when saved."""
        self.umount()
        run("cp", "--sparse=always", self.copy(name), self.image)
        self.mount()

    def forget(self, name):
        if os.path.exists(self.copy(name)):
            os.unlink(self.copy(name))


def tools_missing(fs):
    """What this file system's tests need and is not there, or None."""
    for tool in (MKFS[fs][0], "strace", "mount"):
        if not shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return tool
    if shutil.which("modprobe", path="/usr/sbin:/sbin"):
        subprocess.run(["modprobe", "-q", fs], check=False)
    with open("/proc/filesystems", encoding="ascii") as f:
        return None if fs in f.read().split() else "the kernel's " + fs
