"""What a reload takes back, and what it does when it cannot do all of it."""

import json
import re

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
        log = self.follow()
        self.reload(self.good)
        log.wait("event=reload-done")

    def reload(self, text, **more):
        with open(self.bed.conf, "w", encoding="utf-8") as f:
            f.write(text)
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

    def processes(self):
        return {row["process"] for row in map(json.loads, self.bed.wemmick(
            "status", "--json").stdout.splitlines())}

    def test_one_that_cannot_start_gives_way_to_the_next(self):
        key = self.write("bad.pem", "no key\n")
        self.reload(self.changed(tls_key='"%s"' % key))
        self.log.wait("event=certificate-bad")
        self.smtp()  # the old generation serves on
        self.reload(self.good)
        self.log.wait("event=reload-done")
        self.assertNotIn("waiting", self.bed.wemmick("status").stdout)
        self.imap("pip", select="INBOX")

    def test_a_service_switched_off_leaves_no_process(self):
        self.reload(self.changed(listen_pop3="{}", listen_pop3s="{}"))
        self.log.wait("event=reload-done")
        self.assertNotRegex(self.log.text, "event=started proc=pop3d")
        until(lambda: "pop3d" not in self.processes(), "the end of pop3d")
        self.assertIn("imapd", self.processes())
