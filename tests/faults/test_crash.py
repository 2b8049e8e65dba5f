"""kill -9 of everything at once, at random moments, and start again."""

import os
import random
import time

from libwm.case import SuiteCase
from libwm.load import AppendLoad, Load

USERS = ["u1", "u2", "u3", "u4"]
ROUNDS = int(os.environ.get("WM_TEST_ROUNDS", "5"))
SEED = int(os.environ.get("WM_TEST_SEED", "1"))


class Crash(SuiteCase):
    """The moments come from a seed; WM_TEST_SEED and _ROUNDS change it."""

    OPTIONS = {"users": 8}
    TIMEOUT = 600

    def rounds(self, load, seed):
        moments = random.Random(seed)
        with load:
            for _ in range(ROUNDS):
                load.wait_more(5)
                # The moment is what is random here, not a wait for anything.
                time.sleep(moments.uniform(0, 0.6))
                self.bed.kill_all()
                self.bed.start()
            load.wait_more(5)
        load.settle(self)

    def test_mail_by_smtp(self):
        self.rounds(Load(self.bed, USERS), SEED)

    def test_mail_by_append(self):
        self.rounds(AppendLoad(self.bed, ["u5", "u6", "u7"],
                               first=1000000), SEED + 1)

    def test_mailbox_after_crashes_has_each_uid_once(self):
        load = Load(self.bed, ["u8"], first=2000000)
        moments = random.Random(SEED + 2)
        seen = {}
        with load:
            for _ in range(ROUNDS):
                load.wait_more(5)
                c = self.imap("u8", select="INBOX")
                for row in c.ok("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS "
                                "(X-Number)])"):
                    if b"X-Number" not in row:
                        continue  # news of mail that came meanwhile
                    uid = int(row.split(b"UID ")[1].split()[0])
                    number = row.split(b"X-Number: ")[1].split()[0]
                    # RFC 3501 §2.3.1.1: a UID names one mail for ever.
                    self.assertEqual(seen.setdefault(uid, number), number)
                time.sleep(moments.uniform(0, 0.3))
                self.bed.kill_all()
                self.bed.start()
        load.settle(self)
