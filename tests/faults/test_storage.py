"""File systems that run out of inodes, freeze, turn read-only or fail."""

import contextlib
import glob
import os
import subprocess
import time

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.faults import cpu_s, full, in_full, private_mounts, run
from libwm.follow import until
from libwm.inject import Inject
from libwm.load import BROKEN, Load
from libwm.wire import Smtp

MIB = 1 << 20
FROZEN_S = full(60, 6)


class DiskCase(SuiteCase):
    """The state lies on a file system of its own."""

    OPTIONS = {"users": 2}
    TIMEOUT = 300
    MOUNT = ()

    @classmethod
    def config(cls):
        return ("queue-disk-reserve = 1048576\nqueue-retry-min = 1\n"
                "queue-retry-max = 2\nqueue-segment-size = 4194304\n")

    @classmethod
    def before_up(cls):
        private_mounts()
        cls.image = os.path.join(cls.tmp, "disk")
        os.makedirs(cls.bed.path("state"))
        cls.make()
        cls.mount()
        cls.addClassCleanup(cls.unmount)

    @classmethod
    def make(cls):
        with open(cls.image, "wb") as f:
            f.truncate(400 * MIB)
        run("mkfs.ext4", "-q", "-m0", "-F", cls.image)

    @classmethod
    def mount(cls):
        run("mount", "-o", "loop", cls.image, cls.bed.path("state"))

    @classmethod
    def unmount(cls):
        cls.bed.kill_all()
        subprocess.run(["umount", cls.bed.path("state")], check=False)

    def answer(self, number=1, to="u1"):
        """What a mail gets: (code, text)."""
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            return s.mail("a@b.example", [self.bed.address(to)],
                          mail.make(number))

    def taken_again(self):
        until(lambda: self.answer()[0] == 250, "mail to be taken again",
              step=0.2)


class NoInodes(DiskCase):
    """Room for bytes, and none for another file."""

    @classmethod
    def make(cls):
        pass

    @classmethod
    def mount(cls):
        run("mount", "-t", "tmpfs", "-o", "size=500m,nr_inodes=2000",
            "wm", cls.bed.path("state"))

    def fill(self):
        os.makedirs(self.bed.path("state", "ballast"), exist_ok=True)
        with contextlib.suppress(OSError):
            for i in range(3000):
                os.mknod(self.bed.path("state", "ballast", str(i)))

    def empty_out(self):
        subprocess.run(["rm", "-rf", self.bed.path("state", "ballast")],
                       check=True)

    def test_no_mail_is_taken_and_none_is_lost(self):
        self.addCleanup(self.empty_out)
        self.empty("u1")
        self.empty("u2")
        c = self.imap("pip", select="INBOX")
        with Load(self.bed, ["u1", "u2"], threads=2) as load:
            load.wait_more(20)
            self.fill()
            until(lambda: load.refused, "a refusal")
            status, text, _ = c.cmd("APPEND INBOX {}", mail.make(3))
            self.assertEqual((status, text.split(b" ")[0]),
                             (b"NO", b"[OVERQUOTA]"))
            self.empty_out()
            load.wait_more(20)
            c.ok("APPEND INBOX {}", mail.make(3))
        for text in load.refused.values():
            self.assertIn(text[:5], ("4.3.1", "4.3.0"), text)
        load.settle(self)


class Freeze(DiskCase):
    """The file system does not answer for a while."""

    @contextlib.contextmanager
    def frozen(self):
        """Whatever happens here, another process thaws it in time."""
        path = self.bed.path("state")
        timer = subprocess.Popen(  # pylint: disable=R1732
            ["sh", "-c", "sleep %d; fsfreeze -u %s" % (FROZEN_S, path)])
        run("fsfreeze", "-f", path)
        began = time.monotonic()
        try:
            yield
            left = FROZEN_S - (time.monotonic() - began)
            self.assertGreater(left, 0, "all that was after the thaw")
        finally:
            timer.wait()

    def test_what_needs_no_disk_goes_on(self):
        s = self.smtp()
        self.empty("u1")
        with self.frozen():
            fresh = self.smtp()
            for c in (s, fresh):
                for line in ("MAIL FROM:<a@b.example>",
                             "RCPT TO:<u1@example.test>"):
                    self.assertEqual(c.code(line), 250)
                self.assertEqual(c.code("DATA"), 354)
            self.assertIn("smtpd", self.bed.wemmick("status").stdout)
            self.submit("pip").code("NOOP")
            for n, c in enumerate((s, fresh)):
                c.sock.settimeout(FROZEN_S + 20)
                c.send(mail.make(n) + b".\r\n")
        for c in (s, fresh):
            self.assertEqual(c.reply()[0], 250)
        self.assertEqual(len(self.wait_mails(2, "u1")), 2)

    @in_full
    def test_load_over_a_freeze_loses_nothing(self):
        self.empty("u1")
        self.empty("u2")
        with Load(self.bed, ["u1", "u2"], threads=2, first=5000) as load:
            load.wait_more(20)
            with self.frozen():
                pass
            load.wait_more(20)
        load.settle(self)


class ReadOnly(DiskCase):
    """An error makes the kernel turn the file system read-only."""

    def test_read_only_is_temporary_and_quiet(self):
        self.empty("u1")
        reader = self.imap("u2", select="INBOX")
        with Load(self.bed, ["u1"], threads=2) as load:
            load.wait_more(20)
            # mkfs made it so that an abort does what an I/O error does.
            run("mount", "-o", "remount,abort", self.bed.path("state"))
            until(lambda: load.refused or load.unknown, "trouble")
            before = self.bed.log_size()
            pids = [p for kind in ("queue", "deliver", "smtpd")
                    for p in procs.daemons(self.bed.pid())[kind]]
            load.stop()
            spent = self.busy(pids)
            grown = self.bed.log_size() - before
            self.assertEqual(self.answer()[0] // 100, 4)
            self.assertEqual(reader.cmd("APPEND INBOX {}",
                                        mail.make(3))[0], b"NO")
        self.assertLess(spent, 1.0 * paths.PATIENCE)
        self.assertLess(grown, 1 << 20)
        self.bed.kill_all()
        run("umount", self.bed.path("state"))
        self.mount()
        self.bed.start()
        # Refused when the disk answered no more: it may be there.
        load.unknown.update(load.refused)
        load.refused.clear()
        load.settle(self)
        self.taken_again()

    @staticmethod
    def busy(pids):
        """CPU time over two seconds in which nothing is asked."""
        before = cpu_s(*[p for p in pids if procs.status(p)])
        time.sleep(2)  # the time in which one that spins would show
        return cpu_s(*[p for p in pids if procs.status(p)]) - before


class Errors(SuiteCase):
    """One call of one process fails."""

    OPTIONS = {"users": 2}
    TIMEOUT = 120

    @classmethod
    def config(cls):
        return "queue-retry-min = 1\nqueue-retry-max = 2\n"

    def fault(self, pid, call, error):
        return Inject(pid, call, error, 1,
                      os.path.join(self.tmp, "trace-%d" % pid))

    def session_pids(self, user):
        home = os.stat(self.bed.path("state", "mail", self.bed.domain,
                                     user)).st_uid
        return procs.with_uid_between(home, home)

    def test_delivery_over_the_kernels_quota_waits(self):
        self.empty("u1")
        log = self.follow()
        pid = procs.daemons(self.bed.pid())["deliver"][0]
        s = self.smtp()
        with self.fault(pid, "openat2", "EDQUOT") as f:
            self.assertEqual(s.mail("a@b.example", ["u1@example.test"],
                                    mail.make(1))[0], 250)
            line = log.wait("event=deferred .*")[0][0]
            self.assertTrue(f.fired())
            self.assertIn("status=4.2.2", line)
        log.wait("event=delivered")
        self.assertEqual(self.originals("u1"), [mail.make(1)])

    def test_append_over_the_kernels_quota_says_so(self):
        c = self.imap("u2", select="INBOX")
        pid = self.session_pids("u2")[0]
        # Each one, for a session opens files in idle moments, too.
        with self.fault(pid, "openat", "always-EDQUOT") as f:
            status, text, _ = c.cmd("APPEND INBOX {}", mail.make(3, 200000))
            self.assertTrue(f.fired())
        self.assertEqual((status, text.split(b" ")[0]),
                         (b"NO", b"[OVERQUOTA]"))
        c.ok("APPEND INBOX {}", mail.make(3))

    def test_a_mail_that_cannot_be_read_fails_alone(self):
        c = self.imap("pip", select="INBOX")  # its only session so far
        for n in range(3):
            c.ok("APPEND INBOX {}", mail.make(n, 3000))
        fired = 0
        for call in ("openat2", "openat", "mmap", "pread64", "read"):
            c = self.imap("pip", select="INBOX")
            with contextlib.ExitStack() as stack:
                # One of these serves; others wait for their next user.
                faults = [stack.enter_context(self.fault(pid, call, "EIO"))
                          for pid in self.session_pids("pip")]
                try:
                    got = c.cmd("FETCH 2 BODY.PEEK[]")[0]
                except BROKEN:
                    got = b"BYE"
                hit = any(f.fired() for f in faults)
            fired += hit
            self.assertEqual(got != b"OK", hit, call)
            c.close()
            c = self.imap("pip", select="INBOX")
            rows = c.ok("FETCH 1:3 BODY.PEEK[]")
            self.assertEqual(sum(b"X-Number" in r for r in rows), 3)
            c.close()
        self.assertTrue(fired)


class BehindOurBack(SuiteCase):
    """Files are removed and edited by somebody else."""

    OPTIONS = {"users": 2}

    @classmethod
    def config(cls):
        return ('relay-domains = {"far.test"}\n'
                'transport-maps = {"inline:{ far.test=relay:[127.0.0.9]:9 }"}'
                '\nrelay-ports = {"9"}\nqueue-retry-min = 1\n'
                "queue-retry-max = 2\n")

    def files(self, user):
        home = self.bed.path("state", "mail", self.bed.domain, user)
        return sorted(glob.glob(home + "/mail/cur/*") +
                      glob.glob(home + "/mail/new/*"))

    def test_mail_that_is_gone_is_left_out(self):
        self.empty("u1")
        for n in range(3):
            self.send(mail.make(n), to="u1")
        c = self.imap("u1", select="INBOX")
        os.unlink(self.files("u1")[1])
        status, text, rows = c.cmd("FETCH 1:3 BODY.PEEK[]")
        self.assertEqual((status, text.split(b" ")[0]),
                         (b"NO", b"[EXPUNGEISSUED]"))
        self.assertEqual(sum(b"X-Number" in r for r in rows), 2)
        c = self.imap("u1", select="INBOX")
        left = c.cmd("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Number)]")[2]
        self.assertEqual(sum(b"X-Number: " in r for r in left), 2)

    def test_mail_that_was_cut_short_or_grew_harms_nobody(self):
        self.empty("u2")
        for n in range(4):
            self.send(mail.make(n, 5000), to="u2")
        c = self.imap("u2", select="INBOX")
        some = self.files("u2")
        os.truncate(some[0], 100)
        os.truncate(some[1], 0)
        with open(some[2], "ab") as f:
            f.write(b"more\r\n" * 1000)
        for n in range(1, 5):
            with contextlib.suppress(*BROKEN):
                c.cmd("FETCH %d (BODY.PEEK[] BODYSTRUCTURE ENVELOPE)" % n)
        c = self.imap("u2", select="INBOX")
        c.ok("NOOP")
        self.assertEqual(c.cmd("FETCH 4 BODY.PEEK[TEXT]")[0], b"OK")

    def test_a_queued_mail_whose_content_is_gone_is_held(self):
        s = self.smtp()
        log = self.follow()
        self.assertEqual(s.mail("pip@example.test", ["x@far.test"],
                                mail.make(1, 400000))[0], 250)
        log.wait("event=deferred")
        for path in glob.glob(self.bed.path("state", "spool", "large", "*")):
            os.unlink(path)
        self.bed.kill_all()
        self.bed.start()
        until(lambda: "held" in self.bed.wemmick("queue", "list").stdout or
              "corrupt" in self.bed.wemmick("queue", "list").stdout,
              "the mail to be held", step=0.3)
        until(lambda: self.smtp().mail("a@b.example", ["u1@example.test"],
                                       mail.make(2))[0] == 250,
              "mail to be taken", step=0.1)
        self.wait_mails(1, "u1")

