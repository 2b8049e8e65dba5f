"""What /proc says about processes."""

import os
import socket


def status(pid):
    """/proc/PID/status as a dict, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii",
                  errors="replace") as f:
            rows = (line.split(":", 1) for line in f)
            return {r[0]: r[1].strip() for r in rows if len(r) == 2}
    except (FileNotFoundError, ProcessLookupError):
        return None


# Of master, which everybody inherits, and two of a daemon's own.
FILTERS = 3


def filters(pid):
    """How many seccomp filters stand around a process."""
    s = status(pid) or {}
    return int(s.get("Seccomp_filters", 0))


def pids():
    return [int(n) for n in os.listdir("/proc") if n.isdigit()]


def children(pid):
    """Children of a process, zombies included; cheap."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children",
                      encoding="ascii") as f:
                found += [int(w) for w in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def children_of(root):
    """root's living descendants, parents first; zombies are left out."""
    found, todo = [], [root]
    while todo:
        kids = [k for k in sorted(children(todo.pop(0)))
                if uid_of(k) is not None]
        found += kids
        todo += kids
    return found


def uid_of(pid):
    """The real uid, or None when it is gone or a zombie. For many at a time:
    of what status() reads only this is looked at."""
    try:
        fd = os.open(f"/proc/{pid}/status", os.O_RDONLY)
        try:
            text = os.read(fd, 4096)
        finally:
            os.close(fd)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if b"\nState:\tZ" in text:
        return None
    at = text.index(b"\nUid:\t") + 6
    return int(text[at:text.index(b"\t", at)])


def with_uid_between(first, last):
    """Processes whose real uid lies in the range."""
    return with_uid_in((first, last))


def with_uid_in(*ranges):
    """Processes whose real uid lies in one of the ranges (first, last)."""
    found = []
    for pid in pids():
        uid = uid_of(pid)
        if uid is not None and any(a <= uid <= b for a, b in ranges):
            found.append(pid)
    return found


def start_time(pid):
    """Clock ticks since boot at the start: pid and this name a process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as f:
            return int(f.read().rsplit(")", 1)[1].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def command(pid):
    """The command line with spaces, or the name in brackets."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().rstrip(b"\0").replace(b"\0", b" ")
        return words.decode("utf-8", "replace") or \
            "[%s]" % status(pid)["Name"]
    except (OSError, TypeError):
        return "?"


def descriptors(pid):
    """{number: what it is} of a process."""
    found = {}
    base = f"/proc/{pid}/fd"
    for name in os.listdir(base):
        try:
            found[int(name)] = os.readlink(f"{base}/{name}")
        except OSError:
            continue
    return found


# enum proc of common/ipc/proc.h; base-uid + number is the uid.
NUMBERS = {"smtpd": 1, "submission": 2, "queue": 3, "router": 4,
           "resolver": 5, "relay": 6, "deliver": 7, "bounce": 8, "auth": 9,
           "imapd": 10, "imap-usher": 11, "pop3d": 12, "pop3-usher": 13}
USHERS = ("imap-usher", "pop3-usher")


def daemons(master):
    """{kind: [pid, …]} of master's children; argv[0] is the kind."""
    found = {name: [] for name in NUMBERS}
    for pid in children_of(master):
        s = status(pid)
        if s and int(s["PPid"]) == master:
            found.setdefault(command(pid).split(" ")[0], []).append(pid)
    return found


def server_socket(connection):
    """socket:[N] at the other end of an IPv4 connection of this host."""
    def hexed(name):
        address, port = name
        return "%s:%04X" % (socket.inet_aton(address)[::-1].hex().upper(),
                            port)
    want = [hexed(connection.getpeername()), hexed(connection.getsockname())]
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f:
            words = line.split()
            if words[1:3] == want:
                return "socket:[%s]" % words[9]
    return None
