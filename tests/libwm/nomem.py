"""No memory at the N-th time a running program asks for some.

The programs of `make nomem` count (tests/faults/nomem.c); here they are told
from outside when to refuse. To be used like inject.Inject and Count.
"""

import functools
import os
import struct
import subprocess

from libwm import procs

CALL = "malloc"  # among the calls of a sweep
MOST = 3000      # times of a scenario
SYMBOL = "nomem"
SHAPE = struct.Struct("ll")  # how often it was asked, how often is left
STRUCK = -1


@functools.lru_cache(maxsize=None)
def offset(program):
    """Where struct nomem lies in a program; None: it has none."""
    listed = subprocess.run(["nm", program], capture_output=True, text=True,
                            check=False).stdout
    for row in listed.splitlines():
        if row.endswith(" " + SYMBOL):
            return int(row.split()[0], 16)
    return None


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def address(pid):
    """Of struct nomem in a process, or None."""
    program = program_of(pid)
    at = offset(program) if program else None
    if at is None:
        return None
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        for row in f:
            if row.rstrip().endswith(program):
                return int(row.partition("-")[0], 16) + at
    return None


class Told:
    """A process, and what its counters are: None when it is gone."""

    def __init__(self, pid):
        self.pid = pid
        self.at = address(pid)

    def get(self):
        try:
            with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as f:
                f.seek(self.at)
                return SHAPE.unpack(f.read(SHAPE.size))
        except (OSError, struct.error):
            return None

    def put(self, asked, left):
        try:
            with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as f:
                f.seek(self.at)
                f.write(SHAPE.pack(asked, left))
        except OSError:
            pass  # it has ended


class Refuse:
    """with Refuse(pid, nth) as r: …; r.fired(). nth 0 only counts.

    Nothing is done to programs of another build, nor where pid is None."""

    def __init__(self, pid, nth, follow=True):
        self.nth, self.follow = nth, follow
        self.told = Told(pid) if pid and address(pid) else None
        self.struck = False

    def __enter__(self):
        if self.told:
            self.told.put(0, self.nth)
        return self

    def __exit__(self, *_):
        self.struck = self.fired()
        for t in self.family():
            asked, _ = t.get() or (0, 0)
            t.put(asked, 0)

    def family(self):
        """Its children began with what it had counted."""
        if not self.told:
            return []
        kids = procs.children(self.told.pid) if self.follow else []
        program = program_of(self.told.pid)
        return [self.told] + [Told(k) for k in kids
                              if program and program_of(k) == program]

    def fired(self):
        """A process that is gone has ended for it."""
        if self.struck or not self.told:
            return self.struck
        seen = [t.get() for t in self.family()]
        return seen[0] is None or any(s and s[1] == STRUCK for s in seen)

    def what(self):
        return "no memory at time %d" % self.nth if self.fired() else ""

    def calls(self):
        """How often it asked, as inject.Count.calls()."""
        seen = [t.get() for t in self.family()]
        return {CALL: max(s[0] for s in seen if s)} if any(seen) else {}
