"""Listening sockets that systemd opened and handed over (sd_listen_fds)."""

import os
import socket
import subprocess
import sys
import tempfile
import unittest

from libwm.testbed import Testbed

# The protocol wants LISTEN_PID to be the process that takes them, so a small
# program stands between: it puts the socket where it belongs and becomes
# master.
WRAP = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = "1"
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activation(unittest.TestCase):
    """A client that came before master started is served by it."""

    def test_socket_of_systemd_is_used(self):
        with tempfile.TemporaryDirectory(prefix="wm-") as tmp:
            os.chmod(tmp, 0o755)
            bed = Testbed(os.path.join(tmp, "bed"))
            self.addCleanup(bed.kill_all)
            bed.prepare()
            with socket.socket() as listener:
                listener.bind((bed.host, bed.port("smtp")))
                listener.listen(16)
                with socket.create_connection(
                        (bed.host, bed.port("smtp")), 20) as early:
                    self.start(bed, listener)
                    self.assertEqual(early.recv(4), b"220 ")
            # Ours is closed: what is served now is master's own copy.
            with socket.create_connection(
                    (bed.host, bed.port("smtp")), 20) as late:
                self.assertEqual(late.recv(4), b"220 ")
            bed.down()

    @staticmethod
    def start(bed, listener):
        os.set_inheritable(listener.fileno(), True)
        popen = subprocess.Popen

        def inheriting(*a, **kw):
            return popen(*a, **kw, pass_fds=[listener.fileno()])

        subprocess.Popen = inheriting
        try:
            bed.start(wrap=[sys.executable, "-c", WRAP,
                            str(listener.fileno())])
        finally:
            subprocess.Popen = popen


if __name__ == "__main__":
    unittest.main()
