"""The log's reader stops, or its disk is full: mail goes on."""

import os
import re
import subprocess
import threading

from libwm import mail
from libwm.case import SuiteCase
from libwm.follow import until
from libwm.load import Load


class BlockedLog(SuiteCase):
    """The log is a named pipe whose reader stops reading."""

    OPTIONS = {"users": 2}
    TIMEOUT = 120

    @classmethod
    def before_up(cls):
        text = cls.bed.config_text
        fifo = os.path.join(cls.tmp, "fifo")
        os.mkfifo(fifo)
        cls.reader = os.open(fifo, os.O_RDWR)
        cls.addClassCleanup(os.close, cls.reader)
        cls.bed.config_text = lambda: text().replace(
            'log = "%s"' % cls.bed.log, 'log = "%s"' % fifo)

    def drain(self):
        """All that stands in the pipe now."""
        os.set_blocking(self.reader, False)
        got = b""
        try:
            while True:
                got += os.read(self.reader, 65536)
        except BlockingIOError:
            return got.decode()

    def test_mail_goes_on_and_the_lines_lost_are_counted(self):
        # A pipe holds 64 KiB; each mail is some hundred bytes of log.
        with Load(self.bed, ["u1", "u2"], threads=2) as load:
            load.wait_more(400)
        self.assertEqual((load.refused, load.unknown), ({}, {}))
        load.settle(self)
        c = self.imap("u1", select="INBOX")
        c.close()
        self.drain()
        s = self.smtp()
        self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                mail.make(1))[0], 250)
        text = until(lambda: self.counted(), "lines counted")
        for line in text.splitlines():
            self.assertRegex(line, r"^(<\d+>|\d{4}-).*\]: event=")

    got = ""

    def counted(self):
        self.got += self.drain()
        return re.search(r"smtpd.*event=log-dropped lines=[1-9]",
                         self.got) and self.got

    def test_status_and_reload_answer(self):
        with Load(self.bed, ["u1", "u2"], threads=2, first=100000) as load:
            load.wait_more(400)
        self.assertIn("queue", self.bed.wemmick("status").stdout)
        self.bed.wemmick("reload")
        self.bed.wemmick("status")


class FullLog(SuiteCase):
    """The log's device is full from the first line on."""

    @classmethod
    def before_up(cls):
        text = cls.bed.config_text
        cls.bed.config_text = lambda: text().replace(
            'log = "%s"' % cls.bed.log, 'log = "/dev/full"')

    def test_mail_goes_on(self):
        with self.smtp() as s:
            for n in range(5):
                self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                        mail.make(n))[0], 250)
        self.assertEqual(len(self.wait_mails(5, "pip")), 5)


class DeadReader(SuiteCase):
    """The reader of master's stderr is gone."""

    def test_mail_goes_on(self):
        bed = self.bed
        bed.down()
        with open(bed.conf, encoding="utf-8") as f:
            text = f.read()
        with open(bed.conf, "w", encoding="utf-8") as f:
            f.write(text.replace('log = "%s"' % bed.log, 'log = "stderr"'))
        reader, writer = os.pipe()
        threading.Thread(target=self.close_later, args=(reader,)).start()
        popen = subprocess.Popen

        def piped(*a, **kw):
            kw.update(stdout=writer, stderr=writer)
            return popen(*a, **kw)
        subprocess.Popen = piped
        try:
            bed.start()
        finally:
            subprocess.Popen = popen
            os.close(writer)
        s = self.smtp()
        self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                mail.make(1))[0], 250)
        self.wait_mails(1, "pip")

    @staticmethod
    def close_later(reader):
        """Reads one piece of it and goes."""
        os.read(reader, 200)
        os.close(reader)
