"""A disk that fills up: no new mail is taken, and all goes on afterwards."""

import os
import subprocess

from libwm import mail
from libwm.case import SuiteCase
from libwm.faults import private_mounts
from libwm.follow import until
from libwm.load import Load

MIB = 1 << 20


class FullDisk(SuiteCase):
    """The state lies on an ext4 of its own, which a big file fills."""

    OPTIONS = {"users": 2}
    SIZE = 700 * MIB
    TIMEOUT = 300

    @classmethod
    def config(cls):
        return ("queue-disk-reserve = %d\nqueue-retry-min = 1\n"
                "queue-retry-max = 2\n" % (32 * MIB))

    @classmethod
    def before_up(cls):
        private_mounts()
        image = os.path.join(cls.tmp, "disk")
        with open(image, "wb") as f:
            f.truncate(cls.SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-m0", "-F", image], check=True)
        state = cls.bed.path("state")
        os.makedirs(state)
        subprocess.run(["mount", "-o", "loop", image, state], check=True)

    @classmethod
    def remove(cls):
        cls.bed.kill_all()
        subprocess.run(["umount", cls.bed.path("state")], check=False)
        super().remove()

    def free(self):
        s = os.statvfs(self.bed.path("state"))
        return s.f_bavail * s.f_bsize

    def ballast(self):
        return self.bed.path("state", "ballast")

    def fill(self, leave):
        """Use the disk up but for so many bytes."""
        with open(self.ballast(), "ab") as f:
            while self.free() > leave:
                step = min(16 * MIB, max(4096, self.free() - leave))
                try:
                    os.posix_fallocate(f.fileno(), f.tell(), step)
                except OSError:
                    return
                f.seek(0, os.SEEK_END)

    def tearDown(self):
        if os.path.exists(self.ballast()):
            os.unlink(self.ballast())

    def answer(self):
        """What MAIL and, where it went so far, the mail's end get."""
        s = self.smtp()
        code, text = s.mail("a@b.example", ["u1@example.test"],
                            mail.make(1))
        s.close()
        return code, text

    def test_reserve_is_kept_and_intake_comes_back(self):
        self.assertEqual(self.answer()[0], 250)
        self.fill(16 * MIB)
        code, text = until(lambda: self.refused(), "452", step=0.2)
        self.assertEqual((code, text[:5]), (452, "4.3.1"))
        os.unlink(self.ballast())
        until(lambda: self.answer()[0] == 250, "mail to be taken again",
              step=0.2)

    def refused(self):
        code, text = self.answer()
        return (code, text) if code != 250 else None

    def test_nothing_is_lost_when_the_disk_fills_under_load(self):
        self.empty("u1")
        self.empty("u2")
        with Load(self.bed, ["u1", "u2"], threads=2) as load:
            load.wait_more(20)
            self.fill(0)
            until(lambda: load.refused, "a refusal")
            os.unlink(self.ballast())
            load.wait_more(20)
        for text in load.refused.values():
            self.assertIn(text[:2], ("4.", b"4."), text)
        load.settle(self)

    def test_append_to_a_full_disk_says_no(self):
        c = self.imap("u2", select="INBOX")
        self.fill(0)
        status, _, _ = c.cmd("APPEND INBOX {}", mail.make(3, 200000))
        self.assertEqual(status, b"NO")
        os.unlink(self.ballast())
        c.ok("APPEND INBOX {}", mail.make(3, 200000))
