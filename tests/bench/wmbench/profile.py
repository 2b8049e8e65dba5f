"""Sampling and counting one row on one side."""

import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from wmbench import bench as measure
from wmbench import main as command
from wmbench.bench import Bench
from wmbench.gauge import in_mount, with_tracefs
from wmbench.load import BenchError
from wmbench.report import figure

NUMBERS = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"


def arguments(parser):
    parser.add_argument("row", metavar="ROW")
    parser.add_argument("--side", default="Wemmick", metavar="TEXT",
                        help="the first side whose name has it")
    parser.add_argument("--count", type=int, metavar="N")
    parser.add_argument("--quick", action="store_true",
                        help="small mailboxes")
    parser.add_argument("--calls", action="store_true",
                        help="who calls what (needs much more room)")
    parser.add_argument("--tool", choices=("perf", "strace"))
    parser.add_argument("--keep", metavar="FILE",
                        help="keep perf's samples there")
    parser.add_argument("--lines", type=int, default=45, metavar="N")
    parser.add_argument("--rate", type=int, default=1999, metavar="HZ",
                        help="samples a second of each CPU")
    parser.add_argument("--dir", metavar="DIR",
                        help="data there, not on a file system of its own")
    parser.add_argument("--build", metavar="DIR")
    return parser.parse_args()


class Recorder:
    """A tool that watches while the work goes on, ended by SIGINT."""

    def __init__(self, words):
        self.words = words
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        time.sleep(0.7)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        error = self.process.communicate()[1]
        if self.process.returncode not in (0, 130, -signal.SIGINT):
            raise BenchError("%s: %s" % (self.words[0], error[-1000:]))


def in_groups(groups, event):
    words = []
    for g in groups:
        words += ["-e", event, "-G", in_mount(g.path)]
    return words


def watched(a, bench, row, side, words):
    """Run the row under a tool; words(groups) is its command."""
    groups = measure.groups_of(bench, side)
    count = a.count or (row.quick if a.quick else row.full)
    with measure.prepared(bench, row, side, count) as go:
        before = measure.cpu_of(groups)
        with Recorder(words(groups)):
            got = go()
            measure.quiet(groups)
        spent = measure.cpu_of(groups) - before
    return got["ops"], spent


def output(*words):
    return subprocess.run(words, capture_output=True, text=True,
                          check=False).stdout


def show(title, text, lines):
    print(f"\n== {title}")
    rows = [r.rstrip() for r in text.splitlines()
            if r.strip() and not r.startswith("#")]
    print("\n".join(rows[:lines]))


def with_perf(a, bench, row, side, tmp):
    data = os.path.join(tmp, "samples")
    # Frame pointers are enough to see which system call the kernel is in.
    graph = "dwarf,16384" if a.calls else "fp"
    ops, spent = watched(a, bench, row, side, lambda groups: [
        "perf", "record", "-q", "-a", "-F", str(a.rate), "-o", data,
        "--call-graph", graph, *in_groups(groups, "cpu-clock")])
    print("%d operations, %s us each" % (ops, figure(spent / ops)))
    show_parts(data, spent / ops)
    base = ["perf", "report", "-i", data, "--stdio", "--no-children",
            "--percent-limit", "0.4"]
    show("by function", output(
        *base, "-g", "none", "--sort", "symbol,dso"), a.lines)
    if a.keep:
        shutil.copy(data, a.keep)
    if a.calls:
        show("callers", output(*base, "-g", "caller,0.5,callee",
                               "--sort", "symbol"), 400)


def samples(data):
    """(process, [function, ...] innermost first) of every sample."""
    text = output("perf", "script", "-i", data, "-F", "comm,ip,sym")
    for block in text.split("\n\n"):
        rows = block.strip("\n").splitlines()
        if rows:
            yield rows[0].strip(), [r.split(None, 1)[-1] for r in rows[1:]]


def place(frames):
    """What a sample was taken in: a system call, or a function of ours."""
    for f in reversed(frames):
        m = re.match(r"__(?:x64|do)_sys_(\w+)", f)
        if m:
            return m[1] + "()"
    for f in frames:
        if f.startswith(("exc_page_fault", "asm_exc_page_fault")):
            return "page fault"
        if f.startswith(("ret_from_fork", "do_exit", "schedule_tail")):
            return "fork and exit"
    top = frames[0] if frames else "?"
    return top if len(top) > 1 else "?"


def show_parts(data, us):
    """CPU of each process, then of what it did: microseconds each."""
    found = collections.Counter(
        (comm, place(frames)) for comm, frames in samples(data))
    total = sum(found.values()) or 1
    by_comm = collections.Counter()
    for (comm, _), n in found.items():
        by_comm[comm] += n
    print("\n== CPU for each operation, by process and what it was in "
          "(%d samples)" % total)
    for comm, n in by_comm.most_common():
        if n * 200 < total:
            continue
        print("%-14s %s us" % (comm, figure(us * n / total)))
        for (c, where), k in found.most_common():
            if c == comm and k * 250 >= total:
                print("    %8s  %s" % (figure(us * k / total), where))


def call_names():
    found = {}
    with open(NUMBERS, encoding="ascii") as f:
        for m in re.finditer(r"#define __NR_(\w+) (\d+)", f.read()):
            found[int(m[2])] = m[1]
    return found


def count_calls(a, bench, row, side, tmp):
    """Every system call by process, from the kernel's own trace point."""
    data = os.path.join(tmp, "calls")
    ops, _ = watched(a, bench, row, side, lambda groups: [
        *with_tracefs(), "perf", "record", "-q", "-a", "-o", data, "-m", "8M",
        *in_groups(groups, "raw_syscalls:sys_enter")])
    text = output("perf", "script", "-i", data, "-F", "comm,trace")
    names = call_names()
    found = collections.Counter()
    for m in re.finditer(r"^\s*(.+?)\s+NR (\d+) ", text, re.M):
        found[m[1], names.get(int(m[2]), m[2])] += 1
    by_comm = collections.Counter()
    for (comm, _), n in found.items():
        by_comm[comm] += n
    print("\n== system calls for each of %d operations: %s" % (
        ops, figure(sum(by_comm.values()) / ops)))
    for comm, total in by_comm.most_common():
        if total * 50 < ops:
            continue
        rows = [f"{name} {figure(n / ops)}" for (c, name), n in
                found.most_common() if c == comm and n * 50 >= ops]
        print("%-14s %s: %s" % (comm, figure(total / ops), ", ".join(rows)))


def with_strace(a, bench, row, side, tmp):
    out = os.path.join(tmp, "strace")
    ops, _ = watched(a, bench, row, side, lambda groups: [
        "strace", "-f", "-c", "-S", "calls", "-o", out,
        *[w for g in groups for p in g.pids() for w in ("-p", str(p))]])
    with open(out, encoding="utf-8") as f:
        show("system calls of %d operations" % ops, f.read(), a.lines)


def run(a):
    if a.build:
        os.environ["WM_BUILD"] = a.build
    command.check_tools()
    row = command.chosen([a.row])[0]
    sides = [s for s in row.sides if a.side.lower() in s.label.lower()]
    if not sides:
        raise BenchError("no such side: " + a.side)
    tool = a.tool or ("perf" if shutil.which("perf") else "strace")
    bench = Bench(a.quick, directory=a.dir)
    try:
        with tempfile.TemporaryDirectory() as tmp:
            if tool == "perf":
                with_perf(a, bench, row, sides[0], tmp)
                count_calls(a, bench, row, sides[0], tmp)
            else:
                with_strace(a, bench, row, sides[0], tmp)
    finally:
        bench.close()
    return 0


def main(parser):
    a = arguments(parser)
    try:
        return run(a)
    except (BenchError, TimeoutError) as e:
        print(f"tests/bench/profile: {e}", file=sys.stderr)
        return 1
