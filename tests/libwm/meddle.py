"""Attach to a process and meddle with its N-th call of a kind.

What strace's -e inject cannot do: it makes a failing call one with the number
-1, for which our system call filters kill the process. This puts a harmless
call in its place. `short` lets the call do less than it was asked for, which
strace could only pretend; `late-EIO` lets it be done and say that it failed.
"""

import ctypes
import errno
import os
import platform
import signal
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long] * 4
LIBC.ptrace.restype = ctypes.c_long
GETREGS, SETREGS, SYSCALL, SEIZE, INTERRUPT = 12, 13, 24, 0x4206, 0x4207
SYSCALL_INFO, ENTRY, CONT = 0x420e, 1, 7
FORKED = {1, 2, 3}  # PTRACE_EVENT_FORK, _VFORK, _CLONE
SYSGOOD, FOLLOW = 1, 2 | 4 | 8  # TRACEFORK, TRACEVFORK, TRACECLONE
WALL = 0x40000000
AVAILABLE = platform.machine() == "x86_64"
RAX, ORIG_RAX, RDI, RSI, RDX = 10, 15, 14, 13, 12
WORDS = 27

# x86-64 numbers of what can be meddled with.
NUMBERS = {
    "read": 0, "write": 1, "open": 2, "close": 3, "poll": 7, "lseek": 8,
    "mmap": 9, "mprotect": 10, "brk": 12, "pread64": 17, "pwrite64": 18,
    "readv": 19, "writev": 20, "mremap": 25, "dup": 32, "sendfile": 40,
    "socket": 41, "connect": 42, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "bind": 49, "listen": 50, "getsockname": 51,
    "socketpair": 53, "setsockopt": 54, "clone": 56, "fork": 57, "vfork": 58,
    "execve": 59, "wait4": 61, "fcntl": 72, "flock": 73, "fsync": 74,
    "fdatasync": 75, "ftruncate": 77, "chdir": 80, "fchdir": 81, "rename": 82,
    "fchmod": 91, "fchown": 93, "setuid": 105, "setgid": 106, "setgroups": 116,
    "setresuid": 117, "setresgid": 119, "capset": 126, "fstatfs": 138,
    "prctl": 157, "chroot": 161, "getdents64": 217, "epoll_wait": 232,
    "epoll_ctl": 233, "inotify_add_watch": 254, "openat": 257, "mkdirat": 258,
    "newfstatat": 262, "unlinkat": 263, "renameat": 264, "linkat": 265,
    "fchmodat": 268, "ppoll": 271, "sync_file_range": 277, "utimensat": 280,
    "timerfd_create": 283, "fallocate": 285, "accept4": 288, "eventfd2": 290,
    "epoll_create1": 291, "pipe2": 293, "inotify_init1": 294, "preadv": 295,
    "pwritev": 296, "prlimit64": 302, "syncfs": 306, "renameat2": 316,
    "seccomp": 317, "getrandom": 318, "memfd_create": 319,
    "copy_file_range": 326, "pwritev2": 328, "statx": 332, "clone3": 435,
    "close_range": 436, "openat2": 437, "faccessat2": 439,
    "landlock_create_ruleset": 444, "landlock_add_rule": 445,
    "landlock_restrict_self": 446}
GETPID = 39  # every filter of ours allows it, and it changes nothing
# Where a call says how much: in rdx, or in an array of pieces.
LENGTHS = {"read": "rdx", "write": "rdx", "pread64": "rdx",
           "pwrite64": "rdx", "sendto": "rdx", "recvfrom": "rdx",
           "readv": "iov", "writev": "iov", "preadv": "iov",
           "pwritev": "iov", "preadv2": "iov", "pwritev2": "iov",
           "sendmsg": "msg", "recvmsg": "msg"}
LEAST = 9  # bytes: what is shorter is one thing, such as a counter's eight


def call(request, pid, data=0, address=0):
    if LIBC.ptrace(request, pid, address, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def registers(pid):
    regs = (ctypes.c_ulonglong * WORDS)()
    call(GETREGS, pid, ctypes.addressof(regs))
    return regs


def poke(pid, address, data):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
        mem.seek(address)
        mem.write(data)


def peek(pid, address, size):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        mem.seek(address)
        return mem.read(size)


class Meddler:
    """The tracer."""

    def __init__(self, pid, name, fault, nth, out, follow=True):
        self.pid, self.name = pid, name
        self.fault = fault.removeprefix("always-")
        self.always = self.fault != fault  # from the N-th on
        self.nth = self.left = nth
        self.number, self.place = NUMBERS[name], LENGTHS.get(name)
        self.out = out
        self.hit = None  # the thread whose call it is; 0: it is over
        self.memory = []  # what to write back after the call: (where, what)
        self.saved = None
        self.ending = False
        self.options = SYSGOOD | (FOLLOW if follow else 0)
        self.own = set()  # threads there were when it was attached

    def attach(self, ready):
        """Stop and trace every thread; a byte to `ready` says it is so."""
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            call(SEIZE, int(tid), self.options)
            call(INTERRUPT, int(tid))
            self.own.add(int(tid))
        os.write(ready, b"attached")

    def end(self, *_):
        """Our exit lets go of every thread; one that is inside the call has
        to come out of it first, to get back what was changed."""
        if not self.hit:
            os._exit(0)
        self.ending = True
        call(INTERRUPT, self.hit)

    def run(self):
        while True:
            try:
                tid, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                self.stopped(tid, status)

    def stopped(self, tid, status):
        sig, event = os.WSTOPSIG(status), status >> 16
        try:
            if sig == signal.SIGTRAP | 0x80:
                self.boundary(tid)
            self.go_on(tid, sig if event == 0 and sig < 0x80 else 0)
        except OSError as e:
            if e.errno != errno.ESRCH:
                raise

    def go_on(self, tid, deliver):
        call(SYSCALL, tid, deliver)

    def boundary(self, tid):
        """The entry or the exit of a call."""
        info = ctypes.create_string_buffer(88)
        call(SYSCALL_INFO, tid, ctypes.addressof(info), 88)
        regs = registers(tid)
        if info.raw[0] != ENTRY:
            self.exit(tid, regs)
        elif self.hit is None and regs[ORIG_RAX] == self.number and \
                self.matters(tid, regs):
            self.left -= 1
            if self.left == 0:
                self.enter(tid, regs)

    def matters(self, tid, regs):
        return self.fault != "short" or self.length(tid, regs)[1] >= LEAST

    def length(self, tid, regs):
        """(address of the length or None, length) of the first piece."""
        if self.place == "rdx":
            return None, regs[RDX]
        vector = regs[RSI]
        if self.place == "msg":
            vector, count = struct.unpack("QQ", peek(tid, vector + 16, 16))
            if count == 0:
                return None, 0
        return vector + 8, struct.unpack("Q", peek(tid, vector + 8, 8))[0]

    def enter(self, tid, regs):
        self.hit, self.saved = tid, (regs[RDI], regs[RDX])
        if self.name == "brk":
            regs[RDI] = 0  # which moves nothing: how the kernel refuses
        elif self.fault == "short":
            self.shorten(tid, regs)
        elif self.fault == "KILL":
            self.hit = 0
            self.note(tid, regs)
            os.kill(tid, signal.SIGKILL)
            return
        elif not self.fault.startswith("late-"):
            regs[ORIG_RAX] = GETPID
        call(SETREGS, tid, ctypes.addressof(regs))

    def shorten(self, tid, regs):
        address, length = self.length(tid, regs)
        half = max(1, length // 2)
        if address is None:
            regs[RDX] = half
        else:
            self.change(tid, address, half)
            if self.place == "msg":
                self.change(tid, regs[RSI] + 24, 1)
            else:
                regs[RDX] = 1

    def note(self, tid, regs):
        with open(self.out, "a", encoding="ascii") as f:
            f.write("%d %s() = %d %s (INJECTED)\n" % (
                tid, self.name, ctypes.c_longlong(regs[RAX]).value,
                self.fault))

    def change(self, tid, address, value):
        self.memory.append((address, peek(tid, address, 8)))
        poke(tid, address, struct.pack("Q", value))

    def exit(self, tid, regs):
        if self.hit != tid:
            return
        for address, data in self.memory:
            poke(tid, address, data)
        regs[RDI], regs[RDX] = self.saved
        if self.name == "brk":
            pass
        elif self.fault == "EOF":
            regs[RAX] = 0
        elif self.fault != "short":
            number = getattr(errno, self.fault.removeprefix("late-"))
            regs[RAX] = (1 << 64) - number
        call(SETREGS, tid, ctypes.addressof(regs))
        self.note(tid, regs)
        self.hit = 0
        if self.always:
            self.hit, self.left, self.memory = None, 1, []
        if self.ending:
            os._exit(0)


class ChildMeddler(Meddler):
    """Lets a process be and strikes its next children, from the moment on
    that they listen to it: what the loader does is the same everywhere. With
    `again` every child is struck."""

    def __init__(self, *a, again=False):
        super().__init__(*a)
        self.again = again
        self.armed = set()

    def go_on(self, tid, deliver):
        call(CONT if tid in self.own else SYSCALL, tid, deliver)

    def stopped(self, tid, status):
        if tid in self.own and status >> 16 in FORKED and self.again:
            self.hit, self.left = None, self.nth
        super().stopped(tid, status)

    def matters(self, tid, regs):
        return tid in self.armed and super().matters(tid, regs)

    def boundary(self, tid):
        if tid in self.own:
            return
        if tid not in self.armed and \
                registers(tid)[ORIG_RAX] == NUMBERS["recvmsg"]:
            self.armed.add(tid)
        super().boundary(tid)


def trace(m, ready):
    """The life of a tracer: never returns. Its end lets go of all."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, m.end)
        m.attach(ready)
        m.run()
        code = 0
    except BaseException as e:  # pylint: disable=W0718
        os.write(ready, repr(e).encode())
    finally:
        os._exit(code)


def launch(call_name, fault, nth, out, program):
    """Become the program, with a tracer that was there first."""
    said, ready = os.pipe()
    parent = os.getpid()
    if os.fork() == 0:
        if os.fork() == 0:  # nobody's child that might be waited for
            os.close(said)
            os.setsid()
            trace(Meddler(parent, call_name, fault, int(nth), out,
                          follow=False), ready)
        os._exit(0)
    os.wait()
    os.close(ready)
    if os.read(said, 64) != b"attached":
        raise SystemExit("not attached")
    os.close(said)
    os.execv(program[0], program)


if __name__ == "__main__":
    import sys
    launch(*sys.argv[1:5], sys.argv[5:])
