"""The system calls of running daemons: write them down, or stop after one.

strace does both. A step is a call that changes what is on disk: a write, a
sync, a rename, a link, a directory made. `record()` lists those of a run; and
`Stop` lets another run go up to one of them and no further: the process is
stopped in its kernel entry and nothing of it runs on.
"""

import collections
import os
import re
import select
import signal
import subprocess
import tempfile
import time

from libwm import paths

WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2",
          "copy_file_range", "ftruncate", "fallocate")
SYNCS = ("fsync", "fdatasync", "syncfs", "sync_file_range")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat", "unlink",
         "unlinkat", "mkdir", "mkdirat", "rmdir")
CALLS = WRITES + SYNCS + NAMES
# In the whole of a target: which thread or child it is does not count.
ANY = "any"
ATTACH_S = 20 * paths.PATIENCE

Step = collections.namedtuple("Step", "target thread call number")


def text_of(step):
    return ":".join(str(x) for x in step)


def parse_step(text):
    target, thread, call, number = text.split(":")
    return Step(target, thread if thread == ANY else int(thread), call,
                int(number))


def threads(pid):
    return sorted(int(t) for t in os.listdir("/proc/%d/task" % pid))


class Strace:
    """One strace with its output in a pipe or a file."""

    TRIES = 3  # it gives up at calls that begin just when it attaches

    def __init__(self, words, out):
        self.words = ["strace", "-o", out, *words]
        self.tries = self.TRIES
        self.begin()

    def begin(self):
        self.tries -= 1
        self.noise = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=self.noise,
            stderr=self.noise, start_new_session=True)

    def wait_attached(self, count):
        """strace tells of each process, with all its threads."""
        end = time.monotonic() + ATTACH_S
        while True:
            said = self.said()
            if said.count(" attached") >= count:
                return
            if self.child.poll() is not None and self.tries > 0:
                self.noise.close()
                self.begin()
            elif self.child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("strace: " + said)
            time.sleep(0.005)

    def said(self):
        self.noise.seek(0)
        return self.noise.read().decode("utf-8", "replace")

    def end(self):
        """It lets go of what it holds."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.noise.close()


class Record:
    """What processes do to the files under some directories.

    pids: those of a target that runs; or none, and wrap() gives the words to
    put in front of a command.
    """

    def __init__(self, target, roots, pids=(), by_thread=True):
        self.target = target
        self.roots = [r + "/" for r in roots]
        self.out = tempfile.NamedTemporaryFile(prefix="steps-")
        self.known = [t for p in pids for t in threads(p)] if by_thread \
            else []
        self.strace = None
        if pids:
            self.strace = Strace([*self.options(), *(
                w for p in pids for w in ("-p", str(p)))], self.out.name)
            self.strace.wait_attached(len(pids))

    def options(self):
        return ["-f", "-y", "-s", "0", "-e", "trace=" + ",".join(CALLS),
                "-e", "signal=none"]

    def wrap(self):
        return ["strace", "-o", self.out.name, *self.options()]

    def end(self):
        """The steps, in their order."""
        if self.strace:
            self.strace.end()
        counts = collections.Counter()
        found = {}
        with open(self.out.name, encoding="utf-8", errors="replace") as f:
            for row in f:
                m = re.match(r"(\d+) +(\w+)\((.*)", row)
                if not m:
                    continue  # the end of a call, or of a process
                tid = int(m[1])
                counts[tid, m[2]] += 1
                if any(r in m[3] for r in self.roots):
                    thread = self.known.index(tid) if tid in self.known \
                        else ANY
                    found[Step(self.target, thread, m[2],
                               counts[tid, m[2]])] = True
        self.out.close()
        return list(found)


class Stop:
    """Lets processes run up to a step."""

    def __init__(self, step, tmp, pids=()):
        self.step = step
        self.text = b""
        self.path = os.path.join(tmp, "stop.fifo")
        if os.path.exists(self.path):
            os.unlink(self.path)
        os.mkfifo(self.path)
        self.reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.words = ["-e", "trace=" + step.call, "-e", "signal=SIGSTOP",
                      "-e", "inject=%s:signal=SIGSTOP:when=%d" % (
                          step.call, step.number)]
        if step.thread == ANY:
            self.words.insert(0, "-f")
        elif pids:
            pids = [[t for p in pids for t in threads(p)][step.thread]]
        self.strace = None
        if pids:
            self.strace = Strace([*self.words, *(
                w for p in pids for w in ("-p", str(p)))], self.path)
            self.strace.wait_attached(len(pids))

    def wrap(self):
        """The words to put in front of a command."""
        return ["strace", "-o", self.path, *self.words]

    def wait(self, other, seconds):
        """True: stopped there. False: `other` became readable first."""
        end = time.monotonic() + seconds
        watched = [self.reader, other]
        while True:
            left = max(0, end - time.monotonic())
            ready = select.select(watched, [], [], left)[0]
            if not ready:
                raise TimeoutError("neither %s nor the end of the scenario" %
                                   text_of(self.step))
            if self.reader in ready:
                more = os.read(self.reader, 65536)
                self.text += more
                if b"stopped by SIGSTOP" in self.text:
                    return True
                if not more:
                    watched = [other]  # strace has ended
            elif other in ready:
                return False

    def end(self):
        if self.strace:
            self.strace.end()
        os.close(self.reader)
