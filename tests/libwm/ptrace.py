"""Make a running process do one system call, as an attacker inside it would.

x86-64 only. The process is stopped in a call of its own; its instruction
pointer goes back to that call's instruction with another number in rax.
"""

import ctypes
import os
import platform

from libwm.follow import until

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long] * 4
LIBC.ptrace.restype = ctypes.c_long
GETREGS, SETREGS, ATTACH, DETACH = 12, 13, 16, 17
CALLS = {"open": 2, "socket": 41, "connect": 42, "fork": 57, "execve": 59,
         "kill": 62, "ptrace": 101, "setuid": 105, "chroot": 161,
         "mount": 165, "init_module": 175, "bpf": 321,
         "process_vm_readv": 310}
AVAILABLE = platform.machine() == "x86_64"
SYSCALL = b"\x0f\x05"
# struct user_regs_struct: indices of its 27 words.
RAX, ORIG_RAX, RIP, RDI, RSI, RDX = 10, 15, 16, 14, 13, 12


def call(request, pid, data=0):
    if LIBC.ptrace(request, pid, 0, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def inject(pid, name):
    """Let the process call it with three zeros as arguments."""
    until(lambda: try_inject(pid, name),
          "process %d to be in a system call" % pid)


def try_inject(pid, name):
    """False: it is on its way between two of its own."""
    call(ATTACH, pid)
    os.waitpid(pid, 0x40000000)  # __WALL
    try:
        regs = (ctypes.c_ulonglong * 27)()
        call(GETREGS, pid, ctypes.addressof(regs))
        with open(f"/proc/{pid}/mem", "rb") as mem:
            mem.seek(regs[RIP] - 2)
            if mem.read(2) != SYSCALL:
                return False
        regs[RIP] -= 2
        regs[RAX] = CALLS[name]
        regs[ORIG_RAX] = (1 << 64) - 1  # nothing to restart
        regs[RDI] = regs[RSI] = regs[RDX] = 0
        call(SETREGS, pid, ctypes.addressof(regs))
        return True
    finally:
        call(DETACH, pid)
