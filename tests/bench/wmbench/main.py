"""The command: which rows, in turn, and what is done with the figures."""

import argparse
import contextlib
import datetime
import os
import platform
import resource
import signal
import subprocess
import sys
import time

from libwm import paths
from libwm.testbed import TestbedError
from libwm.wire import WireError
from wmbench import bench as measure
from wmbench import doc, report, rows_imap, rows_pop3, rows_smtp
from wmbench.bench import Bench
from wmbench.load import BenchError

ROWS = rows_smtp.ROWS + rows_imap.ROWS + rows_pop3.ROWS
FAILURES = (BenchError, WireError, TimeoutError, OSError, EOFError)
NEEDED = ("/usr/sbin/postfix", "/usr/sbin/smtp-source", "/usr/sbin/dovecot")


def arguments(parser):
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--quick", action="store_true",
                        help="small counts, one round: under three minutes")
    parser.add_argument("--rounds", type=int, metavar="N",
                        help="measure so often, keep the lowest CPU "
                             "(default 3, quick 1)")
    parser.add_argument("--only", metavar="SIDE",
                        help="only sides whose name has it")
    parser.add_argument("--counts", action=argparse.BooleanOptionalAction,
                        help="system calls and switches of each operation, "
                             "in a run of their own (default: not in quick)")
    parser.add_argument("--build", metavar="DIR",
                        help="build under test (default $WM_BUILD or build)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--merge", action="store_true",
                        help="keep the rows that FILE has and this run "
                             "has not")
    parser.add_argument("--doc", action="store_true",
                        help="write table and charts to docs/performance.md; "
                             "rows not measured now keep their figures")
    parser.add_argument("--config", metavar="FILE",
                        help="settings added to wemmick.conf")
    parser.add_argument("--dir", metavar="DIR",
                        help="keep the servers' data beneath DIR instead of "
                             "on a fresh file system of their own")
    parser.add_argument("--list", action="store_true")
    a = parser.parse_args()
    if a.counts is None:
        a.counts = not a.quick
    if a.build:
        os.environ["WM_BUILD"] = a.build
    return a


def chosen(names):
    known = {r.name: r for r in ROWS}
    wrong = [n for n in names if n not in known]
    if wrong:
        raise BenchError("no such row: %s (there are: %s)" % (
            " ".join(wrong), " ".join(known)))
    return [known[n] for n in names] or ROWS


def sides_of(row, a):
    return [s for s in row.sides
            if a.only is None or a.only.lower() in s.label.lower()]


def best(runs):
    """The run that others disturbed least."""
    key = "kib" if "kib" in runs[0] else "cpu_us"
    return dict(min(runs, key=lambda r: r[key]), runs=[r[key] for r in runs])


def measure_row(bench, row, a):
    """{label: figures}, the sides in turn."""
    count = row.quick if a.quick else row.full
    rounds = a.rounds or (1 if a.quick else 3)
    once = measure.run_memory if row.memory else measure.run_cpu
    runs = {}
    for _ in range(1 if row.memory else min(rounds, row.most_rounds)):
        for side in sides_of(row, a):
            with named(side):
                runs.setdefault(side.label, []).append(
                    once(bench, row, side, count))
    found = {label: best(r) for label, r in runs.items()}
    if not row.memory and a.counts:
        for side in sides_of(row, a):
            with named(side):
                found[side.label].update(measure.run_counts(
                    bench, row, side, max(1, count // row.count_part)))
    return found


@contextlib.contextmanager
def named(side):
    """What goes wrong says on which side it did."""
    try:
        yield
    except FAILURES as e:
        raise BenchError(f"{side.label}: {e}") from e


def version(*words):
    with contextlib.suppress(OSError):
        return subprocess.run(words, capture_output=True, text=True,
                              check=False).stdout.strip()
    return ""


def about(a):
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime(
            "%Y-%m-%d %H:%M UTC"),
        "quick": a.quick, "kernel": platform.release(),
        "cpus": os.cpu_count(), "cpu": cpu_model(),
        "postfix": version("/usr/sbin/postconf", "-h", "mail_version"),
        "dovecot": version("/usr/sbin/dovecot", "--version").split(" ")[0],
        "wemmick": version("git", "-C", paths.ROOT, "rev-parse", "--short",
                           "HEAD"),
    }


def cpu_model():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def check_tools():
    missing = [p for p in NEEDED if not os.path.exists(p)]
    if missing:
        raise BenchError("missing: %s; tests/bench/deps installs it" %
                         " ".join(missing))
    for name in ("imapload", "pop3load"):
        path = os.path.join(paths.build_dir(), "bench", name)
        if not os.path.exists(path):
            raise BenchError(f"{path} is missing: make all bench-loads")
    if os.geteuid() != 0:
        raise BenchError("needs root: the servers change to other users")


def run(a):
    rows = chosen(a.rows)
    if a.list:
        for r in rows:
            print("%-18s %s" % (r.name, r.title))
        return 0
    check_tools()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    config = ""
    if a.config:
        with open(a.config, encoding="utf-8") as f:
            config = f.read()
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    results = {"about": about(a), "order": [r.name for r in ROWS],
               "rows": {}}
    bench = Bench(a.quick, config, a.dir)
    results["about"]["disk"] = bench.disk.describe()
    failed = 0
    report.heading()
    try:
        for row in rows:
            began = time.monotonic()
            try:
                sides = measure_row(bench, row, a)
            except BenchError as e:
                print("%-18s failed: %s" % (row.name, e), flush=True)
                failed += 1
                continue
            results["rows"][row.name] = {
                **report.as_json(row, sides),
                "when": results["about"]["date"],
                "revision": results["about"]["wemmick"],
                "load": os.getloadavg()[1]}
            report.print_row(results["rows"][row.name],
                             time.monotonic() - began)
    finally:
        bench.close()
    if a.doc:
        doc.write(report.merge(doc.FIGURES, results))
    if a.merge:
        results = report.merge(a.json, results)
    if a.json:
        report.write_json(a.json, results)
    return 1 if failed else 0


def main(parser):
    a = arguments(parser)
    try:
        return run(a)
    except (BenchError, TestbedError) as e:
        print(f"tests/bench/run: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
