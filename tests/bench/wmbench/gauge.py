"""What a group of processes costs: CPU, memory, system calls, switches.

A server and all it starts live in a control group of their own, so that no
child is missed however short it lived. Where control groups cannot be made,
/proc is asked, in clock ticks.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from libwm import procs

TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")
JOIN = 'echo $$ >"$0" && exec "$@"'


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def mounts(kind):
    """(mount point, options) of every file system of a kind."""
    for line in read("/proc/self/mounts").splitlines():
        _, where, fs, options = line.split()[:4]
        if fs == kind:
            yield where, options.split(",")


def own_group(controller=""):
    """The path of our own control group in a hierarchy."""
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    return ""


def group_places():
    """Directories where a group may be made, the best kind first."""
    for where, _ in mounts("cgroup2"):
        yield "v2", os.path.join(where, own_group())
        yield "v2", where
    for where, options in mounts("cgroup"):
        if "cpuacct" in options:
            yield "v1", where


class Group:
    """The processes of one server."""

    def __init__(self, name):
        self.kind, self.path = "proc", None
        self.mount = None
        self.roots = []
        name = "wm-bench-%d-%s" % (os.getpid(), name)
        for kind, where in group_places():
            path = os.path.join(where, name)
            try:
                os.mkdir(path)
                self.kind, self.path = kind, path
                self.cpu_us()
                return
            except OSError:
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                self.kind, self.path = "proc", None

    def wrap(self):
        """Words to put before a command so that it runs in the group."""
        if self.path is None:
            return []
        return ["/bin/sh", "-c", JOIN, self.path + "/cgroup.procs"]

    def add_root(self, pid):
        """Needed without control groups: whose descendants count."""
        self.roots.append(pid)

    def pids(self):
        if self.path is not None:
            return [int(p) for p in read(self.path + "/cgroup.procs").split()]
        found = set(self.roots)
        for r in self.roots:
            found.update(procs.children_of(r))
        return sorted(found)

    def cpu_us(self):
        """User and system time of all there are and were."""
        if self.kind == "v2":
            rows = dict(r.split() for r in
                        read(self.path + "/cpu.stat").splitlines())
            return int(rows["usage_usec"])
        if self.kind == "v1":
            return int(read(self.path + "/cpuacct.usage")) // 1000
        return sum(ticks(p) for p in self.pids()) * TICK_US

    def memory_kib(self):
        """Proportional set size and page tables of all."""
        total = 0
        for pid in self.pids():
            try:
                total += memory_of(pid)
            except (OSError, KeyError):
                continue  # it has just ended
        return total

    def quiet(self, seconds=3.0, step=0.1):
        """Wait until nothing more is done in the background."""
        end = time.monotonic() + seconds
        last = self.cpu_us()
        calm = 0
        while calm < 2 and time.monotonic() < end:
            time.sleep(step)
            now = self.cpu_us()
            calm = calm + 1 if now - last < step * 5000 else 0
            last = now

    def remove(self):
        if self.path is None:
            return
        for _ in range(50):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
                return
            time.sleep(0.1)


def ticks(pid):
    """Clock ticks of a process and its dead children."""
    try:
        rest = read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(n) for n in rest[11:15])


def memory_of(pid):
    rows = {}
    for name in ("smaps_rollup", "status"):
        for line in read(f"/proc/{pid}/{name}").splitlines():
            k, _, v = line.partition(":")
            rows[k] = v.split()[0] if v.split() else ""
    return int(rows["Pss"]) + int(rows["VmPTE"])


# -- system calls and switches ------------------------------------------------

class Counter:
    """perf stat on the groups; counts is None where perf cannot."""

    EVENTS = ("raw_syscalls:sys_enter", "context-switches")

    def __init__(self, groups):
        self.counts = None
        self.groups = groups
        self.process = None

    def __enter__(self):
        if not can_count() or any(g.kind != "v2" for g in self.groups):
            return self
        words = []
        for g in self.groups:
            for event in self.EVENTS:
                words += ["-e", event, "-G", in_mount(g.path)]
        self.process = subprocess.Popen(
            [*with_tracefs(), "perf", "stat", "-a", "-x", ",", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)  # it does not say when it has begun
        return self

    def __exit__(self, *_):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        text = self.process.communicate()[1]
        totals = dict.fromkeys(self.EVENTS, 0)
        for line in text.splitlines():
            cells = line.split(",")
            if len(cells) > 2 and cells[2] in totals and cells[0].isdigit():
                totals[cells[2]] += int(cells[0])
        if any(totals.values()):
            self.counts = tuple(totals.values())


def in_mount(path):
    """A group's path as perf wants it: from its mount point."""
    for where, _ in mounts("cgroup2"):
        if path.startswith(where + "/"):
            return path[len(where) + 1:]
    return path


def with_tracefs():
    """perf finds tracepoints in tracefs: mounted for it alone."""
    if os.path.exists("/sys/kernel/tracing/events"):
        return []
    return ["unshare", "-m", "/bin/sh", "-c",
            'mount -t tracefs nodev /sys/kernel/tracing && exec "$0" "$@"']


def can_count():
    return shutil.which("perf") is not None
