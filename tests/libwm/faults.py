"""What tests of faults share: networks, mounts and groups of their own."""

import contextlib
import ctypes
import os
import subprocess
import unittest

from libwm import procs

EVERYTHING = os.environ.get("WM_TEST_ALL") == "1"
in_full = unittest.skipUnless(EVERYTHING, "only in `make faults`")

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def full(everything, some):
    """A number: the one of `make faults`, or the one of `./check`."""
    return everything if EVERYTHING else some


def unshare(flags):
    if LIBC.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def private_mounts():
    """What this process mounts from now on is its own."""
    unshare(CLONE_NEWNS)
    run("mount", "--make-rprivate", "/")


def private_network():
    """A network of our own: a loopback interface and nothing else."""
    unshare(CLONE_NEWNET)
    run("ip", "link", "set", "lo", "up")


def run(*words, stdin=None):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(words), done.stderr))
    return done.stdout


@contextlib.contextmanager
def nft(*rules):
    """Rules in an output chain of the private network, for a while."""
    run("nft", "-f", "-", stdin="table inet wm { chain out { type filter "
        "hook output priority 0; policy accept;\n%s\n}\n}\n" %
        "\n".join(rules))
    try:
        yield
    finally:
        run("nft", "delete", "table", "inet", "wm")


class Cgroup:
    """A control group (version 1) of our own."""

    def __init__(self, kind, name):
        top = "/sys/fs/cgroup/" + kind
        if not os.path.exists(top + "/cgroup.procs"):
            raise unittest.SkipTest("no cgroup version 1 for " + kind)
        self.top = top
        self.path = "%s/wemmick-%s-%d" % (top, name, os.getpid())
        os.mkdir(self.path)

    def set(self, name, value):
        with open(self.path + "/" + name, "w", encoding="ascii") as f:
            f.write(str(value))

    def get(self, name):
        with open(self.path + "/" + name, encoding="ascii") as f:
            return f.read().strip()

    def take(self, *pids):
        for pid in pids:
            self.set("cgroup.procs", pid)

    def remove(self):
        """Everybody back to where all are, and the group is gone."""
        for pid in self.get("cgroup.procs").split():
            with contextlib.suppress(OSError), \
                    open(self.top + "/cgroup.procs", "w",
                         encoding="ascii") as f:
                f.write(pid)
        os.rmdir(self.path)


def cpu_s(*pids):
    """CPU time processes have used so far, in seconds."""
    ticks = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid, encoding="ascii",
                  errors="replace") as f:
            words = f.read().rsplit(")", 1)[1].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    return int(procs.status(pid)["VmRSS"].split()[0])
