"""docs/performance.md: the table, between two marks, and its charts."""

import os
import re

from libwm import paths
from wmbench import svg
from wmbench.report import figure, write_json

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
DOC = os.path.join(paths.ROOT, "docs", "performance.md")
CHARTS = os.path.join(paths.ROOT, "docs", "performance")
FIGURES = os.path.join(CHARTS, "figures.json")

FRESH_DOC = """# Performance

`tests/bench/run` measures Wemmick beside Debian's Postfix and Dovecot, in
turn, on one machine; `--doc` writes what stands between the two marks, the
charts and their figures. All else is written by hand.

%s
%s
"""

GROUPS = (
    ("smtp", "Taking, delivering and relaying mail",
     lambda n: n.startswith(("smtp", "relay", "lmtp", "deferred-s"))),
    ("imap", "IMAP, light work",
     lambda n: n.startswith(("imap", "fetch", "select"))),
    ("imap-change", "IMAP, changes and searches",
     lambda n: n.startswith(("store", "search", "append", "copy", "expunge",
                             "first"))),
    ("pop3", "POP3", lambda n: n.startswith("pop3")),
    ("memory", "Memory of what waits",
     lambda n: n.startswith(("idle", "deferred-m"))),
)


def unit_words(r):
    return "KiB" if r["kind"] == "memory" else "µs"


def value(r, label):
    return r["sides"][label].get(r["key"])


def best_peer(r):
    peers = [n for n in r["sides"] if n != "Wemmick"]
    return min(peers, key=lambda n: value(r, n)) if peers else None


def table_row(r):
    ours = r["sides"].get("Wemmick")
    peer = best_peer(r)
    cell = unit_words(r)
    words = ["%s (%s)" % (r["title"], r["unit"]),
             figure(value(r, "Wemmick")) + " " + cell if ours else "",
             "%s %s, %s" % (figure(value(r, peer)), cell, peer)
             if peer else "",
             "%.1f×" % r["ratio"] if r["ratio"] else "",
             "≤ %s %s" % (figure(r["target"]), cell) if r["target"] else "",
             "%g×" % r["target_ratio"] if r.get("target_ratio") else ""]
    return "| " + " | ".join(words) + " |"


def detail_rows(r):
    for label, s in r["sides"].items():
        if r["kind"] == "cpu":
            yield "| %s | %s | %s | %s | %s | %s | %s |" % (
                r["name"], label, figure(s["cpu_us"]), figure(s["rate"]),
                figure(s.get("syscalls")), figure(s.get("switches")),
                figure(s["memory_kib"] / 1024))


def machine(about):
    return ("Measured %(date)s: %(cpus)s × %(cpu)s, Linux %(kernel)s; "
            "Postfix %(postfix)s, Dovecot %(dovecot)s (sdbox), Wemmick "
            "%(wemmick)s; data on %(disk)s.") % about + (
                " A `--quick` run: small counts." if about["quick"] else "")


def others(results):
    """A sentence about rows that earlier runs measured."""
    when = results["about"]["date"]
    older = {r.get("revision") for r in results["rows"].values()
             if r.get("when") != when}
    return " Some rows are of earlier runs (Wemmick %s)." % ", ".join(
        sorted(filter(None, older))) if older else ""


def machine_load(results):
    loads = [r["load"] for r in results["rows"].values() if "load" in r]
    return " Load of the machine meanwhile: %.0f to %.0f." % (
        min(loads), max(loads)) if loads else ""


def section(results):
    rows = list(results["rows"].values())
    out = [BEGIN, machine(results["about"]) + others(results) +
           machine_load(results), "",
           "CPU time of all processes of the server for each operation, or "
           "memory; the best of their peers beside it.", "",
           "| work (for each) | Wemmick | best peer | ratio | target | "
           "target ratio |", "|---|---|---|---|---|---|"]
    out += [table_row(r) for r in rows]
    out += ["", *[f"![{title}](performance/{name}.svg)\n"
                  for name, title, has in GROUPS
                  if any(has(r["name"]) for r in rows)],
            "Every side, with the rate, system calls and context switches "
            "for each operation and the memory of the whole server:", "",
            "| row | server | CPU µs | per second | calls | switches | MiB |",
            "|---|---|---|---|---|---|---|"]
    for r in rows:
        out += detail_rows(r)
    return "\n".join(out + [END])


def write_charts(results):
    os.makedirs(CHARTS, exist_ok=True)
    for name, title, has in GROUPS:
        rows = [r for r in results["rows"].values() if has(r["name"])]
        if not rows:
            continue
        what = unit_words(rows[0])
        marks = [(r["title"], [
            (label, value(r, label), "%s %s" % (figure(value(r, label)), what))
            for label in r["sides"]], r["target"]) for r in rows]
        note = ("memory for each, KiB" if what == "KiB" else
                "CPU time for each operation") + \
            "; shorter is better, each with its own scale, red: the target"
        with open(os.path.join(CHARTS, name + ".svg"), "w",
                  encoding="utf-8") as f:
            f.write(svg.chart(title, note, marks))


def write(results):
    try:
        with open(DOC, encoding="utf-8") as f:
            old = f.read()
    except FileNotFoundError:
        old = FRESH_DOC % (BEGIN, END)
    new = section(results)
    found = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.S)
    with open(DOC, "w", encoding="utf-8") as f:
        f.write(found.sub(lambda _: new, old, count=1))
    write_charts(results)
    write_json(FIGURES, results)
