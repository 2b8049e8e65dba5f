"""Bad input for IMAP, before login and after."""

import re

from drive import BadCase, ImapProtocol, tests_from
from imap_items import ITEMS
from libwm import mail
from libwm.wire import Imap as ImapClient


@tests_from(ITEMS)
class Imap(BadCase):
    """u1, with three mails and two more mailboxes."""

    OPTIONS = {"cleartext": True, "users": 1}
    PROTOCOL = ImapProtocol()
    SERVICE = "imap"
    END = (r"\* BYE ", "zz OK ")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        c = cls.session()
        for name in ("box", "other"):
            c.ok("CREATE " + name)
        for i in range(3):
            c.ok("APPEND INBOX {}", mail.make(i))
        c.close()

    @classmethod
    def session(cls):
        c = ImapClient(cls.bed.host, cls.bed.port("imap"))
        c.login("u1@example.test", "pw")
        return c

    def state(self):
        """What there is and how it is flagged."""
        with self.session() as c:
            rows = c.ok('LIST "" "*"') + c.ok('LSUB "" "*"')
            for box in ("INBOX", "box", "other"):
                rows += c.ok("STATUS %s (MESSAGES UIDNEXT UIDVALIDITY)" % box)
            c.ok("EXAMINE INBOX")
            rows += c.ok("FETCH 1:* (UID FLAGS)")
            return [re.sub(rb"\\Recent ?", b"", r) for r in rows]
