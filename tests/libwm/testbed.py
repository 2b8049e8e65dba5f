"""A whole suite under one directory, on loopback.

Everything it makes lies beneath the directory. Ports, uids and settings are
kept there too, so that up() on a directory that exists starts the same suite
with its data again.
"""

import errno
import fcntl
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import time

from libwm import paths, procs

DOMAIN = "example.test"
HOSTNAME = "mail.example.test"
ACCOUNTS = {"pip": "great-expectations", "estella": "satis-house"}
SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3",
            "pop3s")
# Beneath the ports that the kernel gives to clients.
PORT_FIRST, PORT_LAST, PORT_STEP = 10000, 30000, 10
START_S = 60 * paths.PATIENCE
STOP_S = 45 * paths.PATIENCE


class TestbedError(Exception):
    """The suite did not start or stop as it should."""


def port_is_free(host, port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise
    return True


CLAIMS = []  # held as long as this process lives
# One byte for each base. Its uids are the machine's, so a suite in a network
# of its own, where every port is free, must see the claims of all others.
CLAIMS_FILE = "/run/wemmick-testbeds.lock"


def claim(base):
    """Is the base ours now? A suite that is down leaves its ports free."""
    f = open(CLAIMS_FILE, "ab")  # pylint: disable=consider-using-with
    byte = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, base, 1, 0)
    try:
        fcntl.fcntl(f, fcntl.F_OFD_SETLK, byte)
    except BlockingIOError:
        f.close()
        return False
    CLAIMS.append(f)
    return True


def ports_are_free(host, base, count=len(SERVICES)):
    return all(port_is_free(host, base + i) for i in range(count))


def free_port_base(host="127.0.0.1", count=len(SERVICES)):
    """A base with count free ports from it, claimed for this process."""
    for _ in range(500):
        base = random.randrange(PORT_FIRST, PORT_LAST, PORT_STEP)
        if ports_are_free(host, base, count) and claim(base):
            return base
    raise TestbedError("no free ports on " + host)


class Testbed:
    """One directory with a suite in it."""

    def __init__(self, directory):
        self.dir = os.path.abspath(directory)
        self.conf = self.path("wemmick.conf")
        self.log = self.path("log")
        self.options = {}

    def path(self, *names):
        return os.path.join(self.dir, *names)

    # -- settings ------------------------------------------------------------

    def load(self):
        with open(self.path("testbed.json"), encoding="utf-8") as f:
            self.options = json.load(f)
        return self

    def save(self):
        tmp = self.path("testbed.json.new")
        with open(tmp, "w", encoding="utf-8") as f:
            json.dump(self.options, f, indent=1, sort_keys=True)
        os.rename(tmp, self.path("testbed.json"))

    @property
    def host(self):
        return self.options["host"]

    @property
    def domain(self):
        return self.options["domain"]

    def port(self, service):
        return self.options["port_base"] + SERVICES.index(service)

    @property
    def base_uid(self):
        """Every testbed has uids of its own, as it has ports."""
        return 1000000000 + self.options["port_base"] * 100

    @property
    def user_uids(self):
        first = 1100000000 + self.options["port_base"] * 20000
        return first, first + 19999

    def address(self, user):
        return f"{user}@{self.domain}"

    def accounts(self):
        """{address: password} of everybody."""
        known = {self.address(u): p for u, p in ACCOUNTS.items()}
        for i in range(1, self.options["users"] + 1):
            known[self.address(f"u{i}")] = "pw"
        return known

    def variables(self):
        """What `tests/testbed up` prints."""
        rows = {"WM_HOST": self.host}
        for s in SERVICES:
            rows["WM_" + s.upper()] = str(self.port(s))
        rows["WM_LMTP"] = ""
        (u1, p1), (u2, p2) = ACCOUNTS.items()
        rows.update(WM_USER=self.address(u1), WM_PASS=p1,
                    WM_USER2=self.address(u2), WM_PASS2=p2,
                    WM_CAFILE=self.path("cert.pem"), WM_DIR=self.dir,
                    WM_CONF=self.conf, WM_LOG=self.log,
                    WM_PID=str(self.pid() or ""))
        return rows

    # -- the directory -------------------------------------------------------

    def config_text(self):
        def listen(service):
            return '{"%s:%d"}' % (self.host, self.port(service))
        first, last = self.user_uids
        o = self.options
        rows = [
            "# Written by tests/testbed; --config adds what stands below.",
            f'hostname = "{o["hostname"]}"',
            f'domains = {{"{self.domain}"}}',
            f'state-directory = "{self.path("state")}"',
            f'run-directory = "{self.path("run")}"',
            f'table-directory = "{self.path("tables")}"',
            f'program-directory = "{os.path.join(paths.build_dir(), "bin")}"',
            f'log = "{self.log}"',
            f"base-uid = {self.base_uid}",
            f"user-uid-first = {first}",
            f"user-uid-last = {last}",
            f'tls-certificate = "{self.path("cert.pem")}"',
            f'tls-key = "{self.path("key.pem")}"',
        ]
        rows += [f"listen-{s} = {listen(s)}" for s in SERVICES]
        # Nobody answers there, so no test asks the internet by accident.
        rows.append('dns-servers = {"127.0.0.1@9"}')
        if o["cleartext"]:
            rows.append('cleartext-networks = {"127.0.0.0/8", "::1"}')
        return "\n".join(rows) + "\n" + o["config"]

    def make_certificate(self):
        if os.path.exists(self.path("cert.pem")):
            return
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
             "-subj", "/CN=" + self.options["hostname"], "-addext",
             "subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1,IP:%s,IP:::1"
             % (self.options["hostname"], self.host),
             "-keyout", self.path("key.pem"), "-out", self.path("cert.pem")],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def wemmick(self, *words, stdin=None, check=True, wrap=()):
        """Run the administrator's command on this suite."""
        done = subprocess.run(
            [*wrap, paths.program("wemmick"), "-c", self.conf, *words],
            input=stdin, capture_output=True, text=True, timeout=START_S,
            check=False)
        if check and done.returncode != 0:
            raise TestbedError("wemmick %s: exit %d: %s%s" % (
                " ".join(words), done.returncode, done.stdout, done.stderr))
        return done

    def add_users(self):
        """Make the accounts that are not there yet."""
        have = set()
        if os.path.exists(self.path("users.made")):
            with open(self.path("users.made"), encoding="ascii") as f:
                have = set(f.read().split())
        wanted = self.accounts()
        for user in ACCOUNTS:
            a = self.address(user)
            if a not in have:
                self.wemmick("user", "add", "--stdin", a,
                             stdin=wanted[a] + "\n")
        rest = [a for a in wanted
                if a not in have and a.split("@")[0] not in ACCOUNTS]
        if rest:
            self.wemmick("user", "add", "--batch", stdin="".join(
                "%s:{PLAIN}%s\n" % (a, wanted[a]) for a in rest))
        with open(self.path("users.made"), "w", encoding="ascii") as f:
            f.write("\n".join(sorted(wanted)) + "\n")

    def prepare(self, **given):
        """Write everything that is needed to start. given: options."""
        for d in ("", "state", "run", "tables"):
            os.makedirs(self.path(d), mode=0o755, exist_ok=True)
        try:
            self.load()
        except FileNotFoundError:
            self.options = {"cleartext": False, "users": 0, "config": "",
                            "host": "127.0.0.1", "domain": DOMAIN,
                            "hostname": HOSTNAME, "port_base": None}
        self.options.update({k: v for k, v in given.items()
                             if v is not None})
        if self.options["port_base"] is None:
            self.options["port_base"] = free_port_base(self.host)
        self.save()
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(self.config_text())
        self.make_certificate()
        self.add_users()

    # -- running -------------------------------------------------------------

    def pid(self):
        """master's pid while it runs, else None."""
        try:
            with open(self.path("pid"), encoding="ascii") as f:
                pid, started = (int(w) for w in f.read().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if procs.start_time(pid) == started else None

    def environment(self, notify):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC",
               "NOTIFY_SOCKET": notify}
        for name, value in os.environ.items():
            if name.endswith("SAN_OPTIONS") or name.startswith("WM_TEST_"):
                env[name] = value
        return env

    def start(self, wrap=()):
        """Start master and wait until it says READY."""
        if self.pid():
            raise TestbedError("already running in " + self.dir)
        notify = self.path("run", "notify")
        if os.path.exists(notify):
            os.unlink(notify)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(notify)
            with open(self.log, "ab") as log:
                child = subprocess.Popen(  # pylint: disable=R1732
                    [*wrap, paths.program("master"), "-c", self.conf],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd="/", env=self.environment(notify),
                    start_new_session=True)
            started = procs.start_time(child.pid)
            with open(self.path("pid"), "w", encoding="ascii") as f:
                f.write(f"{child.pid} {started}\n")
            self.wait_ready(sock, child)
        os.unlink(notify)
        # It goes on without us; nobody waits for it but init.
        child.returncode = 0
        return child.pid

    def wait_ready(self, sock, child):
        pidfd = os.pidfd_open(child.pid)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        end = time.monotonic() + START_S
        try:
            while True:
                left = end - time.monotonic()
                events = dict(poll.poll(max(0, left) * 1000))
                if sock.fileno() in events:
                    if b"READY=1" in sock.recv(4096).split(b"\n"):
                        return
                elif pidfd in events:
                    raise TestbedError("master ended at start, %d:\n%s" % (
                        child.wait(), self.log_tail()))
                elif left <= 0:
                    child.kill()
                    raise TestbedError("master was not ready in time:\n" +
                                       self.log_tail())
        finally:
            os.close(pidfd)

    def up(self, **given):
        self.prepare(**given)
        self.start()
        return self

    def processes(self):
        """Everything of this suite but master, however it came to be."""
        found = set(procs.with_uid_in(
            (self.base_uid, self.base_uid + 99), self.user_uids))
        if self.pid():
            found.update(procs.children_of(self.pid()))
        return found

    def ports_are_free(self):
        return ports_are_free(self.host, self.options["port_base"])

    def down(self):
        """Stop it; raises when something is left over or had died."""
        pid = self.pid()
        if pid is None:
            left = self.processes()
            if os.path.exists(self.path("pid")):
                os.unlink(self.path("pid"))
                raise TestbedError("master had died" + (
                    "; left over: %s" % describe(left) if left else ""))
            return
        known = self.processes()
        code = end_and_wait(pid, signal.SIGTERM, STOP_S)
        os.unlink(self.path("pid"))
        left = [p for p in known | self.processes() if alive(p)]
        if code is None:
            raise TestbedError("master did not stop in time")
        if left:
            raise TestbedError("left over: " + describe(left))

    def kill_all(self):
        """kill -9 of everything at once: a crash of the whole suite."""
        pid = self.pid()
        todo = ([pid] if pid else []) + sorted(self.processes())
        for p in todo:
            signal_quietly(p, signal.SIGKILL)
        for p in todo:
            wait_gone(p, STOP_S)
        if os.path.exists(self.path("pid")):
            os.unlink(self.path("pid"))

    # -- the log -------------------------------------------------------------

    def log_text(self, since=0):
        with open(self.log, "rb") as f:
            f.seek(since)
            return f.read().decode("utf-8", "replace")

    def log_size(self):
        return os.path.getsize(self.log)

    def log_tail(self, lines=40):
        try:
            return "\n".join(self.log_text().splitlines()[-lines:])
        except FileNotFoundError:
            return "(no log)"


def describe(some):
    return ", ".join(f"{p} ({procs.command(p)})" for p in sorted(some))


def alive(pid):
    s = procs.status(pid)
    return s is not None and not s["State"].startswith("Z")


def signal_quietly(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def wait_gone(pid, seconds):
    """Wait for the end of a process, ours or not. Is it gone?"""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], seconds)[0])
    finally:
        os.close(pidfd)
        reap(pid)


def reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def end_and_wait(pid, number, seconds):
    """Signal and wait: True, or None when it is still there."""
    signal_quietly(pid, number)
    if wait_gone(pid, seconds):
        return True
    return None
