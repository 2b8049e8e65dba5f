"""Wait for lines in a growing log, woken by inotify instead of by a clock."""

import ctypes
import os
import re
import select
import time

from libwm import paths

LIBC = ctypes.CDLL(None, use_errno=True)
IN_MODIFY = 0x2
WAIT_S = 30 * paths.PATIENCE


class Follow:
    """From the log's present end (or from `since`) on."""

    def __init__(self, path, since=None):
        self.path = path
        self.offset = os.path.getsize(path) if since is None else since
        self.text = ""
        self.notify = LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.notify == -1 or LIBC.inotify_add_watch(
                self.notify, os.fsencode(path), IN_MODIFY) == -1:
            raise OSError(ctypes.get_errno(), "inotify")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.notify)

    def read(self):
        with open(self.path, "rb") as f:
            f.seek(self.offset)
            more = f.read()
        self.offset += len(more)
        self.text += more.decode("utf-8", "replace")

    def wait(self, pattern, count=1, seconds=WAIT_S):
        """The first `count` matches of a regular expression, as a list."""
        end = time.monotonic() + seconds
        wanted = re.compile(pattern, re.M)
        while True:
            self.read()
            found = list(wanted.finditer(self.text))
            if len(found) >= count:
                return found[:count]
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.notify], [], [], left)[0]:
                raise TimeoutError("%d of %d matches of %r in the log" % (
                    len(found), count, pattern))
            try:
                os.read(self.notify, 65536)
            except BlockingIOError:
                pass


def fields(line):
    """key=value pairs of a log line; quotes taken off."""
    found = {}
    for m in re.finditer(r'(\w[\w-]*)=("(?:[^"\\]|\\.)*"|\S*)', line):
        value = m[2]
        found[m[1]] = value[1:-1] if value.startswith('"') else value
    return found


def until(predicate, what, seconds=WAIT_S, step=0.02):
    """Ask again and again; for what sends no event. Returns the answer."""
    end = time.monotonic() + seconds
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError("waited in vain: " + what)
        time.sleep(step)
