"""Bad input for port 25 and for submission."""

from drive import BadCase, SmtpProtocol, tests_from
from smtp_items import EHLO, ITEMS, SUBMISSION


class SmtpCase(BadCase):
    """Counts who came, who left and what was taken in the log."""

    PROTOCOL = SmtpProtocol()
    SERVICE = "smtp"
    END = ("221 ",)

    def setUp(self):
        self.log = self.follow()
        self.came = self.taken = 0

    def talks(self, count, *a, **k):
        self.came += count
        return super().talks(count, *a, **k)

    def settled(self, mails, when):
        self.log.wait(r"event=disconnect ", self.came)
        taken = self.log.text.count("event=received ")
        self.assertEqual(taken - self.taken, mails, when)
        self.taken = taken
        with self.smtp() as next_one:
            self.came += 1
            self.assertEqual(next_one.code("NOOP"), 250)


@tests_from(ITEMS)
class Smtp(SmtpCase):
    """Strangers on port 25."""

    START = (EHLO,)


@tests_from(SUBMISSION)
class Submission(SmtpCase):
    """People who submit, where logins need no TLS."""

    OPTIONS = {"cleartext": True, "users": 1}
    SERVICE = "submission"
    START = (EHLO,)
