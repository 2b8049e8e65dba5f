"""Rows: POP3."""

import contextlib

from wmbench.load import Load
from wmbench.row import Row
from wmbench.rows_imap import BIG, LoginRow
from wmbench.servers import DOMAIN, PASSWORD

ENTER = ("-b", "USER u{u}@" + DOMAIN, "-b", "PASS " + PASSWORD)


class Retrieve(Row):
    """One client asks for every message without waiting for answers."""

    unit = "RETR"

    def prepare(self, bench, server, side, count):
        bench.fill(server, BIG, count)

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        with Load("pop3load", server.port["pop3"], "-k", "-d", 20, "-F", BIG,
                  *ENTER, "-n", count, "-o", "RETR {n}", "-a", "QUIT") as l:
            yield l.go


ROWS = [
    LoginRow(name="pop3-login", full=150, quick=150, program="pop3load",
             service="pop3", target_us=300, script=(
                 *ENTER, "-o", "STAT", "-a", "QUIT"),
             title="POP3 login, STAT, QUIT; another user each time"),
    Retrieve(name="pop3-retr", full=10000, quick=2000, target_us=15,
             title="POP3 RETR, pipelined"),
]
