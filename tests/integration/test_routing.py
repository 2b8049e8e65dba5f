"""Where addresses go: aliases, virtual aliases, catch-all, tags, tables."""

import os

from libwm import mail
from libwm.case import SuiteCase
from libwm.follow import fields

ALIASES = """\
sales: pip, estella
office: sales
loop-a: loop-b
loop-b: loop-a
owner-list: estella
list: pip
"""
VIRTUAL = """\
info@virtual.test pip@example.test
both@virtual.test pip@example.test estella@example.test
@catch.test estella@example.test
exact@catch.test pip@example.test
old@example.test pip@example.test
"""
TRANSPORT = "gone.test error:5.1.6 that host has moved\n"


class Routing(SuiteCase):
    """Tables of all types."""

    @classmethod
    def config(cls):
        return ('domains = {"example.test", "virtual.test", "catch.test", '
                '"xn--bcher-kva.test"}\n'
                'relay-domains = {"gone.test"}\n'
                'recipient-delimiter = "+"\n'
                'alias-maps = {"hash:aliases"}\n'
                'virtual-alias-maps = {"btree:virtual", '
                '"inline:{ one@virtual.test=pip@example.test, '
                'pip@xn--bcher-kva.test=pip@example.test }"}\n'
                'transport-maps = {"text:transport"}\n')

    @classmethod
    def before_up(cls):
        tables = cls.bed.path("tables")
        os.makedirs(tables)
        for name, text in (("aliases", ALIASES), ("virtual", VIRTUAL),
                           ("transport", TRANSPORT)):
            with open(os.path.join(tables, name), "w",
                      encoding="ascii") as f:
                f.write(text)
        cls.bed.prepare(config=cls.config())
        cls.bed.wemmick("map", "build", "hash:aliases")
        cls.bed.wemmick("map", "build", "btree:virtual")

    def setUp(self):
        self.empty("pip")
        self.empty("estella")

    def deliver(self, to, who, params=""):
        """Send to an address; it must reach exactly these users, once."""
        log = self.follow()
        s = self.smtp()
        code, text = s.mail("a@b.example", [to], mail.make(1), params)
        self.assertEqual(code, 250, text)
        homes = [fields(m[0])["home"].split("/")[-1] for m in log.wait(
            "event=delivered.*", len(who))]
        self.assertEqual(sorted(homes), sorted(who))
        s.mail("a@b.example", ["pip@example.test"], mail.make(2))
        log.wait("event=delivered.*", len(who) + 1)  # and none since
        for user in ("pip", "estella"):
            self.assertEqual(
                [m for m in self.originals(user) if m == mail.make(1)],
                [mail.make(1)] * who.count(user))

    def test_international_domain(self):
        self.deliver("pip@xn--bcher-kva.test", ["pip"])
        self.empty("pip")
        self.deliver("pip@Bücher.test", ["pip"], " SMTPUTF8")

    def test_alias(self):
        self.deliver("sales@example.test", ["pip", "estella"])

    def test_alias_of_an_alias(self):
        self.deliver("office@example.test", ["pip", "estella"])

    def test_alias_has_no_case(self):
        self.deliver("SALES@Example.Test", ["pip", "estella"])

    def test_virtual_alias(self):
        self.deliver("info@virtual.test", ["pip"])
        self.empty("pip")
        self.deliver("both@virtual.test", ["pip", "estella"])

    def test_inline_table(self):
        self.deliver("one@virtual.test", ["pip"])

    def test_catch_all_and_the_exact_address_before_it(self):
        self.deliver("whatever@catch.test", ["estella"])
        self.empty("estella")
        self.deliver("exact@catch.test", ["pip"])

    def test_tag(self):
        self.deliver("pip+books@example.test", ["pip"])

    def test_tag_on_an_alias(self):
        self.deliver("sales+x@example.test", ["pip", "estella"])

    def test_owner_becomes_the_sender(self):
        self.deliver("list@example.test", ["pip"])
        first = [m for m in self.fetch_all() if mail.original(m) ==
                 mail.make(1)][0]
        self.assertTrue(first.startswith(
            b"Return-Path: <owner-list@example.test>"), first[:80])

    def test_unknown_users_at_rcpt(self):
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        for to in ("nobody@example.test", "nobody+pip@example.test",
                   "x@virtual.test"):
            code, text = s.cmd("RCPT TO:<%s>" % to)
            self.assertEqual((code, text[:5]), (550, "5.1.1"), to)

    def test_transport_that_says_no(self):
        s = self.smtp()
        s.code("MAIL FROM:<a@b.example>")
        code, text = s.cmd("RCPT TO:<x@gone.test>")
        self.assertEqual(code, 550, text)
        self.assertIn("that host has moved", text)

    def test_alias_loop_ends(self):
        log = self.follow()
        s = self.smtp()
        code, _ = s.mail("pip@example.test", ["loop-a@example.test"],
                         mail.make(3))
        if code == 250:
            log.wait(r"event=(bounced|deferred|failed)")
            log.wait(r"event=delivered .*")  # pip is told

    def test_queries(self):
        got = self.bed.wemmick("map", "query", "hash:aliases", "sales")
        self.assertIn("pip", got.stdout)
        got = self.bed.wemmick("map", "query", "btree:virtual",
                               "@catch.test")
        self.assertIn("estella@example.test", got.stdout)
        self.assertNotEqual(self.bed.wemmick(
            "map", "query", "hash:aliases", "none", check=False).returncode,
            0)
