"""What a reload takes back, and what it does when it cannot do all of it."""

import json
import os
import re
import signal
import socket

from libwm.case import SuiteCase
from libwm.follow import until


class Reload(SuiteCase):
    """The administrator makes mistakes and mends them."""

    def setUp(self):
        with open(self.bed.conf, encoding="utf-8") as f:
            self.good = f.read()
        self.addCleanup(self.settle)
        self.log = self.follow()

    def settle(self):
        """As it was before the test, for the next one."""
        self.reload(self.good)
        until(lambda: {row["state"] for row in self.rows()} == {"running"},
              "the end of the old generation")

    def configure(self, text):
        with open(self.bed.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def reload(self, text, **more):
        self.configure(text)
        return self.bed.wemmick("reload", **more)

    def changed(self, **keys):
        """The configuration with other values of these keys."""
        text = self.good
        for key, value in keys.items():
            key = key.replace("_", "-")
            text, n = re.subn(r"(?m)^%s = .*" % key,
                              "%s = %s" % (key, value), text)
            self.assertEqual(n, 1, key)
        return text

    def read_log(self):
        self.log.read()
        return self.log.text

    def rows(self):
        return [json.loads(row) for row in self.bed.wemmick(
            "status", "--json").stdout.splitlines()]

    def processes(self):
        return {row["process"] for row in self.rows()}

    def test_one_that_cannot_start_gives_way_to_the_next(self):
        key = self.write("bad.pem", "no key\n")
        self.configure(self.changed(tls_key='"%s"' % key))
        os.kill(self.bed.pid(), signal.SIGHUP)  # which checks the text only
        self.log.wait("event=certificate-bad")
        self.smtp()  # the old generation serves on
        self.reload(self.good)
        self.assertIn("event=reload-done", self.read_log())
        self.assertNotIn("waiting", self.bed.wemmick("status").stdout)
        self.imap("pip", select="INBOX")

    def test_a_service_switched_off_leaves_no_process(self):
        self.reload(self.changed(listen_pop3="{}", listen_pop3s="{}"))
        self.assertNotIn("event=started proc=pop3d", self.read_log())
        until(lambda: "pop3d" not in self.processes(), "the end of pop3d")
        self.assertIn("imapd", self.processes())

    def log_of_master(self):
        return os.readlink("/proc/%d/fd/2" % self.bed.pid())

    def test_one_that_is_refused_leaves_the_log(self):
        other = os.path.join(self.tmp, "other")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.reload(self.changed(
                log='"%s"' % other, listen_imap='{"127.0.0.1:%d"}' %
                taken.getsockname()[1]), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("event=cannot-listen", self.read_log())
        self.assertEqual(self.log_of_master(), self.bed.log)

    def test_the_log_finds_its_way_back_to_stderr(self):
        other = os.path.join(self.tmp, "back")
        for place, name in (('"%s"' % other, other),
                            ('"stderr"', self.bed.log)):
            self.reload(self.changed(log=place))
            self.assertEqual(self.log_of_master(), name)

    def test_what_check_finds_wrong_changes_nothing(self):
        key = self.write("bad.pem", "no key\n")
        for text, name in (
                (self.good + 'alias-maps = {"inline:sales=pip"}\n',
                 "alias-maps"),
                (self.good + 'alias-maps = {"text:%s/none"}\n' % self.tmp,
                 "alias-maps"),
                (self.good + 'dns-trust-anchor = "%s"\n' % key,
                 "dns-trust-anchor"),
                (self.changed(tls_key='"%s"' % key), "tls-key")):
            done = self.reload(text, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("nothing was reloaded", done.stderr)
            self.assertIn(name, done.stderr)
        self.assertNotIn("event=reload", self.read_log())

    def test_one_that_a_daemon_refuses_is_not_called_done(self):
        anchor = self.write("bad.anchor", "example.test. DS 1 8 2 odd\n")
        done = self.reload(self.good + 'dns-trust-anchor = "%s"\n' % anchor,
                           check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("resolver", done.stderr)
        self.assertIn("event=reload-incomplete proc=resolver", self.read_log())
        self.assertNotIn("event=reload-done", self.log.text)
        self.reload(self.good)
        self.assertIn("event=reload-done", self.read_log())

    def files_of(self, kind):
        pid = next(r["pid"] for r in self.rows() if r["process"] == kind)
        place = "/proc/%d/fd" % pid
        return {os.readlink(os.path.join(place, n)) for n in os.listdir(place)}

    def test_a_trust_anchor_taken_out_is_known_no_more(self):
        anchor = self.write("anchor", "example.test. DS 1 8 2 %s\n" %
                            ("ab" * 32))
        self.reload(self.good + 'dns-trust-anchor = "%s"\n' % anchor)
        self.assertIn(anchor, self.files_of("resolver"))
        self.reload(self.good)
        self.assertNotIn(anchor, self.files_of("resolver"))

    def pid_of(self, kind):
        return next((r["pid"] for r in self.rows() if r["process"] == kind
                     and r["state"] == "running"), None)

    def test_resolver_starts_again_for_a_new_port_only(self):
        before = self.pid_of("resolver")
        self.reload(self.changed(dns_servers='{"127.0.0.1@9", "127.0.0.1"}'))
        self.assertEqual(self.pid_of("resolver"), before)
        self.reload(self.changed(dns_servers='{"127.0.0.1@5353"}'))
        self.log.wait('event=renewal why="new port 5353"')
        self.log.wait("event=started proc=resolver")
        until(lambda: self.pid_of("resolver") not in (None, before),
              "a new resolver")
        self.assertNotIn("event=died proc=resolver", self.read_log())
