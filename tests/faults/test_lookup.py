"""Name servers that time out, fail, lie or are slow."""

import time

from libwm import mail, paths
from libwm.case import SuiteCase
from libwm.dns import free_port
from libwm.fake import FakeServer
from libwm.fakedns import FakeDns
from libwm.faults import in_full, private_network
from libwm.follow import until

REMOTE = "127.0.0.2"
QUICK = ("servfail", "refused", "garbage", "truncated", "lame")
SLOW = ("timeout", "closed")
# What they answered when they were well is remembered: of no other test.
LATE = ["late-" + m for m in (*QUICK, "timeout")]


class Lookups(SuiteCase):
    """A zone for each way of failing, and a good one."""

    TIMEOUT = 300

    @classmethod
    def before_up(cls):
        private_network()
        cls.remote = FakeServer(REMOTE, 0)
        cls.addClassCleanup(cls.remote.stop)
        modes = {"%s.test" % m: m for m in (*QUICK, "timeout", "slow", "tcp")}
        modes.update({"%s.test" % z: z.partition("-")[2] for z in LATE})
        modes["good.test"] = "good"
        cls.dns = FakeDns("127.0.0.1", REMOTE, modes)
        cls.addClassCleanup(cls.dns.stop)

    @classmethod
    def config(cls):
        port = cls.remote.port
        return cls.dns.config() + (
            'dns-zone "closed.test" { address = {"127.0.0.1@%d"} }\n'
            'relay-port = %d\nrelay-ports = {"%d"}\nqueue-retry-min = 1\n'
            "queue-retry-max = 2\nrelay-timeout = 10\n" % (
                free_port("127.0.0.1"), port, port))

    def mail_to(self, *zones):
        s = self.submit("pip")
        for n, zone in enumerate(zones):
            code, text = s.mail("pip@example.test", ["x@%s.test" % zone],
                                mail.make(n))
            self.assertEqual(code, 250, text)

    def good_one_passes(self):
        log = self.follow()
        began = time.monotonic()
        self.mail_to("good")
        log.wait("event=relayed .*to=x@good.test")
        self.assertLess(time.monotonic() - began, 3 * paths.PATIENCE)

    def deferred(self, log, zones, seconds):
        for zone in zones:
            line = log.wait("event=deferred .*to=x@%s.test.*" % zone,
                            seconds=seconds)[0][0]
            self.assertRegex(line, r"4\.4\.3")

    def clean(self):
        self.bed.wemmick("queue", "delete", "--all")

    def tearDown(self):
        self.clean()

    def test_failing_zones_are_deferred_and_others_pass(self):
        log = self.follow()
        self.mail_to(*QUICK)
        self.good_one_passes()
        self.deferred(log, QUICK, 60)
        self.assertNotIn("event=bounced", log.text)

    def test_an_answer_too_large_for_udp_comes_by_tcp(self):
        log = self.follow()
        self.mail_to("tcp")
        log.wait("event=relayed .*to=x@tcp.test")

    def test_a_slow_server_is_waited_for(self):
        log = self.follow()
        self.mail_to("slow")
        self.good_one_passes()
        log.wait("event=relayed .*to=x@slow.test")

    def test_silent_server_defers_and_holds_up_nobody(self):
        log = self.follow()
        self.mail_to(*SLOW)
        for _ in range(3):
            self.good_one_passes()
        self.clean()
        del log

    @in_full
    def test_silent_servers_are_deferred_in_time(self):
        log = self.follow()
        self.mail_to(*SLOW)
        self.deferred(log, SLOW, 100)

    @in_full
    def test_all_arrives_when_the_servers_are_well_again(self):
        log = self.follow()
        self.mail_to(*LATE)
        self.deferred(log, LATE, 100)
        self.dns.modes.update({"%s.test" % z: "good" for z in LATE})
        for zone in LATE:
            log.wait("event=relayed .*to=x@%s.test" % zone, seconds=90)

    def test_a_thousand_of_a_dead_zone_leave_room_for_others(self):
        s = self.submit("pip")
        for n in range(100):
            code, text = s.mail(
                "pip@example.test",
                ["x@d%d-%d.timeout.test" % (n, i) for i in range(10)],
                mail.make(n))
            self.assertEqual(code, 250, text)
        for _ in range(3):
            self.good_one_passes()

    def test_smtp_clients_do_not_wait_for_their_names(self):
        began = time.monotonic()
        s = self.smtp(source="127.0.0.77")
        self.assertEqual(s.mail("a@b.example", ["pip@example.test"],
                                mail.make(1))[0], 250)
        self.assertLess(time.monotonic() - began, 2 * paths.PATIENCE)
        until(lambda: self.fetch_all("pip"), "the mail")
