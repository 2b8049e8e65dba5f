"""Let the N-th system call of a running process fail, come short or kill it.

By strace where it can do it truthfully, else by meddle.py.
"""

import os
import re
import select
import signal
import time

from libwm import meddle, paths, procs
from libwm.testbed import alive

ATTACH_S = 20 * paths.PATIENCE
END_S = 2
FIRED = re.compile(r"\(INJECTED\)|killed by SIGKILL")
CALL = re.compile(r"^(\d+) +([a-z_0-9]+)\(", re.M)


def strace_words(call, fault, nth):
    """The words of strace's -e inject for a fault."""
    how = "signal=KILL" if fault == "KILL" else "error=" + fault
    return ["-e", "trace=" + call,
            "-e", "inject=%s:%s:when=%d" % (call, how, nth)]


def filtered(pid):
    """Has the process a system call filter?"""
    s = procs.status(pid)
    return s is not None and s.get("Seccomp") == "2"


def needs_meddler(pid, call, fault):
    """Is it more than strace can do truthfully?"""
    return fault != "KILL" and (
        filtered(pid) or call == "brk" or fault in ("short", "EOF") or
        fault.startswith(("late-", "always-")))


class Inject:
    """One fault in a process that runs: with Inject(…) as i: …; i.fired()"""

    def __init__(self, pid, call, fault, nth, out, follow=True):
        self.pid, self.out, self.follow = pid, out, follow
        self.what_to_do = (call, fault, nth)
        self.tracer = self.said = None

    def __enter__(self):
        with open(self.out, "wb"):
            pass
        self.said, said = os.pipe()
        try:
            self.tracer = self.fork(said)
        finally:
            os.close(said)
        self.wait_attached()
        return self

    def fork(self, said):
        """The tracer's pid; it writes to `said` once it has attached."""
        call, fault, nth = self.what_to_do
        if not needs_meddler(self.pid, call, fault):
            return self.strace(strace_words(call, fault, nth), said)
        return self.meddle(meddle.Meddler(
            self.pid, call, fault, nth, self.out, self.follow), said)

    @staticmethod
    def meddle(meddler, said):
        pid = os.fork()
        if pid == 0:
            meddle.trace(meddler, said)
        return pid

    def strace(self, words, said):
        words = ["strace", *["-f"] * self.follow, "-o", self.out, *words,
                 "-p", str(self.pid)]
        return os.posix_spawn("/usr/bin/strace", words, os.environ,
                              file_actions=[(os.POSIX_SPAWN_DUP2, said, 2)])

    def wait_attached(self):
        end = time.monotonic() + ATTACH_S
        said = b""
        while b"attached" not in said:
            left = max(0, end - time.monotonic())
            more = select.select([self.said], [], [], left)[0] and \
                os.read(self.said, 4096)
            if not more:
                self.stop()
                raise TimeoutError("not attached: %r, traced by %s" % (
                    said, (procs.status(self.pid) or {}).get("TracerPid")))
            said += more

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Let go of the process."""
        if self.tracer is None:
            return
        try:
            os.kill(self.tracer, signal.SIGTERM)  # at most a zombie
            if not ended(self.tracer, END_S):
                # strace may wait for threads that somebody killed.
                os.kill(self.tracer, signal.SIGKILL)
                os.waitpid(self.tracer, 0)
        finally:
            os.close(self.said)
            self.tracer = None

    def text(self):
        with open(self.out, encoding="utf-8", errors="replace") as f:
            return f.read()

    def fired(self):
        if self.what_to_do[1] == "KILL" and self.gone():
            return True  # strace may not have come to writing it down
        return bool(FIRED.search(self.text()))

    def what(self):
        """The line of the call that was hit, for a report."""
        for line in self.text().splitlines():
            if FIRED.search(line):
                return line[:200]
        return ""

    def gone(self):
        return not alive(self.pid)


class InjectChild(Inject):
    """The fault strikes the process's next child; with again, each one."""

    def __init__(self, *a, again=False):
        super().__init__(*a)
        self.again = again

    def fork(self, said):
        return self.meddle(meddle.ChildMeddler(
            self.pid, *self.what_to_do, self.out, again=self.again), said)

    def fired(self):
        return bool(FIRED.search(self.text()))


def ended(pid, seconds):
    """Wait for a child's end."""
    pidfd = os.pidfd_open(pid)
    try:
        if not select.select([pidfd], [], [], seconds)[0]:
            return False
    finally:
        os.close(pidfd)
    os.waitpid(pid, 0)
    return True


class Count(Inject):
    """No fault: which calls a process makes, and how many in a thread."""

    def __init__(self, pid, out, follow=True):
        super().__init__(pid, None, None, 0, out, follow)

    def fork(self, said):
        return self.strace([], said)

    def calls(self):
        """{call: the most that one thread made of it}"""
        text = self.text()
        # Without children strace does not say which process it is.
        return tally(text if self.follow else "\n".join(
            "0 " + line for line in text.splitlines()))


def tally(text):
    """{call: the most that one process made of it} of what strace wrote."""
    rows = {}
    for pid, name in CALL.findall(text):
        rows[pid, name] = rows.get((pid, name), 0) + 1
    most = {}
    for (_, name), n in rows.items():
        most[name] = max(n, most.get(name, 0))
    return most
