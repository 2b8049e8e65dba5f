"""Power cuts: what was acknowledged is there when the machine comes back.

A part of what tests/faults/powercut does: some steps of some scenarios, on
both file systems, and proof that a missing sync would be seen.
"""

import os
import random
import shutil
import tempfile
import unittest

from libwm import paths, steps
from libwm.faults import in_full, private_mounts
from libwm.power import tools_missing
from powerplay import Breach, Play
from powerscenes import BY_NAME

SEED = int(os.environ.get("WM_TEST_SEED", "1"))
ROUNDS = int(os.environ.get("WM_TEST_ROUNDS", "2"))
MOUNTS = []  # private ones are made once in this process


class PowerCase(unittest.TestCase):
    """Plays scenarios."""

    TIMEOUT = 300

    def play(self, fs, name):
        tool = tools_missing(fs)
        if tool:
            self.skipTest(tool + " is missing, see etc/deps")
        if not MOUNTS:
            private_mounts()
            MOUNTS.append(True)
        tmp = tempfile.mkdtemp(prefix="power-")
        play = Play(tmp, fs, BY_NAME[name]())
        self.addCleanup(shutil.rmtree, tmp, True)
        self.addCleanup(play.tear_down)
        play.set_up()
        return play

    def cut(self, fs, name, *texts, torn=False):
        play = self.play(fs, name)
        for text in texts:
            with self.subTest(step=text):
                play.cut_at(steps.parse_step(text), torn, SEED)


class Cuts(PowerCase):
    """At steps that matter."""

    def test_accept(self):
        self.cut("ext4", "accept", "client:any:ack:2",
                 "deliver:1:syncfs:1", "deliver:0:renameat2:2",
                 "queue:0:unlinkat:1")

    def test_nothing_else_syncs(self):
        self.cut("xfs", "wait", "client:any:ack:1", "client:any:ack:2")

    def test_append(self):
        self.cut("xfs", "append", "client:any:ack:2",
                 "imap-usher:any:pwrite64:6", torn=True)

    def test_move(self):
        self.cut("ext4", "move", "client:any:ack:1",
                 "imap-usher:any:renameat2:2", torn=True)

    def test_start(self):
        self.cut("ext4", "start", "start:any:fdatasync:1",
                 "start:any:fsync:4")

    def test_under_load(self):
        moments = random.Random(SEED)
        self.cut("ext4", "load", *(
            "client:any:ms:%d" % moments.randrange(100, 1500)
            for _ in range(ROUNDS)), torn=True)


class MissingSync(PowerCase):
    """Builds of ours without a sync are found out (tests/faults/module.mk)."""

    def setUp(self):
        before = os.environ.get("WM_BUILD")
        self.addCleanup(self.set_build, before)

    @staticmethod
    def set_build(value):
        if value is None:
            os.environ.pop("WM_BUILD", None)
        else:
            os.environ["WM_BUILD"] = value

    def found_out(self, build, name, step):
        where = os.path.join(paths.build_dir(), "omit", build)
        if not os.path.isdir(where):
            self.skipTest("run make omit first")
        os.environ["WM_BUILD"] = where
        play = self.play("ext4", name)
        with self.assertRaises(Breach) as caught:
            play.cut_at(steps.parse_step(step), False, SEED)
        self.assertNotIn("come back", str(caught.exception))

    def test_of_the_queue_log(self):
        self.found_out("queue-log", "wait", "client:any:ack:1")

    def test_of_delivered_mail(self):
        self.found_out("deliver", "accept", "client:any:ack:5")

    def test_of_the_mailbox_journal(self):
        self.found_out("store-journal", "append", "client:any:ack:1")

    @in_full
    def test_of_appended_mail(self):
        self.found_out("store-append", "append", "client:any:ack:1")

    @in_full
    def test_of_large_content(self):
        self.found_out("queue-large", "wait", "client:any:ack:2")

    @in_full
    def test_of_folded_mail(self):
        self.found_out("queue-fold", "fold-over", "client:any:ack:46")
