"""The base of tests against a running suite: one testbed for each class."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from libwm import mail, paths
from libwm.follow import Follow, until
from libwm.testbed import Testbed
from libwm.wire import Imap, Pop3, Smtp, tls_context

# What must never stand in a log, whatever a test does.
BAD_SIGNS = re.compile(
    r"AddressSanitizer|runtime error:|LeakSanitizer|Assertion .* failed|"
    r'event=died .*signal="?(Segm|Abort|Bus|Bad sys|Illegal|Floating)')


class SuiteCase(unittest.TestCase):
    """OPTIONS go to the testbed; config() may need the directory."""

    OPTIONS = {}
    CRASHES_EXPECTED = False
    bed = None
    tmp = None

    @classmethod
    def config(cls):
        """More settings for wemmick.conf."""
        return ""

    @classmethod
    def before_up(cls):
        """Make what the suite needs before it starts."""

    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.mkdtemp(prefix=cls.__name__ + "-")
        cls.bed = Testbed(os.path.join(cls.tmp, "suite"))
        cls.addClassCleanup(cls.remove)
        cls.before_up()
        cls.bed.up(config=cls.config(), **cls.OPTIONS)

    @classmethod
    def remove(cls):
        """Stop what is still there and remove the directory."""
        if cls.bed.options:
            cls.bed.kill_all()
        if not os.environ.get("WM_KEEP"):
            shutil.rmtree(cls.tmp, ignore_errors=True)

    @classmethod
    def tearDownClass(cls):
        cls.bed.down()
        bad = BAD_SIGNS.search(cls.bed.log_text())
        if bad and not cls.CRASHES_EXPECTED:
            raise AssertionError("in the log: %s\n%s" % (
                bad[0], cls.bed.log_tail()))

    # -- clients -------------------------------------------------------------

    @property
    def tls(self):
        return tls_context(self.bed.path("cert.pem"))

    def client(self, kind, service, tls=None, **more):
        c = kind(self.bed.host, self.bed.port(service), tls=tls, **more)
        self.addCleanup(c.close)
        return c

    def smtp(self, ehlo=True, **more):
        s = self.client(Smtp, "smtp", **more)
        if ehlo:
            s.ehlo()
        return s

    def submit(self, user="pip", **more):
        """A submission client over TLS, logged in."""
        s = self.client(Smtp, "submissions", tls=self.tls, **more)
        s.ehlo()
        code, text = s.login(*self.credentials(user))
        self.assertEqual(code, 235, text)
        return s

    def credentials(self, user):
        a = self.bed.address(user)
        return a, self.bed.accounts()[a]

    def imap(self, user="pip", select=None, **more):
        c = self.client(Imap, "imaps", tls=self.tls, **more)
        c.login(*self.credentials(user))
        if select:
            c.ok("SELECT " + select)
        return c

    def pop3(self, user="pip", **more):
        """A session; the one before may need a moment to see its end."""
        return until(lambda: self.try_pop3(user, **more), "the maildrop")

    def try_pop3(self, user, **more):
        c = self.client(Pop3, "pop3s", tls=self.tls, **more)
        name, password = self.credentials(user)
        c.ok("USER " + name)
        good, text = c.cmd("PASS " + password)
        if not good and text.startswith("[IN-USE]"):
            c.close()
            return None
        self.assertTrue(good, text)
        return c

    # -- mail ----------------------------------------------------------------

    def follow(self):
        f = Follow(self.bed.log)
        self.addCleanup(f.__exit__)
        return f

    def send(self, content, to="pip", sender="sender@example.org"):
        """Send to a local user by port 25 and wait for the delivery."""
        log = self.follow()
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            code, text = s.mail(sender, [self.bed.address(to)], content)
        self.assertEqual(code, 250, text)
        number = re.search(r"queued as (\S+)", text)[1]
        return log.wait(r"event=delivered id=%s .*" % number)[0][0]

    def fetch_all(self, user="pip"):
        """The whole INBOX by POP3, as it is stored."""
        c = self.pop3(user)
        count = int(c.ok("STAT").split()[0])
        mails = [c.retrieve(i + 1) for i in range(count)]
        self.leave(c)
        return mails

    @staticmethod
    def leave(c):
        """End a POP3 session: only then another one may have the mailbox."""
        c.ok("QUIT")
        c.rest()
        c.close()

    def originals(self, user="pip"):
        return [mail.original(m) for m in self.fetch_all(user)]

    def empty(self, user="pip"):
        """Remove every mail of the INBOX."""
        c = self.pop3(user)
        for i in range(int(c.ok("STAT").split()[0])):
            c.ok("DELE %d" % (i + 1))
        self.leave(c)

    def wait_mails(self, count, user="pip"):
        """The INBOX once it holds at least so many mails."""
        return until(lambda: self.at_least(count, user),
                     "%d mails for %s" % (count, user), step=0.2)

    def at_least(self, count, user):
        mails = self.fetch_all(user)
        return len(mails) >= count and mails

    # -- programs ------------------------------------------------------------

    def run_program(self, *words, stdin=None, timeout=60, env=None,
                    check=True):
        """A client program; its output, after it succeeded."""
        done = subprocess.run(
            words, input=stdin, capture_output=True,
            timeout=timeout * paths.PATIENCE, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.tmp,
                 "LC_ALL": "C.UTF-8", **(env or {})})
        if check and done.returncode != 0:
            self.fail("%s: exit %d\n%s\n%s" % (
                words[0], done.returncode, done.stdout.decode(),
                done.stderr.decode()))
        return done

    def write(self, name, text, mode=0o600):
        """A file for a client, in a place of its own."""
        path = os.path.join(self.tmp, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path


class OwnAccounts(SuiteCase):
    """Each test has an account of its own."""

    OPTIONS = {"users": 40}
    used = 0

    def account(self):
        type(self).used += 1
        return "u%d" % self.used

    def mailbox(self, *contents):
        """A session in an INBOX with these mails, each told."""
        user = self.account()
        c = self.imap(user)
        for m in contents:
            c.ok("APPEND INBOX {}", m)
        c.ok("SELECT INBOX")
        c.user = user
        return c
