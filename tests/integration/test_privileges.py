"""What each process is and may do, read from /proc by somebody else."""

import os
import re
import signal
import stat
import subprocess

from libwm import mail, paths, procs, ptrace
from libwm.case import SuiteCase
from libwm.follow import until
from libwm.testbed import alive, wait_gone

CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT = 6, 7, 18
USHER_CAPS = 1 << CAP_SETGID | 1 << CAP_SETUID | 1 << CAP_SYS_CHROOT
# Who may talk to whom: the table of docs/architecture.md.
PAIRS = {frozenset(p.split()) for p in (
    "smtpd router", "smtpd queue", "smtpd resolver", "submission router",
    "submission queue", "submission resolver", "submission auth",
    "queue router", "queue deliver", "queue relay", "queue bounce",
    "relay resolver", "imapd auth", "imapd imap-usher", "imap-usher auth",
    "pop3d auth", "pop3d pop3-usher", "pop3-usher auth")}
ROOTS = {"queue": "state/spool", "router": "tables", "auth": "state/auth",
         "deliver": "state/mail", "imap-usher": "state/mail",
         "pop3-usher": "state/mail"}

AREA = 64 << 20  # of common/base/apart.c


def areas(pid, flag=None):
    """(start, end) of each mapping, or of those with a flag of smaps."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as f:
        for line in f:
            m = re.match("([0-9a-f]+)-([0-9a-f]+) ", line)
            if m:
                at = int(m[1], 16), int(m[2], 16)
            if line.startswith("VmFlags:") and (
                    flag is None or flag in line.split()):
                yield at


def unshared_areas(pid):
    """What its children do not get: the kernel's "don't copy"."""
    return areas(pid, "dc")


class Privileges(SuiteCase):
    """One suite; every daemon is looked at."""

    TIMEOUT = 200

    CRASHES_EXPECTED = True  # one test provokes them

    def setUp(self):
        # Whom the test before has killed may still be on its way back.
        until(lambda: all(procs.daemons(self.bed.pid()).values()),
              "every daemon")

    def everyone(self):
        """(kind, pid, status) of every daemon."""
        for kind, pids in procs.daemons(self.bed.pid()).items():
            self.assertTrue(pids, "no process: " + kind)
            for pid in pids:
                yield kind, pid, procs.status(pid)

    def test_nothing_runs_that_is_not_in_the_table(self):
        self.assertEqual(set(procs.daemons(self.bed.pid())),
                         set(procs.NUMBERS))

    def test_uid_gid_and_groups(self):
        for kind, pid, s in self.everyone():
            with self.subTest(kind=kind, pid=pid):
                uid = 0 if kind in procs.USHERS else \
                    self.bed.base_uid + procs.NUMBERS[kind]
                self.assertEqual(s["Uid"].split(), [str(uid)] * 4)
                if kind not in procs.USHERS:
                    self.assertEqual(s["Gid"].split(), [str(uid)] * 4)
                self.assertEqual(s["Groups"], "")

    def test_capabilities(self):
        for kind, pid, s in self.everyone():
            allowed = USHER_CAPS if kind in procs.USHERS else 0
            with self.subTest(kind=kind, pid=pid):
                for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                    self.assertEqual(int(s[name], 16) & ~allowed, 0, name)
                self.assertEqual(int(s["CapBnd"], 16) & ~allowed, 0)

    def test_no_new_privileges_and_seccomp(self):
        for kind, pid, s in self.everyone():
            with self.subTest(kind=kind, pid=pid):
                self.assertEqual(s["NoNewPrivs"], "1")
                if not paths.sanitized():
                    self.assertEqual(s["Seccomp"], "2")
                    self.assertEqual(procs.filters(pid), procs.FILTERS)

    def test_master_has_a_filter_and_no_new_privileges(self):
        s = procs.status(self.bed.pid())
        self.assertEqual(s["NoNewPrivs"], "1")
        if not paths.sanitized():
            self.assertEqual(s["Seccomp"], "2")

    def test_roots(self):
        host = os.stat("/")
        for kind, pid, _ in self.everyone():
            with self.subTest(kind=kind, pid=pid):
                root = os.stat(f"/proc/{pid}/root")
                self.assertNotEqual((root.st_dev, root.st_ino),
                                    (host.st_dev, host.st_ino))
                wanted = self.bed.path(ROOTS.get(kind, "run/empty"))
                there = os.stat(wanted)
                self.assertEqual((root.st_dev, root.st_ino),
                                 (there.st_dev, there.st_ino), wanted)

    def test_the_empty_root_is_empty_and_nobodys(self):
        path = self.bed.path("run/empty")
        self.assertEqual(os.listdir(path), [])
        s = os.stat(path)
        self.assertEqual(s.st_uid, 0)
        self.assertEqual(s.st_mode & 0o022, 0)

    def test_master_has_only_what_it_names(self):
        s = procs.status(self.bed.pid())
        # SETGID SETUID NET_BIND_SERVICE SYS_CHROOT, and SETPCAP to empty
        # the others' bounding sets: no power over files and processes.
        named = {6, 7, 8, 10, 18}
        self.assertEqual(
            int(s["CapEff"], 16) & ~sum(1 << c for c in named), 0)

    def test_not_dumpable(self):
        if paths.sanitized():
            self.skipTest("the leak sanitizer reads its own process")
        for kind, pid, _ in self.everyone():
            with self.subTest(kind=kind):
                # /proc of a process that is not dumpable belongs to root.
                self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0)
                with open(f"/proc/{pid}/limits", encoding="ascii") as f:
                    core = re.search(r"Max core file size\s+(\d+)\s+(\d+)",
                                     f.read())
                self.assertEqual(core.groups(), ("0", "0"))

    # -- who can talk to whom ------------------------------------------------

    def socket_ends(self):
        """{inode: (kind, pid)} of UNIX sockets, one holder each."""
        holders = {}
        for kind, pid, _ in self.everyone():
            for what in procs.descriptors(pid).values():
                m = re.fullmatch(r"socket:\[(\d+)\]", what)
                if m:
                    holders.setdefault(int(m[1]), set()).add((kind, pid))
        return holders

    def peers(self):
        """{inode: inode of the other end} of UNIX sockets."""
        out = subprocess.run(["ss", "-xaH"], capture_output=True, text=True,
                             check=True).stdout
        found = {}
        for row in out.splitlines():
            # … LOCAL-ADDRESS LOCAL-INODE PEER-ADDRESS PEER-INODE
            m = re.search(r" (\d+)\s+\S+ (\d+)\s*$", row)
            if m:
                found[int(m[1])] = int(m[2])
        return found

    def channels(self):
        """The pairs of kinds that have one."""
        holders, peers = self.socket_ends(), self.peers()
        seen = set()
        for inode, here in holders.items():
            there = holders.get(peers.get(inode), set())
            self.assertTrue(len(here) == 1 or peers.get(inode) is None
                            or not there, "shared: %s" % here)
            for kind, _ in here:
                for other, _ in there:
                    if other != kind:
                        seen.add(frozenset((kind, other)))
        return seen

    def test_no_channel_beyond_the_matrix(self):
        # Another test's daemon may still be getting its channels back.
        until(lambda: self.channels() >= PAIRS, "every pair", step=0.2)
        self.assertEqual(self.channels() - PAIRS, set())

    def test_no_directories_or_files_left_open(self):
        allowed = re.compile(
            r"socket:|pipe:|anon_inode:|/memfd:|/dev/null$|/dev/urandom$|" +
            re.escape(self.bed.dir))
        for kind, pid, _ in self.everyone():
            for number, what in procs.descriptors(pid).items():
                with self.subTest(kind=kind, number=number):
                    self.assertRegex(what, allowed)

    def test_only_who_serves_tls_has_the_key(self):
        key = self.bed.path("key.pem")
        for kind, pid, _ in self.everyone():
            if kind not in ("smtpd", "submission", "imapd", "pop3d"):
                self.assertNotIn(key, procs.descriptors(pid).values(), kind)

    # -- sessions ------------------------------------------------------------

    def session_of(self, user):
        """The session process that serves a user's connection."""
        uid = os.stat(self.home(user)).st_uid
        found = until(lambda: procs.with_uid_between(uid, uid),
                      "a session of " + user)
        return uid, found[0]

    def home(self, user):
        return self.bed.path("state", "mail", self.bed.domain, user)

    def test_session_is_the_user_in_the_users_home(self):
        for user, connect in (("pip", self.imap), ("estella", self.pop3)):
            with self.subTest(user=user):
                c = connect(user)
                uid, pid = self.session_of(user)
                first, last = self.bed.user_uids
                self.assertTrue(first <= uid <= last)
                s = procs.status(pid)
                self.assertEqual(s["Uid"].split(), [str(uid)] * 4)
                self.assertEqual(s["Gid"].split(), [str(uid)] * 4)
                self.assertEqual(s["Groups"], "")
                self.assertEqual(int(s["CapEff"], 16), 0)
                self.assertEqual(int(s["CapPrm"], 16), 0)
                self.assertEqual(s["NoNewPrivs"], "1")
                if not paths.sanitized():
                    self.assertEqual(procs.filters(pid), procs.FILTERS + 1)
                root, home = os.stat(f"/proc/{pid}/root"), \
                    os.stat(self.home(user))
                self.assertEqual((root.st_dev, root.st_ino),
                                 (home.st_dev, home.st_ino))
                c.close()

    def test_session_has_none_of_its_ushers_working_memory(self):
        if paths.sanitized():
            self.skipTest("the sanitizers have an allocator of their own")
        for usher, connect in (("imap-usher", self.imap),
                               ("pop3-usher", self.pop3)):
            with self.subTest(usher=usher):
                c = connect("pip")
                _, pid = self.session_of("pip")
                kept = set(unshared_areas(procs.status(pid)["PPid"]))
                self.assertIn(AREA, {end - start for start, end in kept})
                self.assertFalse(kept & set(areas(pid)))
                c.close()

    def test_homes_are_closed_to_each_other(self):
        self.send(mail.make(1), to="pip")
        self.imap("pip", select="INBOX").ok("FETCH 1 FLAGS")
        home = self.home("pip")
        mode = os.stat(home)
        self.assertEqual(mode.st_mode & 0o007, 0)
        other = os.stat(self.home("estella")).st_uid
        for path in ("mail/cur", "mail", "journal", "drop/new", "."):
            done = subprocess.run(
                ["setpriv", f"--reuid={other}", f"--regid={other}",
                 "--clear-groups", "ls", os.path.join(home, path)],
                capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0, path)
            self.assertIn("Permission denied", done.stderr)

    def test_deliver_can_neither_list_nor_read_a_mailbox(self):
        self.send(mail.make(1), to="pip")
        self.imap("pip", select="INBOX").ok("FETCH 1 FLAGS")
        uid = self.bed.base_uid + procs.NUMBERS["deliver"]
        for path in ("mail/cur", "drop/new", "journal"):
            done = subprocess.run(
                ["setpriv", f"--reuid={uid}", f"--regid={uid}",
                 "--clear-groups", "ls",
                 os.path.join(self.home("pip"), path)],
                capture_output=True, text=True, check=False)
            self.assertIn("Permission denied", done.stderr, path)

    def test_files_of_secrets_are_closed(self):
        for path in ("state/auth/users.db", "state/spool"):
            mode = os.stat(self.bed.path(path)).st_mode
            self.assertEqual(stat.S_IMODE(mode) & 0o007, 0, path)

    # -- a daemon that breaks its rules --------------------------------------

    def test_killed_daemon_comes_back(self):
        for kind, pids in procs.daemons(self.bed.pid()).items():
            with self.subTest(kind=kind):
                self.restarts(kind, pids[0], signal.SIGKILL)

    def restarts(self, kind, pid, number):
        os.kill(pid, number)
        self.assertTrue(wait_gone(pid, 10))
        until(lambda: len([p for p in procs.daemons(self.bed.pid())[kind]
                           if p != pid and alive(p)]) >= 1,
              kind + " to come back")

    def test_forbidden_system_call_kills(self):
        if not ptrace.AVAILABLE or paths.sanitized():
            self.skipTest("needs x86-64 and the real system call filter")
        for kind in procs.daemons(self.bed.pid()):
            for name in ("ptrace", "mount") if kind in procs.USHERS else (
                    "execve", "setuid"):
                with self.subTest(kind=kind, call=name):
                    self.dies_of(kind, name)

    def dies_of(self, kind, name):
        """Inject a call; SIGSYS must end the process, master restart it."""
        pid = until(lambda: [p for p in procs.daemons(self.bed.pid())[kind]
                             if procs.filters(p) == procs.FILTERS],
                    kind)[0]
        log = self.follow()
        ptrace.inject(pid, name)
        self.assertTrue(wait_gone(pid, 10), "it went on")
        log.wait('event=died proc=%s .*pid=%d signal="?Bad system' % (
            kind, pid))

    def test_suite_works_after_every_daemon_died_once(self):
        for kind, pids in procs.daemons(self.bed.pid()).items():
            self.restarts(kind, pids[0], signal.SIGKILL)
        until(self.mail_passes, "mail to pass again", step=0.3)

    def mail_passes(self):
        try:
            self.empty("estella")
            self.send(mail.make(9), to="estella")
            return self.originals("estella") == [mail.make(9)]
        except (OSError, EOFError, AssertionError, ValueError):
            return False
