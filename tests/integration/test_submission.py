"""Ports 587 and 465: who may submit, and what submission does to a mail."""

import base64

from libwm import mail
from libwm.case import SuiteCase
from libwm.wire import Smtp, plain


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Submission(SuiteCase):
    """RFC 6409, 4954, 3207, 8314."""

    def submission(self):
        s = self.client(Smtp, "submission")
        s.ehlo()
        return s

    def secure(self):
        s = self.submission()
        s.starttls(self.tls)
        s.ehlo()
        return s

    def test_auth_is_offered_only_under_tls(self):
        s = self.client(Smtp, "submission")
        have = s.ehlo()
        self.assertIn("STARTTLS", have)
        self.assertFalse([x for x in have if x.startswith("AUTH")])
        code, _ = s.login(*self.credentials("pip"))
        self.assertIn(code, (503, 530, 538))
        s.starttls(self.tls)
        have = s.ehlo()
        self.assertIn("AUTH PLAIN LOGIN", have)
        self.assertNotIn("STARTTLS", have)

    def test_mail_needs_a_login(self):
        self.assertEqual(self.secure().code("MAIL FROM:<pip@example.test>"),
                         530)
        self.assertEqual(
            self.submission().code("MAIL FROM:<pip@example.test>"), 530)

    def test_plain_with_and_without_initial_response(self):
        user, password = self.credentials("pip")
        s = self.secure()
        self.assertEqual(s.login(user, password)[0], 235)
        s = self.secure()
        self.assertEqual(s.code("AUTH PLAIN"), 334)
        self.assertEqual(s.code(plain(user, password)), 235)

    def test_login_mechanism(self):
        user, password = self.credentials("estella")
        s = self.secure()
        self.assertEqual(s.code("AUTH LOGIN"), 334)
        self.assertEqual(s.code(b64(user)), 334)
        self.assertEqual(s.code(b64(password)), 235)

    def test_wrong_answers(self):
        user, password = self.credentials("pip")
        for lines, code in (
                (["AUTH FOO"], 504), (["AUTH"], 501),
                (["AUTH PLAIN =="], 501), (["AUTH PLAIN !!!!"], 501),
                (["AUTH PLAIN", "*"], 501),
                (["AUTH PLAIN " + b64("no nuls")], (501, 535)),
                (["AUTH PLAIN " + plain(user, password + "x")], 535),
                (["AUTH PLAIN " + plain("nobody@example.test", "x")], 535),
                (["AUTH PLAIN " + plain("a\nevent=login", "x")], 535),
                (["AUTH PLAIN " + plain(user, password, "x@example.test")],
                 535)):
            with self.subTest(lines=lines):
                s = self.secure()
                got = [s.code(line) for line in lines][-1]
                self.assertIn(got, code if isinstance(code, tuple)
                              else (code,))
        self.assertNotIn("\nevent=login", self.bed.log_text())

    def test_auth_out_of_order(self):
        s = self.submit()
        self.assertEqual(s.login(*self.credentials("pip"))[0], 503)
        s = self.secure()
        self.assertEqual(s.code("AUTH PLAIN " + "A" * 13000), 500)

    def test_passwords_are_not_in_the_log(self):
        self.submit()
        user, password = self.credentials("pip")
        text = self.bed.log_text()
        self.assertNotIn(password, text)
        self.assertNotIn(plain(user, password), text)

    def test_submitted_mail_arrives_and_says_so(self):
        self.empty("estella")
        log = self.follow()
        s = self.submit("pip")
        self.assertEqual(s.mail("pip@example.test", ["estella@example.test"],
                                mail.make(1))[0], 250)
        log.wait("event=delivered")
        stored = self.fetch_all("estella")[0]
        self.assertEqual(mail.original(stored), mail.make(1))
        self.assertIn(b"with ESMTPSA", stored)

    def test_guessing_gets_slow_and_ends(self):
        s = self.secure()
        codes = []
        try:
            for i in range(30):
                codes.append(s.login("pip@example.test", "guess%d" % i)[0])
        except (EOFError, ConnectionError):
            pass
        self.assertLess(len(codes), 30)
        self.assertIn(codes[-1], (421, 535))


class Cleartext(SuiteCase):
    """Where the configuration names the client's network."""

    OPTIONS = {"cleartext": True, "users": 3}

    def test_login_without_tls(self):
        s = self.client(Smtp, "submission")
        self.assertIn("AUTH PLAIN LOGIN", s.ehlo())
        self.assertEqual(s.login("u3@example.test", "pw")[0], 235)

    def test_relay_is_open_to_who_logged_in(self):
        s = self.client(Smtp, "submission")
        s.ehlo()
        s.login("u1@example.test", "pw")
        self.assertEqual(s.code("MAIL FROM:<u1@example.test>"), 250)
        self.assertEqual(s.code("RCPT TO:<x@elsewhere.example>"), 250)
