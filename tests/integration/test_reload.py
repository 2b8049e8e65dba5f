"""What a reload does when it cannot do all of it."""

import re

from libwm.case import SuiteCase


class Reload(SuiteCase):
    """The administrator makes mistakes and mends them."""

    def setUp(self):
        with open(self.bed.conf, encoding="utf-8") as f:
            self.good = f.read()
        self.addCleanup(self.settle)
        self.log = self.follow()

    def settle(self):
        """As it was before the test, for the next one."""
        log = self.follow()
        self.reload(self.good)
        log.wait("event=reload-done")

    def reload(self, text, **more):
        with open(self.bed.conf, "w", encoding="utf-8") as f:
            f.write(text)
        return self.bed.wemmick("reload", **more)

    def with_key(self, key, value):
        """The configuration with another value of this key."""
        text, n = re.subn(r"(?m)^%s = .*" % key, "%s = %s" % (key, value),
                          self.good)
        self.assertEqual(n, 1)
        return text

    def test_one_that_cannot_start_gives_way_to_the_next(self):
        key = self.write("bad.pem", "no key\n")
        self.reload(self.with_key("tls-key", '"%s"' % key))
        self.log.wait("event=certificate-bad")
        self.smtp()  # the old generation serves on
        self.reload(self.good)
        self.log.wait("event=reload-done")
        self.assertNotIn("waiting", self.bed.wemmick("status").stdout)
        self.imap("pip", select="INBOX")
