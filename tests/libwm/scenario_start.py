"""Scenarios of starting: master, one daemon, all anew by a reload."""

import os
import signal
import sys
import time

from libwm import meddle, nomem, procs
from libwm.follow import until
from libwm.house import BACK_S, Breach
from libwm.inject import (CALL, Count, Inject, InjectChild, strace_words,
                          tally)
from libwm.load import BROKEN
from libwm.scenario import Scenario, harmless
from libwm.testbed import TestbedError, alive, wait_gone
from libwm.wire import Smtp

KINDS = tuple(procs.NUMBERS)
START_S = 6  # until a daemon is there again, or has failed again
PRIVILEGES = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd",
              "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")


def privileges(pid):
    """What a process may do; None when it is gone."""
    s = procs.status(pid)
    try:
        root = os.stat(f"/proc/{pid}/root")
        return s and ([s.get(k) for k in PRIVILEGES],
                      (root.st_dev, root.st_ino))
    except (FileNotFoundError, ProcessLookupError):
        return None


class Start(Scenario):
    """A daemon has died and is started again; the fault strikes it then."""

    NAME = "start"
    TARGETS = KINDS
    MOST = 12  # the rest is the same in a loop
    AGAIN = False
    known = {}  # kind: privileges

    def pid(self):
        return self.house.bed.pid()

    def strikes(self, call):
        return call not in Refused.CALLS  # it strikes harder

    def armed(self, point, out):
        return InjectChild(self.pid(), point.call, point.fault, point.nth,
                           out, again=self.AGAIN)

    def counted(self, out):
        return CountChild(self.pid(), out)

    def asking(self, nth):
        return nomem.Refuse(None, nth)  # it does not run yet

    def begin(self):
        self.house.close_inboxes()  # their sessions are children, too
        self.old = self.house.pid_of(self.target)
        self.known.setdefault((self.pid(), self.target),
                              privileges(self.old))
        self.since = self.house.bed.log_size()

    def log(self):
        return self.house.bed.log_text(self.since)

    def act(self):
        os.kill(self.old, signal.SIGKILL)
        try:
            until(self.done, "", START_S)
        except TimeoutError:
            pass

    def done(self):
        """It has come so far, or failed."""
        text = self.log()
        return "event=started proc=%s " % self.target in text or \
            text.count("proc=%s " % self.target) > 1

    def check(self, point, fired):
        started = "event=started proc=%s " % self.target
        try:
            until(lambda: started in self.log(), "", BACK_S)
        except TimeoutError:
            raise Breach("%s does not start again" % self.target) from None
        self.wait_privileges()
        self.house.note_death(self.target)

    def wait_privileges(self):
        """Struck late it starts once more, and has them all meanwhile."""
        want = self.known[self.pid(), self.target]

        def given_up():
            now = privileges(self.house.pid_of(self.target))
            return now is not None and now[0] == want[0]
        try:
            until(given_up, "", BACK_S)
        except TimeoutError:
            self.check_privileges(self.house.pid_of(self.target))

    def check_privileges(self, pid):
        now = privileges(pid)
        want = self.known.get((self.pid(), self.target), now)
        if now is not None and now[0] != want[0]:
            raise Breach("%s runs with other privileges: %r, not %r" % (
                self.target, now, want))

    def end(self):
        """Who serves users must serve one."""
        if self.target in ("auth", "imapd", "imap-usher"):
            self.house.close_inboxes()
            self.house.wait_login()


class CountChild(Count):
    """What a new child does from the moment on that it listens."""

    def calls(self):
        rows, armed = [], set()
        for line in self.text().splitlines():
            m = CALL.match(line)
            if m and int(m[1]) != self.pid:
                if m[2] == "recvmsg":
                    armed.add(m[1])
                if m[1] in armed:
                    rows.append(line)
        return tally("\n".join(rows))


class Refused(Start):
    """What it takes to give privileges up is refused, again and again: the
    daemon must not serve as long as that is so."""

    NAME = "refused"
    AGAIN = True
    CALLS = ("setresuid", "setresgid", "setgroups", "chroot", "prctl",
             "seccomp", "capset", "prlimit64", "landlock_create_ruleset",
             "landlock_add_rule", "landlock_restrict_self", "chdir",
             "fchdir")

    def strikes(self, call):
        return call in self.CALLS

    def act(self):
        super().act()
        # With its privileges as they always are it may serve, then the
        # refusal did not matter; check_privileges() looks at that.
        for pid in self.house.daemons().get(self.target, ()):
            if "event=started proc=%s " % self.target in self.log():
                self.check_privileges(pid)


class Restart(Scenario):
    """A daemon has died; the fault strikes master while it starts it."""

    NAME = "restart"
    TARGETS = ("master",)
    FOLLOW = False
    KIND = "queue"

    def begin(self):
        self.old = self.house.pid_of(self.KIND)
        self.since = self.house.bed.log_size()
        self.others = set(procs.children(self.house.bed.pid()))

    def act(self):
        os.kill(self.old, signal.SIGKILL)
        try:
            until(self.done, "", START_S)
        except TimeoutError:
            pass

    def done(self):
        return "event=started proc=" in self.house.bed.log_text(self.since)

    def check(self, point, fired):
        if not alive(self.house.bed.pid() or 0):  # it may be a zombie of ours
            self.master_ended(point)
        else:
            self.house.check()
            self.house.note_death(self.KIND)

    def master_ended(self, point):
        """Then all end, and the next start works."""
        if harmless(point):
            raise Breach("%s in %s ended master" % (point.fault, point.call))
        for pid in self.others:
            if not wait_gone(pid, BACK_S):
                raise Breach("left over: " + procs.command(pid))
        left = self.house.bed.processes()
        if left:
            raise Breach("left over: %r" % left)
        self.house.close_inboxes()
        self.house.bed.kill_all()
        self.house.start()


class RestartFront(Restart):
    NAME = "restart-front"
    KIND = "smtpd"

    def check(self, point, fired):
        super().check(point, fired)
        try:
            until(self.offers_tls, "", BACK_S)
        except TimeoutError:
            raise Breach("no STARTTLS any more") from None

    def offers_tls(self):
        bed = self.house.bed
        try:
            with Smtp(bed.host, bed.port("smtp")) as s:
                return "STARTTLS" in s.ehlo()
        except BROKEN:
            return False


class Reload(Restart):
    """SIGHUP: new generations, the old ones drain."""

    NAME = "reload"
    TARGETS = ("master", "queue", "router", "deliver", "smtpd", "auth")

    def begin(self):
        self.house.close_inboxes()
        until(self.house.complete, "the old generation to end", 30)
        self.since = self.house.bed.log_size()
        self.others = set(procs.children(self.house.bed.pid()))

    def act(self):
        self.house.hang_up()
        try:
            until(self.done, "", START_S)
        except TimeoutError:
            pass

    def done(self):
        text = self.house.bed.log_text(self.since)
        return "event=reload-done" in text or "event=reload-refused" in text

    def check(self, point, fired):
        if not alive(self.house.bed.pid() or 0):  # it may be a zombie of ours
            self.master_ended(point)
            return
        # Whatever became of this one, the next is done.
        since = self.house.bed.log_size()

        def again():
            if "event=reload-done" in self.house.bed.log_text(since):
                return True
            if not alive(self.house.bed.pid() or 0):
                raise Breach("master ended: status %d" % os.waitpid(
                    self.house.bed.pid(), 0)[1])
            self.house.hang_up()
            time.sleep(0.2)  # asked again until it is not refused
            return False
        try:
            until(again, "", BACK_S)
        except TimeoutError:
            raise Breach("no reload is done any more") from None


class Boot(Scenario):
    """The whole starts; the fault strikes master."""

    NAME = "boot"
    TARGETS = ("master",)
    MOST = 25

    def pid(self):
        return None

    def begin(self):
        self.house.close_inboxes()
        self.mine = privileges(self.house.bed.pid())
        self.house.bed.down()
        self.why = None

    def armed(self, point, out):
        self.words = ["strace", "-D", "-o", out, *strace_words(
            point.call, point.fault, point.nth)]
        if point.fault != "KILL":  # master has a filter soon
            self.words = [sys.executable, meddle.__file__, point.call,
                          point.fault, str(point.nth), out]
        self.tracer = Wrapped(out, self.house.bed)
        return self.tracer

    def counted(self, out):
        self.words = ["strace", "-D", "-o", out]
        self.tracer = Wrapped(out, self.house.bed)
        return self.tracer

    def act(self):
        try:
            self.house.bed.start(wrap=self.words)
        except TestbedError as e:
            self.why = str(e)
            if self.house.bed.pid():
                wait_gone(self.house.bed.pid(), 10)
            self.tracer.wait()

    def check(self, point, fired):
        bed = self.house.bed
        if self.ended(point, fired):
            self.all_ended()
            bed.start()
        elif self.why is not None:
            raise Breach(self.why)
        if privileges(bed.pid()) != self.mine:
            raise Breach("master runs with other privileges: %r, not %r" % (
                privileges(bed.pid()), self.mine))
        self.house.fresh()

    def ended(self, point, fired):
        """At its start, or later where what struck it was a SIGKILL."""
        pid = self.house.bed.pid() or 0
        if self.why is None:
            return bool(fired) and point.fault == "KILL" and \
                wait_gone(pid, BACK_S)
        if not alive(pid) and not fired:
            raise Breach("no start: " + self.why)
        return not alive(pid)

    def all_ended(self):
        """Its daemons notice; some may be root yet and have no uid of ours,
        but hold the ports."""
        bed = self.house.bed
        try:
            until(lambda: not bed.processes() and bed.ports_are_free(), "",
                  BACK_S)
        except TimeoutError:
            raise Breach("left over: %r" % bed.processes()) from None
        bed.kill_all()


class Wrapped:
    """The fault is there from the first call on: a tracer starts master."""

    def __init__(self, out, bed):
        self.out, self.bed = out, bed

    def __enter__(self):
        with open(self.out, "wb"):
            pass
        return self

    def __exit__(self, *_):
        s = self.bed.pid() and procs.status(self.bed.pid())
        tracer = int(s["TracerPid"]) if s else 0
        if tracer:
            os.kill(tracer, signal.SIGTERM)
            wait_gone(tracer, 10)

    text, what = Inject.text, Inject.what

    def calls(self):
        return tally("\n".join("0 " + line
                               for line in self.text().splitlines()))

    def fired(self):
        return "(INJECTED)" in self.text() or "SIGKILL" in self.text()

    def wait(self):
        """For the tracer to write down what it did: it is nobody's child."""
        try:
            until(self.fired, "", 2)
        except TimeoutError:
            pass


ALL = [Start, Refused, Restart, RestartFront, Reload, Boot]
