"""No random numbers: no TLS without them, and no weak ones."""

import os
import socket
import ssl
import unittest

from libwm import meddle, procs
from libwm.case import SuiteCase
from libwm.follow import until
from libwm.inject import InjectChild
from libwm.load import BROKEN

TRIES = 4    # to start again, until that is believed
BACK_S = 40  # master lets pass more and more time before it tries again


@unittest.skipUnless(meddle.AVAILABLE, "x86-64 only")
class NoRandomNumbers(SuiteCase):
    """getrandom() fails from the first call of a new process on."""

    OPTIONS = {"users": 2}
    TIMEOUT = 150

    def shakes_hands(self, service):
        """Does a handshake come to its end?"""
        try:
            with socket.create_connection(
                    (self.bed.host, self.bed.port(service)), 1) as plain:
                plain.settimeout(1)
                with self.tls.wrap_socket(
                        plain, server_hostname=self.bed.host):
                    return True
        except (OSError, ssl.SSLError):
            return False

    def works(self):
        try:
            self.imap("u1").close()
            return True
        except BROKEN:
            return False

    def without(self, kind, service):
        self.assertTrue(self.shakes_hands(service))
        log = self.follow()
        out = os.path.join(self.tmp, "trace-" + kind)
        with InjectChild(self.bed.pid(), "getrandom", "always-EAGAIN", 1,
                         out, again=True):
            for pid in procs.daemons(self.bed.pid())[kind]:
                os.kill(pid, 9)
            # Who cannot make what TLS needs does not begin to serve.
            while log.text.count("error retrieving entropy") < TRIES:
                self.assertFalse(self.shakes_hands(service))
                log.read()
        until(lambda: self.shakes_hands(service), "TLS again", BACK_S, 0.2)

    def test_imap_shakes_no_hands(self):
        self.without("imapd", "imaps")
        until(self.works, "a login", BACK_S)

    def test_submission_shakes_no_hands(self):
        self.without("submission", "submissions")
        self.submit("u1").close()
