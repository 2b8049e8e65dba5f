"""One run: servers that are started when first needed, and measuring."""

import contextlib
import time

from libwm import procs
from libwm.follow import until
from libwm.testbed import free_port_base

from wmbench.disk import Disk
from wmbench.gauge import Counter
from wmbench.load import Load, Sink, write_messages
from wmbench.servers import (DOMAIN, HOST, PASSWORD, PEER_UID, Dovecot,
                             Postfix, Wemmick, WemmickDeferred,
                             WemmickYescrypt, listens)

LOGIN = "LOGIN u{u}@%s %s" % (DOMAIN, PASSWORD)


class Side:
    """One of those that are compared: servers, the first one talked to."""

    def __init__(self, label, *names, **more):
        self.label = label
        self.names = names
        self.more = more


class Bench:
    """Directory, servers, and what mailboxes hold by now."""

    def __init__(self, quick, config="", directory=None):
        self.quick = quick
        self.config = config
        self.disk = Disk(directory)
        self.dir = self.disk.dir
        self.messages = write_messages(self.dir)
        self.running = {}
        self.filled = {}
        self.sink_port = free_port_base(HOST, 1)
        self.sink = None

    def close(self):
        for s in reversed(list(self.running.values())):
            s.stop()
        if self.sink:
            self.sink.stop()
        self.disk.close()

    # -- servers -------------------------------------------------------------

    def server(self, name):
        if name not in self.running:
            s = getattr(self, "make_" + name)()
            self.running[name] = s
            s.start()
        return self.running[name]

    def make_wemmick(self):
        return Wemmick(self.dir, self.sink_port, self.config)

    def make_wemmick_deferred(self):
        return WemmickDeferred(self.dir, self.sink_port, self.config)

    def make_wemmick_yescrypt(self):
        return WemmickYescrypt(self.dir, self.sink_port, self.config)

    def make_dovecot(self):
        return Dovecot(self.dir, self.server("wemmick").cert)

    def make_postfix(self):
        return Postfix(self.dir, self.sink_port,
                       self.server("dovecot").port["lmtp"])

    def need_sink(self):
        if self.sink is None:
            self.sink = Sink(HOST, self.sink_port)
            until(lambda: listens(self.sink_port), "smtp-sink to listen")

    # -- mailboxes -----------------------------------------------------------

    def imap(self, s, *words, user=1, tls=False):
        """imapload, logged in as the user, its connections kept."""
        port = s.port["imaps" if tls else "imap"]
        more = ["-t"] if tls else []
        return Load("imapload", port, "-k", "-F", user, *more, "-b", LOGIN,
                    *words, "-a", "LOGOUT")

    def do(self, s, *commands, user=1):
        """IMAP commands that are not measured."""
        steps = [w for c in commands for w in ("-o", c)]
        with self.imap(s, *steps, user=user) as l:
            l.go()

    def append(self, s, count, user, kind="kib10", clients=8):
        step = "APPEND INBOX {{l}+}\r\n{m}"
        with self.imap(s, "-c", clients, "-n", count, "-m",
                       self.messages[kind], "-o", step, user=user) as l:
            l.go()

    def fill(self, s, user, count, kind="kib10"):
        """The user's INBOX holds count messages; done once a run."""
        have = self.filled.get((s.name, user), 0)
        start = min(count, 1000) if kind == "small" else count
        if have < start:
            self.append(s, start - have, user, kind)
            have = start
        while have < count:  # small ones are copies of the first thousand
            step = min(have, count - have)
            self.do(s, "SELECT INBOX", f"COPY 1:{step} INBOX", user=user)
            have += step
        self.filled[s.name, user] = max(have, count)

    def sessions_end(self, s, seconds=20):
        """Wait until no mail process of a user is left of Wemmick."""
        if s.bed is None:
            return
        first, last = s.bed.user_uids
        until(lambda: not procs.with_uid_between(first, last),
              "sessions to end", seconds, step=0.1)


def base_words():
    return ["-b", LOGIN]


# -- measuring ----------------------------------------------------------------

class Measured(dict):
    """Of one run: ops, seconds, and what was asked for."""


def groups_of(bench, side):
    return [bench.server(n).group for n in side.names]


def cpu_of(groups):
    return sum(g.cpu_us() for g in groups)


def quiet(groups):
    for g in groups:
        g.quiet()


@contextlib.contextmanager
def prepared(bench, row, side, count):
    """The row made ready on a side; gives what is to be measured."""
    server = bench.server(side.names[0])
    row.prepare(bench, server, side, count)
    with row.work(bench, server, side, count) as go:
        quiet(groups_of(bench, side))
        yield go


def run_cpu(bench, row, side, count):
    """Rate, CPU for each operation, memory."""
    groups = groups_of(bench, side)
    with prepared(bench, row, side, count) as go:
        before = cpu_of(groups)
        got = go()
        at_reply = cpu_of(groups)
        quiet(groups)
        memory = sum(g.memory_kib() for g in groups)
        row.settle(bench, bench.server(side.names[0]))
        after = cpu_of(groups)
    ops = got["ops"]
    return Measured(
        ops=ops, seconds=got["seconds"], rate=ops / got["seconds"],
        cpu_us=(after - before) / ops, cpu_reply_us=(at_reply - before) / ops,
        memory_kib=memory, p50_us=got.get("p50_us"), p99_us=got.get("p99_us"))


def run_counts(bench, row, side, count):
    """System calls and context switches for each operation."""
    groups = groups_of(bench, side)
    with prepared(bench, row, side, count) as go:
        with Counter(groups) as counter:
            got = go()
            quiet(groups)
    if counter.counts is None:
        return {}
    calls, switches = counter.counts
    return {"syscalls": calls / got["ops"],
            "switches": switches / got["ops"]}


def run_memory(bench, row, side, count):
    """KiB for each of count things that are held."""
    groups = groups_of(bench, side)
    with prepared(bench, row, side, count) as go:
        before = sum(g.memory_kib() for g in groups)
        began = time.monotonic()
        got = go()
        quiet(groups)
        after = sum(g.memory_kib() for g in groups)
    return Measured(ops=got["ops"], seconds=time.monotonic() - began,
                    kib=(after - before) / got["ops"])
