"""The administrator's side: check, status, queue, trace, reload, stop."""

import json
import os
import re
import signal
import subprocess

from libwm import mail, paths
from libwm.case import SuiteCase
from libwm.follow import fields
from libwm.load import Load
from libwm.wire import Imap, Smtp


class Operation(SuiteCase):
    """`wemmick` on a running suite."""

    @classmethod
    def config(cls):
        return ('relay-domains = {"far.test"}\n'
                'transport-maps = {"inline:{ far.test=relay:[127.0.0.9]:9 }"}'
                '\nrelay-ports = {"9"}\nqueue-retry-min = 3600\n')

    def wemmick(self, *words, **more):
        return self.bed.wemmick(*words, **more).stdout

    def test_help_everywhere(self):
        for words in ((), ("user",), ("user", "add"), ("queue",), ("map",),
                      ("queue", "list"), ("trace",), ("status",)):
            with self.subTest(words=words):
                out = self.wemmick(*words, "--help")
                self.assertIn("sage", out)

    def test_status(self):
        text = self.wemmick("status")
        for kind in ("queue", "router", "smtpd", "imap-usher"):
            self.assertIn(kind, text)
        rows = [json.loads(row) for row in
                self.wemmick("status", "--json").splitlines()]
        self.assertTrue(rows)

    def smtpd_rows(self):
        return [row for row in map(json.loads, self.wemmick(
            "status", "--json").splitlines()) if row["process"] == "smtpd"]

    def test_status_is_that_of_now(self):
        clients = [self.smtp() for _ in range(3)]
        said = [re.search(r"connections=(\d+)", row["status"])
                for row in self.smtpd_rows()]
        # Those of the test before may not be gone yet.
        self.assertGreaterEqual(sum(int(m[1]) for m in said), len(clients))

    def test_status_waits_for_nobody_who_hangs(self):
        pid = self.smtpd_rows()[0]["pid"]
        os.kill(pid, signal.SIGSTOP)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        self.assertIn(pid, [row["pid"] for row in self.smtpd_rows()])

    def test_users(self):
        self.wemmick("user", "add", "--stdin", "joe@example.test",
                     stdin="forge\n")
        self.assertIn("joe@example.test", self.wemmick("user", "list"))
        self.assertNotEqual(self.bed.wemmick(
            "user", "add", "--stdin", "joe@example.test", stdin="x\n",
            check=False).returncode, 0)
        # At once: without a restart or a reload.
        self.bed.options["users"] = 0
        c = self.client(Smtp, "submissions", tls=self.tls)
        c.ehlo()
        self.assertEqual(c.login("joe@example.test", "forge")[0], 235)
        self.wemmick("user", "passwd", "--stdin", "joe@example.test",
                     stdin="hammer\n")
        c = self.client(Smtp, "submissions", tls=self.tls)
        c.ehlo()
        self.assertEqual(c.login("joe@example.test", "forge")[0], 535)
        self.assertEqual(c.login("joe@example.test", "hammer")[0], 235)
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        self.assertEqual(s.code("RCPT TO:<joe@example.test>"), 250)
        self.wemmick("user", "del", "joe@example.test")
        self.assertEqual(s.code("RCPT TO:<joe@example.test>"), 550)

    def inbox_of(self, address, password):
        c = self.client(Imap, "imaps", tls=self.tls)
        c.login(address, password)
        return " ".join(map(str, c.ok("STATUS INBOX (MESSAGES)")))

    def test_a_user_added_again_has_the_mail(self):
        biddy = "biddy@example.test"
        self.wemmick("user", "add", "--hash", "{PLAIN}one", biddy)
        self.send(mail.make(1), to="biddy")
        self.assertIn("MESSAGES 1", self.inbox_of(biddy, "one"))
        self.wemmick("user", "del", biddy)
        self.wemmick("user", "add", "--hash", "{PLAIN}two", biddy)
        self.send(mail.make(2), to="biddy")
        self.assertIn("MESSAGES 2", self.inbox_of(biddy, "two"))

    def queued(self):
        """A mail that cannot leave: its id."""
        log = self.follow()
        s = self.smtp()
        self.assertEqual(s.mail("pip@example.test", ["x@far.test"],
                                mail.make(1))[0], 250)
        line = log.wait("event=deferred.*")[0][0]
        return fields(line)["id"]

    def test_queue_commands(self):
        ident = self.queued()
        self.assertIn(ident, self.wemmick("queue", "list"))
        row = [json.loads(r) for r in self.wemmick(
            "queue", "list", "--json").splitlines()]
        self.assertTrue([r for r in row if r["id"] == ident])
        self.assertIn("X-Number: 1", self.wemmick("queue", "show", ident))
        self.wemmick("queue", "hold", ident)
        self.assertRegex(self.wemmick("queue", "list"), "(?i)held|hold")
        self.wemmick("queue", "release", ident)
        log = self.follow()
        self.wemmick("queue", "flush")
        log.wait("event=deferred id=%s" % ident)
        self.wemmick("queue", "delete", ident)
        self.assertNotIn(ident, self.wemmick("queue", "list"))
        self.assertNotEqual(self.bed.wemmick(
            "queue", "show", ident, check=False).returncode, 0)

    def test_trace_tells_the_story(self):
        line = self.send(mail.make(2))
        ident = fields(line)["id"]
        story = self.wemmick("trace", ident)
        for event in ("accepted", "delivered"):
            self.assertIn(event, story)

    def test_control_sockets_are_roots(self):
        for name in ("master.sock", "queue.sock"):
            path = self.bed.path("run", name)
            self.assertEqual(os.stat(path).st_uid, 0)
            done = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups", paths.program("wemmick"), "-c",
                 self.bed.conf, "queue", "list"], capture_output=True,
                check=False)
            self.assertNotEqual(done.returncode, 0)

    def test_check_reports_all_errors_at_once(self):
        bad = self.write("bad.conf", "hostname = \"x\"\nnonsense = 1\n"
                         "message-size-limit = -5\n"
                         "listen-smtp = {\"nowhere:99999\"}\n"
                         "workers = many\n")
        done = subprocess.run(
            [paths.program("wemmick"), "-c", bad, "check"],
            capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        text = done.stdout + done.stderr
        for line in (2, 3, 4, 5):
            self.assertIn("bad.conf:%d" % line, text)
        self.assertEqual(self.bed.wemmick("check").returncode, 0)

    def test_bad_reload_changes_nothing(self):
        with open(self.bed.conf, encoding="utf-8") as f:
            good = f.read()
        self.addCleanup(self.rewrite, good)
        self.rewrite(good + "nonsense = 1\n")
        log = self.follow()
        os.kill(self.bed.pid(), signal.SIGHUP)
        log.wait("event=reload-refused")
        self.smtp()
        self.imap("pip", select="INBOX")

    def rewrite(self, text):
        with open(self.bed.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def test_reload_brings_new_settings_and_keeps_connections(self):
        with open(self.bed.conf, encoding="utf-8") as f:
            good = f.read()
        self.addCleanup(self.rewrite, good)
        smtp, imap = self.smtp(), self.imap("pip", select="INBOX")
        self.rewrite(good + "message-size-limit = 70000\n")
        log = self.follow()
        os.kill(self.bed.pid(), signal.SIGHUP)
        log.wait("event=reload-done")
        # A client of that very moment may still meet the old generation.
        for _ in range(200):
            with Smtp(self.bed.host, self.bed.port("smtp")) as s:
                offered = s.ehlo()
            if "SIZE 70000" in offered:
                break
        self.assertIn("SIZE 70000", offered)
        self.assertEqual(smtp.code("NOOP"), 250)
        imap.ok("NOOP")
        code, text = smtp.mail("a@b.example", ["pip@example.test"],
                               mail.make(3))
        self.assertEqual(code, 250, text)


class UnderLoad(SuiteCase):
    """Reload and stop while mail comes in."""

    OPTIONS = {"users": 4}

    USERS = ["u1", "u2", "u3", "u4"]

    def setUp(self):
        for user in self.USERS:
            self.empty(user)

    def test_reloads_drop_nothing(self):
        with Load(self.bed, self.USERS) as load:
            for _ in range(4):
                load.wait_more(20)
                log = self.follow()
                os.kill(self.bed.pid(), signal.SIGHUP)
                log.wait("event=reload-done")
            load.wait_more(20)
        self.assertEqual((load.refused, load.unknown), ({}, {}))
        load.settle(self)

    def test_stop_drains(self):
        with Load(self.bed, self.USERS, first=100000) as load:
            load.wait_more(50)
            self.bed.down()
            self.bed.start()
            load.wait_more(20)
        load.settle(self)
