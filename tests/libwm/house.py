"""One suite that is broken on purpose again and again, and watched."""

import os
import re
import signal
import socket

from libwm import procs
from libwm.case import BAD_SIGNS
from libwm.fake import FakeServer, Script
from libwm.follow import until
from libwm.load import BROKEN, Inbox, content
from libwm.testbed import Testbed, TestbedError, alive
from libwm.wire import Smtp

REMOTE = "127.0.0.2"
USERS = 60
NEWCOMERS = range(10, USERS + 1)  # they log in for the first time
PROBE_USER = "u1"
BACK_S = 15      # until the service has to be back by itself
ANSWER_S = 20    # until a client has an answer
SETTLE_S = 30    # until a mail that was taken has to be where it belongs
SPARE_FDS = 24   # what a daemon may open beside what it had at first
SPARE_KIB = 65536
PAGE_KIB = os.sysconf("SC_PAGESIZE") // 1024
DEATHS = 3       # of one daemon, before master makes it wait long


class Breach(Exception):
    """A promise was broken."""


def size_of(pid):
    """Descriptors and KiB of memory, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            pages = int(f.read().split()[1])
        return len(os.listdir(f"/proc/{pid}/fd")), pages * PAGE_KIB
    except (FileNotFoundError, ProcessLookupError):
        return None


class House:
    """The suite, the remote, the account of what was sent."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.bed = Testbed(os.path.join(directory, "suite"))
        self.later = False  # does the remote put off what is for <later…?
        self.remote = FakeServer(REMOTE, 0, self.script(), socket.AF_INET)
        self.number = 0
        self.fresh_at = 0  # where the log was at the start
        self.first = {}   # kind: descriptors and memory after the start
        self.log_at = 0
        self.inboxes = {}
        self.folders = {}
        self.kinds = {}
        self.restarts = 0

    def script(self):
        def rcpt(_session, line):
            if self.later and b"<later" in line:
                return b"451 4.3.2 later"
            return b"550 5.1.1 nobody" if b"<bad" in line else b"250 ok"
        return Script(RCPT=rcpt)

    def config(self):
        return (
            'networks = {"127.0.0.0/8"}\nworkers = 1\n'
            'transport-maps = {"inline:{ far.test=relay:[%s]:%d, '
            'sink.test=discard: }"}\n'
            'relay-ports = {"%d"}\nrelay-tls = "none"\n'
            "relay-timeout = 5\nrelay-connect-timeout = 5\n"
            "queue-retry-min = 1\nqueue-retry-max = 1\n"
            "auth-cache-time = 0\n"
            "queue-segment-size = 4194304\nqueue-disk-reserve = 1048576\n"
            % (REMOTE, self.remote.port, self.remote.port))

    # -- running -------------------------------------------------------------

    def up(self):
        self.bed.up(config=self.config(), cleartext=True, users=USERS)
        self.fresh()

    def fresh(self):
        """After a start: nothing has died yet."""
        self.first.clear()
        self.log_at = self.fresh_at = self.bed.log_size()
        daemons = self.daemons()
        self.kinds = {k: len(p) for k, p in daemons.items() if p}
        for kind, pids in daemons.items():
            self.first[kind] = max(size_of(pid) or (0, 0) for pid in pids)

    def start(self):
        self.bed.start()
        self.fresh()

    def restart(self):
        self.restarts += 1
        self.close_inboxes()
        self.bed.down()
        self.start()

    def stop(self):
        self.close_inboxes()
        self.remote.stop()
        self.bed.down()

    def kill(self):
        self.close_inboxes()
        self.bed.kill_all()

    def daemons(self):
        """{kind: [pid, …]} of what lives; sessions are a user's."""
        found = {}
        first, last = self.bed.user_uids
        for pid in procs.children(self.bed.pid()):
            uid = procs.uid_of(pid)
            if uid is not None and not first <= uid <= last:
                kind = procs.command(pid).split(" ")[0]
                found.setdefault(kind, []).append(pid)
        return found

    def pid_of(self, kind):
        if kind == "master":
            return self.bed.pid()
        return until(lambda: self.daemons().get(kind), kind, BACK_S)[0]

    def session_of(self, usher, connection):
        """The process that serves a connection without TLS."""
        def look():
            name = procs.server_socket(connection)
            for pid in procs.children(self.pid_of(usher)):
                try:
                    if name in procs.descriptors(pid).values():
                        return pid
                except (FileNotFoundError, ProcessLookupError):
                    continue
            return None
        return until(look, "the session's process", BACK_S)

    def uid_of(self, user):
        home = self.bed.path("state", "mail", self.bed.domain, user)
        return os.stat(home).st_uid

    def note_death(self, kind):
        """Restart the whole before master's backoff grows to seconds."""
        ends = re.findall("event=(?:died|ended) proc=%s " % kind,
                          self.bed.log_text(self.fresh_at))
        if len(ends) >= DEATHS:
            self.restart()

    # -- mail ----------------------------------------------------------------

    def next_number(self):
        self.number += 1
        return self.number

    def inbox(self, user):
        if user not in self.inboxes:
            self.inboxes[user] = Inbox(self.bed, user)
        return self.inboxes[user]

    def close_inboxes(self):
        for box in self.inboxes.values():
            box.close()

    def send(self, number, to, wait=ANSWER_S):
        """Mail a number; (code, text), or (0, why) when it broke."""
        sender = "u2@%s" % self.bed.domain
        try:
            with Smtp(self.bed.host, self.bed.port("smtp"),
                      wait=wait) as s:
                s.ehlo()
                code, text = s.mail(sender, [to], content(number))
        except BROKEN as e:
            return 0, repr(e)
        return code, text

    def wait_login(self):
        """Somebody can log in."""
        try:
            until(lambda: self.inbox(PROBE_USER).look(), "", BACK_S)
        except TimeoutError:
            raise Breach("nobody can log in any more") from None

    def arrived(self, user, number):
        box = self.inbox(user)
        return box.look() and box.copies[number] > 0

    def wait_arrived(self, user, number, seconds=SETTLE_S):
        try:
            until(lambda: self.arrived(user, number), "mail", seconds)
        except TimeoutError:
            raise Breach("mail %d was taken and is lost" % number) from None

    def probe(self):
        """The next mail goes through."""
        number = self.next_number()
        to = self.bed.address(PROBE_USER)
        try:
            until(lambda: self.send(number, to)[0] == 250, "", BACK_S)
        except TimeoutError:
            raise Breach("no mail is taken any more: %r" % (
                self.send(number, to),)) from None
        self.wait_arrived(PROBE_USER, number)

    # -- what may not be left over -------------------------------------------

    def check(self):
        """Every daemon is there once, and nothing else."""
        try:
            until(self.complete, "", BACK_S)
        except TimeoutError:
            raise Breach("processes: %r in place of %r" % (
                self.counts(), self.kinds)) from None
        bad = BAD_SIGNS.search(self.bed.log_text(self.log_at))
        if bad:
            raise Breach("in the log: " + bad[0])
        self.log_at = self.bed.log_size()
        for kind, pids in self.daemons().items():
            for pid in pids:
                self.check_size(kind, pid)

    def counts(self):
        return {k: len(p) for k, p in self.daemons().items()}

    def complete(self):
        return self.counts() == self.kinds and not any(
            not alive(p) for p in procs.children(self.bed.pid()))

    def check_size(self, kind, pid):
        """Neither descriptors nor memory pile up."""
        now = size_of(pid)
        if now is None or kind not in self.first:
            return
        fds, kib = self.first[kind]
        if now[0] > fds + SPARE_FDS:
            raise Breach("%s: %d descriptors, %d at first" % (
                kind, now[0], fds))
        if now[1] > kib + SPARE_KIB:
            raise Breach("%s: %d KiB, %d at first" % (kind, now[1], kib))

    def queued(self, mail_id):
        """Is the mail in the queue, or could that not be learnt?"""
        done = self.bed.wemmick("queue", "list", check=False)
        return done.returncode != 0 or mail_id in done.stdout

    def note_validity(self, user, folder, validity, following):
        """UIDVALIDITY stays, UIDNEXT never goes back."""
        old = self.folders.get((user, folder))
        if old and (old[0] != validity or old[1] > following):
            raise Breach("%s of %s: UIDVALIDITY, UIDNEXT %r became %r" % (
                folder, user, old, (validity, following)))
        self.folders[user, folder] = (validity, following)

    def log_since(self):
        return self.bed.log_text(self.log_at)

    def hang_up(self):
        """SIGHUP to master."""
        os.kill(self.bed.pid(), signal.SIGHUP)

    def down_quietly(self):
        try:
            self.bed.down()
        except TestbedError:
            self.bed.kill_all()
