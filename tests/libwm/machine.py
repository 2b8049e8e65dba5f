"""A minimal Debian with systemd as PID 1 of namespaces of its own.

The root is made by mmdebstrap once and kept, in $WM_SYSTEMD_CACHE or in the
build directory. It has a network of its own: loopback and nothing else.
"""

import ctypes
import os
import shutil
import subprocess
import unittest

from libwm import paths
from libwm.follow import until
from libwm.testbed import wait_gone

LIBC = ctypes.CDLL(None, use_errno=True)
PACKAGES = (
    "systemd,systemd-sysv,dbus,libssl3,libevent-core-2.1-7,libevent-2.1-7,"
    "libconfuse2,libseccomp2,libcap2,libacl1,libdb5.3,libunbound8,libcrypt1,"
    "libidn2-0,zlib1g,libpcre2-8-0,libicu72,libsystemd0")
BOOT = """set -e
ip link set lo up
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
exec chroot . /lib/systemd/systemd
"""


def base():
    """The cached root as a tar file, made if it is not there."""
    cache = os.environ.get("WM_SYSTEMD_CACHE") or paths.build_dir()
    tar = os.path.join(cache, "systemd-root.tar")
    if os.path.exists(tar):
        return tar
    if not shutil.which("mmdebstrap"):
        raise unittest.SkipTest("mmdebstrap is not installed")
    done = subprocess.run(
        ["mmdebstrap", "--variant=minbase", "--include=" + PACKAGES,
         "bookworm", tar + ".new.tar"], capture_output=True, text=True,
        check=False)
    if done.returncode != 0:
        raise unittest.SkipTest("mmdebstrap: " + done.stderr[-300:])
    os.rename(tar + ".new.tar", tar)
    return tar


class Machine:
    """boot(), run() commands in it, halt()."""

    def __init__(self, directory):
        self.root = directory
        self.unshare = None
        self.pid = None

    def path(self, name):
        return self.root + name

    def unpack(self):
        os.makedirs(self.root)
        subprocess.run(["tar", "-xf", base(), "-C", self.root], check=True)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def boot(self):
        with open(self.path("/boot.log"), "wb") as log:
            self.unshare = subprocess.Popen(  # pylint: disable=R1732
                ["unshare", "--mount", "--pid", "--uts", "--ipc", "--net",
                 "--fork", "--kill-child", "--propagation", "private",
                 "sh", "-c", BOOT, "boot", self.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        # Nothing tells of the moment when it answers but an answer.
        until(self.booted, "systemd", seconds=90, step=0.2)

    def booted(self):
        me = self.unshare.pid
        if self.unshare.poll() is not None:
            with open(self.path("/boot.log"), encoding="utf-8") as f:
                raise unittest.SkipTest("cannot boot here: " + f.read())
        with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as f:
            pids = f.read().split()
        if not pids:
            return False
        self.pid = int(pids[0])
        # Without hardware some of it is never done: what units need is.
        state = self.run("systemctl", "is-active", "basic.target",
                         check=False)
        return state.stdout.strip() == "active"

    def run(self, *words, check=True, stdin=None):
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n",
             "chroot", self.root, *words], input=stdin, capture_output=True,
            text=True, check=False, timeout=150,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        if check and done.returncode != 0:
            raise AssertionError("%s: exit %d\n%s%s\n%s" % (
                " ".join(words), done.returncode, done.stdout, done.stderr,
                self.journal()))
        return done

    def journal(self, lines=40):
        return self.run("journalctl", "-u", "wemmick", "--no-pager", "-n",
                        str(lines), check=False).stdout

    def show(self, what, unit="wemmick"):
        return self.run("systemctl", "show", "-P", what, unit).stdout.strip()

    def enter_network(self):
        """This process, for good: its clients reach the machine then."""
        with open(f"/proc/{self.pid}/ns/net", "rb") as f:
            if LIBC.setns(f.fileno(), 0) == -1:
                raise OSError(ctypes.get_errno(), "setns")

    def halt(self):
        if self.pid:
            try:
                os.kill(self.pid, 9)
            except ProcessLookupError:
                pass
            wait_gone(self.pid, 30)
        if self.unshare:
            self.unshare.kill()
            self.unshare.wait()
