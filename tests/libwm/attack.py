"""The self-attack build: its table, its trigger, what became of an attempt."""

import collections
import ctypes
import os
import re
import subprocess
import threading

from libwm import paths
from libwm.follow import Follow, fields

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
SIGNAL = 40  # ATTACK_SIGNAL
TALK, MASTER, FLOOD, DEAF = 50000, 50001, 50002, 50003
HIGHER, LOWER = 1, 2
KILLED, REFUSED, OWN, NOSYS = "killed", "refused", "own", "ENOSYS"

Attempt = collections.namedtuple("Attempt", "number name needs own")
Message = collections.namedtuple("Message", "number name senders receivers")


def build():
    """`make attack` beside the build under test; where the programs are."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    base = os.path.relpath(paths.build_dir(), paths.ROOT)
    done = subprocess.run(
        ["make", "-s", "WERROR=1", "BUILD=" + base, "attack"],
        cwd=paths.ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return os.path.join(base, "attack")


class Table:
    """What master's table says; there is no other list in the tests."""

    def __init__(self):
        out = subprocess.run(
            [paths.program("master")], capture_output=True, text=True,
            check=True, env={"WM_ATTACK_TABLE": "1"}).stdout
        self.rights, self.services, self.numbers = {}, {}, {"master": 0}
        self.pairs, self.messages, self.attempts = set(), [], []
        for row in out.splitlines():
            word, *rest = row.split()
            named = dict(r.split("=") for r in rest if "=" in r)
            named = {k: int(v) for k, v in named.items()}
            if word == "rights":
                self.rights = named
            elif word == "service":
                self.services[rest[0]] = named
                self.numbers[rest[0]] = int(rest[1])
            elif word == "pair":
                self.pairs.add(frozenset(rest))
            elif word == "message":
                self.messages.append(Message(
                    int(rest[0]), rest[1], named["from"], named["to"]))
            elif word == "attempt":
                self.attempts.append(Attempt(
                    int(rest[0]), rest[1], named["needs"], named["own"]))

    def may(self, kind):
        """MAY_ bits of a process; a session has its usher's files alone."""
        if kind in self.services:
            return self.services[kind]["may"]
        r = self.rights
        return r["read"] | r["write"] | r["session"]

    def expected(self, kind, attempt):
        r = self.rights
        if attempt.needs & r["nobody"]:
            return KILLED
        if attempt.needs & r["soft"]:
            return NOSYS
        if attempt.needs and not attempt.needs & self.may(kind):
            return KILLED
        return OWN if attempt.own else REFUSED

    def peers(self, kind):
        return sorted(next(iter(p - {kind})) for p in self.pairs
                      if kind in p)

    def may_send(self, message, sender, receiver):
        return message.senders >> self.numbers[sender] & 1 and \
            message.receivers >> self.numbers[receiver] & 1


def trigger(pid, number, small=0, large=0):
    value = number | small << 16 | large << 32
    if LIBC.sigqueue(pid, SIGNAL, value) == -1:
        raise OSError(ctypes.get_errno(), "sigqueue")


class Watch(threading.Thread):
    """Reads the log as it grows, and knows who lives and what was tried."""

    LINE = re.compile(r"^\S+ (\w+) ([\w-]+)\[(\d+)\]: (event=\S+.*)$", re.M)

    def __init__(self, log):
        super().__init__(daemon=True)
        self.follow = Follow(log, since=0)
        self.news = threading.Condition()
        self.rest = ""
        self.over = False
        self.pids = {}      # kind: pid of the one that is up
        self.results = {}   # pid: [(name, result)]
        self.ends = {}      # pid: signal
        self.lines = []     # (program, pid, fields) of all of interest
        self.start()

    def run(self):
        while not self.over:
            try:
                self.follow.wait("\n", seconds=0.5)
            except TimeoutError:
                continue
            text = self.rest + self.follow.text
            self.follow.text = ""
            whole, _, self.rest = text.rpartition("\n")
            with self.news:
                for m in self.LINE.finditer(whole):
                    self.take(m[2], int(m[3]), fields(m[4]))
                self.news.notify_all()

    def stop(self):
        self.over = True
        self.join()

    def take(self, program, pid, f):
        event = f["event"]
        if event == "started":
            self.pids[f["proc"]] = int(f["pid"])
        elif event == "died":
            self.ends[int(f["pid"])] = f["signal"]
        elif event == "session-died":
            self.ends[int(f["pid"])] = f["signal"]
        elif event == "attack":
            self.results.setdefault(pid, []).append((f["name"],
                                                     f.get("result", "done")))
        if event.startswith(("ipc-", "attack", "pair-", "control-",
                             "listener-", "died", "ended", "killed")):
            self.lines.append((program, pid, f))

    def wait(self, predicate, what, seconds=30 * paths.PATIENCE):
        """The predicate's answer, asked at each new line."""
        with self.news:
            if not self.news.wait_for(predicate, seconds):
                raise TimeoutError("waited in vain: " + what)
            return predicate()

    def outcome(self, pid, name):
        """What became of an attempt: killed, or what the process said."""
        def known():
            if pid in self.ends:
                return KILLED + " by " + self.ends[pid]
            return next((r for n, r in self.results.get(pid, ())[::-1]
                         if n == name), None)
        return self.wait(known, "%s of %d" % (name, pid))
