"""Servers that answer badly: no mail is lost, and none comes twice but where
the server may have taken it.

Each answer is given whole, byte by byte and cut off at every place, all at
once: every combination is a server with an address of its own.
"""

import os
import re

from libwm import mail
from libwm.case import SuiteCase
from libwm.fake import FakeServer, Script, Session
from libwm.follow import Follow, until
from libwm.testbed import free_port_base
from libwm.wire import Smtp
from server_items import BOUNCED, ITEMS, PUT_OFF, TAKEN

FIRST = 20  # 127.20.0.1 is the first server of the first item


class Played(Session):
    """The first connection to an address goes wrong, the others do not."""

    def handle(self):
        address = self.connection.getsockname()[0].split(".")
        item, place = int(address[1]) - FIRST, int(address[3]) - 1
        self.plan = self.server.plan(item, place)
        super().handle()

    def answer(self, verb, line=b""):
        stage, raw, close, ehlo = self.plan
        if verb == "EHLO" and stage != "EHLO":
            return self.say(b"250-fake\r\n250 " + (ehlo or b"PIPELINING"))
        if verb != stage:
            return super().answer(verb, line)
        self.plan = (None, b"", False, b"")
        for piece in raw:
            self.wfile.write(piece)
        return not close


class Far(FakeServer):
    """Every address of the net, and what the items want there."""

    def __init__(self, port):
        self.seen = set()
        self.taken = {}
        super().__init__("0.0.0.0", port, Script(), session=Played)

    def plan(self, i, place):
        item = ITEMS[i]
        with self.lock:
            first = (i, place) not in self.seen
            self.seen.add((i, place))
        if not first:
            return None, b"", False, b""
        whole, cut = item.plans()
        return item.stage, *(whole + cut)[place], item.ehlo

    def accepts_data(self):
        return True

    def take(self, content):
        number = re.search(rb"X-Number: (\d+)", content)[1]
        with self.lock:
            self.taken[int(number)] = self.taken.get(int(number), 0) + 1


def name(i, place):
    return "d%d.i%d.test" % (place, i)


class Servers(SuiteCase):
    """One mail for each server, all under way at the same time."""

    OPTIONS = {"cleartext": True, "users": 1}
    TIMEOUT = 180

    @classmethod
    def before_up(cls):
        cls.port = free_port_base("0.0.0.0", 1)
        cls.all = [(i, place) for i, item in enumerate(ITEMS)
                   for place in range(len(sum(item.plans(), [])))]
        tables = cls.bed.path("tables")
        os.makedirs(tables, exist_ok=True)
        with open(tables + "/transport", "w", encoding="ascii") as f:
            for i, place in cls.all:
                f.write("%s relay:[127.%d.0.%d]:%d\n" % (
                    name(i, place), FIRST + i, place + 1, cls.port))

    @classmethod
    def config(cls):
        return ('transport-maps = {"text:transport"}\nrelay-ports = {"%d"}\n'
                "queue-retry-min = 1\nqueue-retry-max = 1\n"
                "relay-timeout = 5\nworkers = 1\nrecipients-limit = 2000\n"
                % cls.port)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.far = Far(cls.port)
        cls.addClassCleanup(cls.far.stop)
        with Follow(cls.bed.log) as log:
            s = Smtp(cls.bed.host, cls.bed.port("submission"))
            s.ehlo()
            s.login("u1@example.test", "pw")
            for n, (i, place) in enumerate(cls.all):
                code, text = s.mail("u1@example.test",
                                    ["x@" + name(i, place)], mail.make(n))
                assert code == 250, text
            s.close()
            until(lambda: cls.all_over(log), "all mails", 120, step=0.1)
            cls.log_text = log.text

    @classmethod
    def all_over(cls, log):
        log.read()
        return len(re.findall(r"event=(?:relayed|failed) .*\.test ",
                              log.text)) >= len(cls.all)

    def history(self, i, place):
        """[(event, status)] of one mail."""
        return [(m[1], m[2]) for m in re.finditer(
            r"event=(deferred|relayed|failed) [^\n]*to=x@%s (?:[^\n]*?"
            r"status=(\S+))?" % re.escape(name(i, place)), self.log_text)]

    def check(self, i):
        item = ITEMS[i]
        whole, cut = map(len, item.plans())
        for place in range(whole):
            self.one(i, place, item.outcome, item.status)
        for place in range(whole, whole + cut):
            self.one(i, place, PUT_OFF, "4")

    def one(self, i, place, outcome, status):
        events = self.history(i, place)
        first = {TAKEN: "relayed", PUT_OFF: "deferred",
                 BOUNCED: "failed"}[outcome]
        what = "%s at %d: %r" % (ITEMS[i].name, place, events)
        self.assertEqual(events[0][0], first, what)
        if status:
            self.assertTrue(events[0][1].startswith(status), what)
        got = self.far.taken.get(self.all.index((i, place)), 0)
        if events[0][0] == "deferred":
            self.assertEqual(events[-1][0], "relayed", what)
            self.assertIn(got, (1, 2) if ITEMS[i].stage == "end" else (1,),
                          what)


def give_tests():
    for i, item in enumerate(ITEMS):
        def test(self, i=i):
            self.check(i)
        setattr(Servers, item.test, test)


give_tests()
