"""Every call of a scenario fails once: the points, and running them."""

import os
import time
import traceback

from libwm.follow import until
from libwm.house import Breach, House
from libwm import nomem, scenario, scenario_imap, scenario_start
from libwm.testbed import alive

SCENARIOS = scenario.ALL + scenario_imap.ALL + scenario_start.ALL
MISSES = 3       # in a row, before the count is that
LINGER_S = 2.0   # what the scenario may still do after its answer

FILE = ("EIO", "ENOSPC", "always-EIO", "KILL")
DATA_OUT = ("EIO", "ENOSPC", "always-ENOSPC", "EINTR", "short", "KILL")
DATA_IN = ("EIO", "EINTR", "short", "KILL")
NAMES = ("EIO", "ENOSPC", "late-EIO", "KILL")
NEW = ("EMFILE", "ENOMEM", "KILL")
OPEN = ("EMFILE", "always-EMFILE", "EIO", "ENOSPC", "ENOMEM", "KILL")
MEMORY = ("ENOMEM", "KILL")
LOOK = ("EIO", "KILL")
REFUSED = ("EPERM", "EAGAIN", "KILL")

FAULTS = {
    "openat": OPEN, "openat2": OPEN, "open": OPEN,
    "read": DATA_IN, "readv": DATA_IN, "pread64": DATA_IN,
    "preadv": DATA_IN,
    "write": DATA_OUT, "writev": DATA_OUT, "pwrite64": DATA_OUT,
    "pwritev": DATA_OUT, "pwritev2": DATA_OUT,
    "sendfile": ("EIO", "EINTR", "KILL"),
    "copy_file_range": ("EIO", "ENOSPC", "EINTR", "KILL"),
    "fsync": FILE, "fdatasync": FILE, "syncfs": FILE,
    "sync_file_range": FILE,
    "rename": NAMES, "renameat": NAMES, "renameat2": NAMES,
    "linkat": NAMES, "unlinkat": ("EIO", "late-EIO", "KILL"),
    "mkdirat": NAMES, "ftruncate": FILE, "fallocate": FILE,
    "fchmod": LOOK, "fchmodat": LOOK, "fchown": LOOK, "utimensat": LOOK,
    "close": ("late-EIO", "late-EINTR", "KILL"),
    "socket": NEW, "socketpair": NEW, "pipe2": NEW, "epoll_create1": NEW,
    "eventfd2": NEW, "inotify_init1": NEW, "memfd_create": NEW,
    "dup": NEW, "timerfd_create": NEW,
    "inotify_add_watch": ("ENOSPC", "ENOMEM", "KILL"),
    "bind": ("EADDRINUSE", "KILL"), "listen": ("EADDRINUSE", "KILL"),
    "setsockopt": ("ENOMEM", "KILL"), "getsockname": ("ENOMEM", "KILL"),
    "connect": ("ECONNREFUSED", "ETIMEDOUT", "ENOMEM", "KILL"),
    "accept4": ("EMFILE", "ENOMEM", "ECONNABORTED", "EINTR", "KILL"),
    "sendmsg": ("ENOMEM", "EPIPE", "ETOOMANYREFS", "EINTR", "short",
                "KILL"),
    "sendto": ("ENOMEM", "ECONNRESET", "EINTR", "short", "KILL"),
    "recvmsg": ("ENOMEM", "ECONNRESET", "EOF", "EINTR", "short", "KILL"),
    "recvfrom": ("ENOMEM", "ECONNRESET", "EOF", "EINTR", "short", "KILL"),
    "epoll_wait": ("EINTR", "ENOMEM", "KILL"), "poll": ("EINTR", "ENOMEM"),
    "ppoll": ("EINTR", "ENOMEM", "KILL"),
    "epoll_ctl": ("ENOMEM", "ENOSPC", "KILL"),
    "mmap": MEMORY, "brk": MEMORY, "mremap": MEMORY, "mprotect": MEMORY,
    "newfstatat": LOOK, "statx": LOOK, "fstatfs": LOOK,
    "getdents64": LOOK, "lseek": LOOK, "faccessat2": LOOK,
    "fcntl": ("ENOLCK", "EMFILE", "KILL"), "flock": ("EINTR", "KILL"),
    "clone": ("EAGAIN", "KILL"), "clone3": ("EAGAIN", "KILL"),
    "fork": ("EAGAIN", "KILL"), "vfork": ("EAGAIN", "KILL"),
    "execve": ("EIO", "ENOMEM", "KILL"),
    "wait4": ("EINTR", "KILL"),
    "setresuid": REFUSED, "setresgid": REFUSED, "setgroups": REFUSED,
    "setuid": REFUSED, "setgid": REFUSED,
    "chroot": REFUSED, "chdir": REFUSED, "fchdir": REFUSED,
    "prctl": REFUSED, "seccomp": REFUSED, "capset": REFUSED,
    "prlimit64": REFUSED,
    "landlock_create_ruleset": REFUSED, "landlock_add_rule": REFUSED,
    "landlock_restrict_self": REFUSED,
    "getrandom": ("EAGAIN", "KILL"),
    nomem.CALL: ("ENOMEM",),
}


class Point:
    """One fault at one place."""

    def __init__(self, scenario, target, call, fault, nth):
        self.scenario, self.target = scenario, target
        self.call, self.fault, self.nth = call, fault, nth

    def key(self):
        return [self.scenario, self.target, self.call, self.fault, self.nth]

    def words(self):
        """The command line that runs it again."""
        return ("tests/faults/sweep --scenario %s --target %s --call %s "
                "--fault %s --nth %d" % tuple(self.key()))


def most_of(scenario_, call):
    """Occurrences of a call in a scenario that are looked at."""
    return nomem.MOST if call == nomem.CALL else scenario_.MOST


class Runner:
    """Runs points on a house, one after the other."""

    def __init__(self, directory):
        self.house = House(directory)
        self.out = os.path.join(directory, "trace")
        self.scenarios = {s.NAME: s for s in SCENARIOS}
        self.up = False

    def ready(self):
        if not self.up:
            self.house.up()
            self.up = True
        elif not self.house.bed.pid():
            self.house.start()

    def task(self, task):
        """Rows of what a task asks for."""
        kind, *words = task
        if kind == "count":
            yield self.count_row(*words)
        elif kind == "point":
            yield self.point(Point(*words))
        else:
            yield from self.group(*words)

    def group(self, name, target, call, fault, counted, known):
        """Each occurrence, until there are no more of them. known: {which:
        did it strike} of an earlier run."""
        missed = 0
        for nth in range(1, most_of(self.scenarios[name], call) + 1):
            fired = known.get(nth)
            if fired is None:
                row = self.point(Point(name, target, call, fault, nth))
                yield row
                if row["outcome"] != "ok" and not row["hit"]:
                    break  # nothing works any more
                fired = row["fired"]
            # A run may make fewer of a call than the one that was counted.
            missed = 0 if fired else missed + 1
            if missed == MISSES or missed and nth >= counted:
                break

    def count_row(self, name, target):
        row = {"subject": [name, target], "counts": None, "why": ""}
        try:
            row["counts"] = self.count(name, target)
        except Exception:  # pylint: disable=W0718
            row["why"] = traceback.format_exc()
        return row

    def make(self, name, target):
        return self.scenarios[name](self.house, target)

    def count(self, name, target):
        """{call: how often} of a scenario without a fault."""
        self.ready()
        s = self.make(name, target)
        s.begin()
        with s.counted(self.out) as c, s.asking(0) as memory:
            s.act()
            self.linger(s)
            calls = {**c.calls(), **memory.calls()}
        s.check(Point(name, target, "", "", 0), False)
        s.end()
        return {k: min(n, most_of(s, k)) for k, n in calls.items()
                if k in FAULTS and s.strikes(k)}

    @staticmethod
    def linger(s, inject=None):
        """Until nothing is left to be struck, or it was struck."""
        def over():
            return s.done() or (inject is not None and inject.fired())
        try:
            until(over, "", LINGER_S)
        except TimeoutError:
            pass

    def point(self, p):
        """Run it; a dict with what became of it."""
        began = time.monotonic()
        row = {"point": p.key(), "outcome": "ok", "why": "", "hit": ""}
        try:
            self.ready()
            row["fired"] = self.strike(p, row)
        except Breach as e:
            row.update(outcome="BREACH", why=str(e), fired=True)
        except AssertionError as e:
            row.update(outcome="BREACH", why="bytes: " + str(e), fired=True)
        except Exception:  # pylint: disable=W0718
            row.update(outcome="BREACH", why=traceback.format_exc(),
                       fired=True)
        row["seconds"] = round(time.monotonic() - began, 3)
        if row["outcome"] != "ok":
            row["log"] = self.house.bed.log_tail(40)
            self.begin_anew()
        return row

    def strike(self, p, row):
        s = self.make(p.scenario, p.target)
        s.begin()
        target = s.pid()
        began = time.monotonic()
        with s.asking(p.nth) if p.call == nomem.CALL else \
                s.armed(p, self.out) as inject:
            s.act()
            self.linger(s, None if p.fault.startswith("always-")
                        else inject)
            row["hit"] = inject.what()
        fired = inject.fired()
        row["hit"] = row["hit"] or inject.what()
        s.check(p, fired)
        s.end()
        if not fired:
            return False
        self.house.check()
        self.house.probe()
        self.house.check()
        row["back"] = round(time.monotonic() - began, 3)
        self.note_end(p, target, row)
        return True

    def note_end(self, p, target, row):
        """Did the process survive? Master makes those wait that do not."""
        if target is None or alive(target):
            return
        row["ended"] = True
        if p.target in self.house.kinds:
            self.house.note_death(p.target)

    def begin_anew(self):
        """After a breach the next point has a suite of its own."""
        self.house.kill()
        self.house.inboxes.clear()

    def close(self):
        if self.up:
            if self.house.bed.pid():
                self.house.stop()
            else:
                self.house.kill()
