"""The table on the terminal, and JSON."""

import json

from wmbench.targets import RATIOS


def as_json(row, sides):
    """A row's figures with its ratio to the best peer."""
    key = "kib" if row.memory else "cpu_reply_us" if row.both else "cpu_us"
    peers = {label: s[key] for label, s in sides.items() if label != "Wemmick"}
    found = {"name": row.name, "title": row.title, "unit": row.unit,
             "kind": "memory" if row.memory else "cpu", "key": key,
             "target": row.target_us, "sides": sides,
             "target_ratio": RATIOS.get(row.name),
             "best_peer": None, "ratio": None}
    if peers and row.compared:
        found["best_peer"] = min(peers, key=peers.get)
    if found["best_peer"] and sides.get("Wemmick", {}).get(key, 0) > 0 and \
            min(peers.values()) > 0:
        found["ratio"] = min(peers.values()) / sides["Wemmick"][key]
    return found


def figure(value):
    """Three significant figures, without exponents."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


COLUMNS = "%-17s %-22s %9s %9s %9s %8s %8s"


def heading():
    print(COLUMNS % ("row", "server", "CPU us/op", "op/s", "MiB", "calls/op",
                     "switches"), flush=True)


def print_row(r, seconds):
    for label, s in r["sides"].items():
        if r["kind"] == "memory":
            print(COLUMNS % (r["name"], label, figure(s["kib"]) + " KiB", "",
                             "", "", ""))
            continue
        print(COLUMNS % (
            r["name"], label, figure(s["cpu_us"]), figure(s["rate"]),
            figure(s["memory_kib"] / 1024), figure(s.get("syscalls")),
            figure(s.get("switches"))))
        if r["key"] == "cpu_reply_us":
            print(COLUMNS % ("", "  to the reply", figure(s["cpu_reply_us"]),
                             "", "", "", ""))
    line = "  per %s" % r["unit"]
    if r["ratio"]:
        line += "; %.1f times less than %s" % (r["ratio"], r["best_peer"])
        if r.get("target_ratio"):
            line += " (target %g)" % r["target_ratio"]
    if r["target"] and "Wemmick" in r["sides"]:
        ours = r["sides"]["Wemmick"][r["key"]]
        line += "; target %s: %s" % (
            figure(r["target"]), "reached" if ours <= r["target"] else
            "missed by %.1f" % (ours / r["target"]))
    print("%s (%.0f s)" % (line, seconds), flush=True)


def write_json(path, results):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
        f.write("\n")


def merge(path, results):
    """results with the rows that stand in the file and not in it."""
    try:
        with open(path, encoding="utf-8") as f:
            old = json.load(f)["rows"]
    except (TypeError, FileNotFoundError):
        return results
    rows = {**old, **results["rows"]}
    order = [n for n in results["order"] if n in rows]
    return {**results, "rows": {n: rows[n] for n in order}}
