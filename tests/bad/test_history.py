"""Bugs that other mail systems had: rows of README.md that no other file
has. The names say which row."""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

from libwm import mail, paths, procs
from libwm.case import SuiteCase
from libwm.fake import FakeServer, Session
from libwm.follow import until
from libwm.testbed import TestbedError, alive, free_port_base
from libwm.wire import Imap, Smtp, dot_stuff

FALSE_ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n",
              b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n\0.\r\n",
              b"\r\r\n.\r\r\n")


class RawSession(Session):
    """Keeps the content as it came, dots and all."""

    def content(self):
        raw = b""
        while not raw.endswith(b"\r\n.\r\n"):
            more = self.rfile.read(1)
            if not more:
                return False
            raw += more
        self.server.take(raw[:-3])
        return self.answer("end")


class Relay(SuiteCase):
    """What leaves us, byte by byte."""

    OPTIONS = {"cleartext": True, "users": 1}
    FAR = "127.0.0.7"

    @classmethod
    def before_up(cls):
        cls.port = free_port_base(cls.FAR, 1)
        cls.far = FakeServer(cls.FAR, cls.port, session=RawSession)
        cls.addClassCleanup(cls.far.stop)

    @classmethod
    def config(cls):
        return ('relay-host = "[%s]:%d"\nrelay-ports = {"%d"}\n'
                'relay-tls = "none"\n' % (cls.FAR, cls.port, cls.port))

    def logged_in(self):
        s = self.client(Smtp, "submission")
        s.ehlo()
        s.login("u1@example.test", "pw")
        for line in ("MAIL FROM:<u1@example.test>",
                     "RCPT TO:<x@elsewhere.example>"):
            s.cmd(line)
        return s

    def relayed(self, content):
        """What arrives of a mail there."""
        before = len(self.far.mails)
        s = self.logged_in()
        s.cmd("DATA")
        s.send(dot_stuff(content))
        self.assertEqual(s.reply()[0], 250)
        self.far.wait(lambda f: len(f.mails) > before)
        return self.far.mails[-1]

    def test_h5_nothing_bare_and_nothing_unstuffed_leaves(self):
        for end in FALSE_ENDS:
            for chunked in (False, True):
                s = self.logged_in()
                bad = b"Subject: x\r\n\r\nx" + end + b"y\r\n"
                if chunked:
                    s.send(b"BDAT %d LAST\r\n" % len(bad) + bad)
                else:
                    s.cmd("DATA")
                    s.send(bad + b".\r\n")
                self.assertEqual(s.reply()[0], 550)
        # By BDAT a line may be just a dot: it has to be stuffed on its way.
        s = self.logged_in()
        good = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n"
        s.send(b"BDAT %d LAST\r\n" % len(good) + good)
        self.assertEqual(s.reply()[0], 250)
        self.far.wait(lambda f: f.mails)
        sent = self.far.mails[-1]
        self.assertTrue(sent.endswith(b"\r\n\r\n..\r\n...\r\n..x\r\n"), sent)
        for raw in self.far.mails:
            self.assertNotRegex(raw.replace(b"\r\n", b""), rb"[\r\n]")
            self.assertNotRegex(raw, rb"(^|\n)\.(?!\.)")

    def test_h6_fields_are_added_in_front_however_it_comes(self):
        content = b"X-Long: a\r\n b\r\nSubject: x\r\n\r\nbody\r\n"
        for cut in range(1, 30):
            s = self.logged_in()
            before = len(self.far.mails)
            s.send(b"BDAT %d\r\n" % cut + content[:cut])
            s.reply()
            rest = content[cut:]
            s.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
            self.assertEqual(s.reply()[0], 250)
            self.far.wait(lambda f, n=before: len(f.mails) > n)
            self.assertTrue(self.far.mails[-1].endswith(content), cut)

    def test_h19_a_replys_line_ends_stay_out_of_the_queue(self):
        self.far.script.table["RCPT"] = (
            b"550-5.1.1 a\r\n550-5.1.1 Action: delivered\r\n550 5.1.1 \r"
            b"to=forged")
        self.addCleanup(self.far.script.table.update, RCPT=b"250 ok")
        log = self.follow()
        s = self.logged_in()
        s.cmd("DATA")
        s.send(dot_stuff(mail.make(1)))
        self.assertEqual(s.reply()[0], 250)
        log.wait("event=bounced")
        log.wait("event=delivered")
        got = self.fetch_all("u1")[-1]
        self.assertEqual(len(re.findall(rb"(?m)^Action: ", got)), 1)
        self.assertIn(b"Action: failed", got)


class Local(SuiteCase):
    """Programs that an administrator runs."""

    OPTIONS = {"cleartext": True, "users": 1}

    def sendmail(self, *words, stdin=b"Subject: x\n\nbody\n", **more):
        return subprocess.run(
            [paths.program("sendmail"), "-C", self.bed.conf, *words],
            input=stdin, capture_output=True, check=False, timeout=60, **more)

    def test_h21_senders_that_are_none(self):
        log = self.follow()
        for sender in ("a\nb@example.org", "a\r\nRCPT TO:<pip@example.test>",
                       "x" * 100000 + "@example.org", "<<", "a b@c"):
            with self.subTest(sender=sender[:20]):
                done = self.sendmail("-f", sender, "pip@example.test")
                self.assertNotEqual(done.returncode, 0)
        log.read()
        self.assertNotIn("event=received", log.text)

    def test_h21_recipients_that_are_none(self):
        log = self.follow()
        for to in ("pip@example.test\nestella@example.test", "x" * 100000,
                   "-oQ/tmp/x", "|id", "/etc/passwd"):
            with self.subTest(to=to[:20]):
                done = self.sendmail("--", to)
                self.assertNotEqual(done.returncode, 0)
        log.read()
        self.assertNotIn("event=received", log.text)

    def test_h62_very_many_arguments(self):
        done = self.sendmail(*["-i"] * 20000, "pip@example.test")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_h30_traps_in_the_directory(self):
        trap = os.path.join(self.tmp, "trap")
        os.makedirs(trap, exist_ok=True)
        for name in ("DB_CONFIG", "wemmick.conf", "openssl.cnf"):
            with open(os.path.join(trap, name), "w", encoding="ascii") as f:
                f.write("set_data_dir %s\nset_lg_dir %s\nset_tmp_dir %s\n" %
                        (trap, trap, trap))
        before = sorted(os.listdir(trap))
        tables = self.bed.path("tables")
        with open(tables + "/words", "w", encoding="ascii") as f:
            f.write("a: b\n")
        for words in (("map", "build", "hash:words"),
                      ("user", "list"), ("status",)):
            done = subprocess.run(
                [paths.program("wemmick"), "-c", self.bed.conf, *words],
                capture_output=True, check=False, cwd=trap, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(os.listdir(trap)), before)

    def test_h31_a_link_where_a_table_is_built(self):
        tables = self.bed.path("tables")
        victim = os.path.join(self.tmp, "victim")
        with open(victim, "w", encoding="ascii") as f:
            f.write("precious\n")
        with open(tables + "/linked", "w", encoding="ascii") as f:
            f.write("a: b\n")
        os.symlink(victim, tables + "/linked.db")
        self.bed.wemmick("map", "build", "hash:linked", check=False)
        with open(victim, encoding="ascii") as f:
            self.assertEqual(f.read(), "precious\n")

    def test_h25_damaged_user_table(self):
        """Its rows are no more trusted than a stranger's."""
        path = self.bed.path("tables", "mailboxes.db")
        with open(path, "rb") as f:
            good = f.read()
        self.addCleanup(self.put_back, path, good)
        at = good.find(b"u1@example.test")
        for spoil in (good[:len(good) // 2], good[:at + 16] + b"\xff" * 64 +
                      good[at + 80:], b"", b"\0" * len(good)):
            self.put_back(path, spoil)
            with Imap(self.bed.host, self.bed.port("imap")) as c:
                status, text, _ = c.cmd("LOGIN u1@example.test pw")
                self.assertIn(status, (b"NO", b"OK"), text)
        self.put_back(path, good)
        with Imap(self.bed.host, self.bed.port("imap")) as c:
            c.login("u1@example.test", "pw")

    @staticmethod
    def put_back(path, data):
        st = os.stat(path)
        with open(path + ".new", "wb") as f:
            f.write(data)
        os.chmod(path + ".new", st.st_mode & 0o777)
        os.chown(path + ".new", st.st_uid, st.st_gid)
        os.rename(path + ".new", path)

    def test_h58_rubbish_at_the_control_sockets(self):
        pids = {k: v for k, v in procs.daemons(self.bed.pid()).items() if v}
        for name in ("master.sock", "queue.sock"):
            for data in (b"", b"\0" * 100, b"\xff" * 100000, b"{" * 10000,
                         b"\0\0\0\x10\0\1\0\0\0\0\0\1" + b"x" * 16,
                         b"status\n" * 1000):
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(self.bed.path("run", name))
                    try:
                        s.sendall(data)
                        s.shutdown(socket.SHUT_WR)
                        s.settimeout(10)
                        while s.recv(65536):
                            pass
                    except OSError:
                        pass
        self.assertEqual(self.bed.wemmick("status").returncode, 0)
        self.assertEqual(
            {k: v for k, v in procs.daemons(self.bed.pid()).items() if v},
            pids)

    def test_h68_two_users_never_see_each_other(self):
        """Sessions of two users in turn, whose processes are used again."""
        names = ("pip", "estella")
        for name in names:
            self.empty(name)
            self.send(b"Subject: marker-%s\r\n\r\nx\r\n" % name.encode(),
                      to=name)
        for i in range(20):
            mine, other = names[i % 2], names[1 - i % 2]
            c = self.imap(mine, select="INBOX")
            rows = b"".join(c.ok("FETCH 1:* BODY.PEEK[]"))
            self.assertIn(b"marker-" + mine.encode(), rows)
            self.assertNotIn(b"marker-" + other.encode(), rows)
            c.ok("LOGOUT")
            c.close()


class Mount(SuiteCase):
    """Row B7: the disk with the mail is not there after a start."""

    def test_b7_no_fresh_mailbox_where_a_disk_is_missing(self):
        self.send(mail.make(1))
        self.bed.down()
        place = self.bed.path("state", "mail")
        os.rename(place, place + ".disk")
        os.mkdir(place, 0o755)
        with self.assertRaises(TestbedError):
            self.bed.start()
        self.assertIn("event=wrong-directory path=" + place,
                      self.bed.log_text())
        self.assertEqual(os.listdir(place), [])
        os.unlink(self.bed.path("pid"))
        os.rmdir(place)
        os.rename(place + ".disk", place)
        self.bed.start()
        self.assertEqual(self.originals(), [mail.make(1)])


class Signals(SuiteCase):
    """Handlers only note that a signal came."""

    OPTIONS = {"cleartext": True}
    TIMEOUT = 120

    def test_h51_a_storm_of_signals(self):
        pid = self.bed.pid()
        end = time.monotonic() + 3
        sent = 0
        while time.monotonic() < end:
            for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE,
                           signal.SIGWINCH):
                os.kill(pid, number)
            if sent % 20 == 0:
                with Smtp(self.bed.host, self.bed.port("smtp")) as s:
                    self.assertIn(s.code("NOOP"), (250, 421))
            sent += 1
            time.sleep(0.001)
        # Its last reload is over when it serves and has nothing to replace.
        self.send(mail.make(1))
        self.assertEqual(self.bed.pid(), pid)

    def test_h51_a_stop_does_not_wait_for_a_storm_of_reloads(self):
        self.addCleanup(self.bed.start)
        pid = self.bed.pid()
        for _ in range(500):
            os.kill(pid, signal.SIGHUP)
            time.sleep(0.001)
        log = self.bed.log_size()
        self.bed.down()
        before, stopping, _ = self.bed.log_text(log).partition(
            "event=stopping")
        self.assertTrue(stopping)
        self.assertLess(before.count("event=reload-"), 10, before)

    def test_h51_told_to_stop_over_and_over(self):
        self.addCleanup(self.bed.start)
        pid = self.bed.pid()
        end = time.monotonic() + 60
        while procs.status(pid) and \
                not procs.status(pid)["State"].startswith("Z"):
            self.assertLess(time.monotonic(), end)
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                break
            time.sleep(0.001)
        until(lambda: not self.bed.processes(), "all to be gone")
        os.unlink(self.bed.path("pid"))


class Refused(SuiteCase):
    """A daemon that cannot give up what it should does not serve."""

    TIMEOUT = 120

    def test_h65_privileges_that_cannot_be_dropped(self):
        for call, error in (("setresuid", "EAGAIN"), ("chroot", "EPERM"),
                            ("seccomp", "EINVAL")):
            if call == "seccomp" and paths.sanitized():
                continue  # ASan's build has no filter
            with self.subTest(call=call):
                self.bed.down()
                self.addCleanup(lambda: self.bed.pid() or self.bed.start())
                log = self.bed.log_size()
                child = subprocess.Popen(  # pylint: disable=R1732
                    ["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                     "trace=" + call, "-e", "inject=%s:error=%s" % (
                         call, error), paths.program("master"), "-c",
                     self.bed.conf], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    # Leaks cannot be looked for under strace.
                    env={**os.environ, "ASAN_OPTIONS":
                         "detect_leaks=0:abort_on_error=1"},
                    start_new_session=True)
                try:
                    self.nobody_serves(child, log)
                finally:
                    known = procs.children_of(child.pid)  # master, too
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
                    until(lambda: not self.bed.processes() and
                          not any(map(alive, known)), "their end")
                self.bed.start()

    def nobody_serves(self, child, log):
        """Some have tried, and nobody says a word to a client."""
        until(lambda: child.poll() is not None or
              "event=" in self.bed.log_text(log), "an attempt")
        for service in ("smtp", "imap", "pop3"):
            try:
                with socket.create_connection(
                        (self.bed.host, self.bed.port(service)), 1) as s:
                    s.settimeout(0.3)  # to prove an absence
                    self.assertEqual(s.recv(100), b"")
            except OSError:
                pass  # refused, reset, or nobody answers


class Clock(SuiteCase):
    """Row Q5: mail from a future that has not come."""

    OPTIONS = {"cleartext": True, "users": 1}
    FAR = "127.0.0.8"
    YEARS = 10 * 365 * 86400

    @classmethod
    def before_up(cls):
        cls.port = free_port_base(cls.FAR, 1)
        cls.shift(cls.YEARS)

    @classmethod
    def shift(cls, seconds):
        os.makedirs(cls.tmp, exist_ok=True)
        with open(cls.tmp + "/shift", "wb") as f:
            f.write(struct.pack("=q", seconds))

    @classmethod
    def config(cls):
        return ('relay-host = "[%s]:%d"\nrelay-ports = {"%d"}\n'
                "queue-retry-min = 1\nqueue-retry-max = 2\n"
                'clock-shift-file = "%s/shift"\n' % (
                    cls.FAR, cls.port, cls.port, cls.tmp))

    def test_q5_clock_goes_back_ten_years(self):
        self.one_jump(-self.YEARS)

    def test_q5_clock_goes_forward_a_day(self):
        self.one_jump(86400)

    def one_jump(self, seconds):
        """A mail waits, the clock jumps over a restart, and it goes."""
        self.bed.down()
        self.shift(self.YEARS)
        self.bed.start()
        log = self.follow()
        content = mail.make(abs(seconds))
        s = self.client(Smtp, "submission")
        s.ehlo()
        s.login("u1@example.test", "pw")
        self.assertEqual(s.mail("u1@example.test", ["x@elsewhere.example"],
                                content)[0], 250)
        log.wait("event=deferred")
        self.bed.down()
        self.shift(self.YEARS + seconds)
        far = FakeServer(self.FAR, self.port)
        self.bed.start()
        log.wait("event=relayed")
        far.stop()
        self.assertEqual([mail.original(m) for m in far.mails], [content])


class Aliases(SuiteCase):
    """Aliases that lead round, and to a million."""

    OPTIONS = {"cleartext": True, "users": 1}

    @classmethod
    def before_up(cls):
        os.makedirs(cls.bed.path("tables"), exist_ok=True)
        with open(cls.bed.path("tables", "bomb"), "w",
                  encoding="ascii") as f:
            f.write("loop: loop\n" "two: three\n" "three: two\n")
            for i in range(6):
                f.write("bomb%d: %s\n" % (i, ", ".join(
                    ["bomb%d" % (i + 1)] * 10)))
            f.write("bomb6: pip\n")

    @classmethod
    def config(cls):
        return 'alias-maps = {"text:bomb"}\n'

    def test_h61_alias_bombs_end(self):
        for name in ("loop", "two", "bomb0"):
            with self.subTest(name=name):
                s = self.smtp()
                log = self.follow()
                begun = time.monotonic()
                code, _ = s.mail("u1@example.test", [name + "@example.test"],
                                 mail.make(1))
                if code == 250:
                    log.wait("event=(delivered|failed|deferred|bounced)")
                self.assertLess(time.monotonic() - begun, 10)
                # Reports of the one before may come in meanwhile, to u1.
                self.assertLessEqual(log.text.count("to=pip@example.test"), 1)
