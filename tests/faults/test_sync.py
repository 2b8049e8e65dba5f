"""A sync that fails is believed: nothing rests on what it was to cover."""

import os

from libwm import mail, procs
from libwm.case import SuiteCase
from libwm.steps import Strace, threads
from libwm.wire import Smtp


class FailedSync(SuiteCase):
    """strace lets calls of deliver fail."""

    @classmethod
    def config(cls):
        return "queue-retry-min = 1\nqueue-retry-max = 1\n"

    def failing(self, *faults):
        """Calls of deliver fail from now on, until end() is called."""
        words = ["-f", "-e", "trace=syncfs,unlinkat", "-e", "signal=none"]
        for f in faults:
            # In its stead one the filter allows: none at all it does not.
            words += ["-e", "inject=%s:syscall=getpid" % f]
        pid = procs.daemons(self.bed.pid())["deliver"][0]
        self.assertEqual(len(threads(pid)), 2)
        s = Strace([*words, "-p", str(pid)],
                   os.path.join(self.tmp, "strace.out"))
        self.addCleanup(s.end)
        s.wait_attached(1)
        return s

    def submit(self, content):
        with Smtp(self.bed.host, self.bed.port("smtp")) as s:
            s.ehlo()
            self.assertEqual(s.mail(
                "sender@example.org", [self.bed.address("pip")],
                content)[0], 250)

    def failed_and_then_well(self, *faults):
        """A mail meets them, and is there exactly once afterwards."""
        self.empty()
        log = self.follow()
        strace = self.failing(*faults)
        self.submit(mail.make(1))
        log.wait(r"event=deferred .*mailbox storage failed")
        self.assertNotIn("event=delivered", log.text)
        strace.end()
        log.wait(r"event=delivered ")
        self.assertEqual(self.originals(), [mail.make(1)])

    def test_content(self):
        self.failed_and_then_well("syncfs:error=EIO:when=1")

    def test_rename(self):
        self.failed_and_then_well("syncfs:error=EIO:when=2")

    def test_rename_that_cannot_be_taken_back(self):
        self.failed_and_then_well("syncfs:error=EIO:when=2",
                                  "unlinkat:error=EIO")
