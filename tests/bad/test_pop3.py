"""Bad input for POP3, before login and after."""

from drive import SHORT, BadCase, Pop3Protocol, tests_from
from libwm import mail
from libwm.follow import until
from libwm.wire import Imap
from pop3_items import ITEMS


@tests_from(ITEMS)
class Pop3(BadCase):
    """Three mails each. A maildrop takes one session at a time, so that
    connections at the same time are of different users."""

    OPTIONS = {"cleartext": True, "users": SHORT}
    PROTOCOL = Pop3Protocol()
    SERVICE = "pop3"
    END = (r"\+OK ",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(SHORT):
            with cls.session(i) as c:
                for j in range(3):
                    c.ok("APPEND INBOX {}", mail.make(j))
        cls.before = [cls.state_of(i) for i in range(SHORT)]

    @classmethod
    def tearDownClass(cls):
        after = [cls.state_of(i) for i in range(SHORT)]
        if after != cls.before:
            raise AssertionError("changed: %r" % [
                x for x in zip(cls.before, after) if x[0] != x[1]])
        super().tearDownClass()

    @classmethod
    def session(cls, i):
        c = Imap(cls.bed.host, cls.bed.port("imap"))
        c.login("u%d@example.test" % (i + 1), "pw")
        return c

    @classmethod
    def state_of(cls, i):
        with cls.session(i) as c:
            c.ok("EXAMINE INBOX")
            return c.ok("STATUS INBOX (UIDNEXT UIDVALIDITY)") + \
                c.ok("FETCH 1:* (UID RFC822.SIZE)")

    def state(self):
        return self.state_of(0)

    def talks(self, count, start=None, **more):
        found = super().talks(count, (), **more)
        if start:
            for i, t in enumerate(found):
                t.send(b"USER u%d@example.test\r\n" % (i + 1))
            for i, t in enumerate(found):
                t.answer()
                self.login(t, i)
        return found

    def login(self, t, i):
        """The session before may need a moment to end."""
        def attempt():
            t.send(b"PASS pw\r\n")
            answer = t.answer()
            if not answer.startswith(b"-ERR [IN-USE]"):
                return answer
            t.send(b"USER u%d@example.test\r\n" % (i + 1))
            t.answer()
            return None
        self.assertTrue(until(attempt, "the maildrop").startswith(b"+OK"))
