"""IMAP: RFC 3501 and what is announced beside it, line by line."""

import re

from libwm import mail, procs
from libwm.case import OwnAccounts
from libwm.wire import Imap, plain

MIME = (b"From: Pip <pip@example.test>\r\n"
        b"To: \"Havisham, Estella\" <estella@example.test>, joe@forge.test\r\n"
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the forge\r\n"
        b"Date: Mon, 23 Nov 2026 09:00:00 +0100\r\n"
        b"Message-ID: <mime@example.test>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\n"
        b"preamble\r\n"
        b"--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        b"Hello Estella\r\nsecond line\r\n"
        b"--b1\r\nContent-Type: application/octet-stream; name=\"a.bin\"\r\n"
        b"Content-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=\"a.bin\"\r\n\r\n"
        b"AAECAwQF\r\n"
        b"--b1--\r\n")


class ImapCase(OwnAccounts):
    """With the words of many tests."""

    def assert_status(self, c, line, wanted, *literals):
        status, text, _ = c.cmd(line, *literals)
        self.assertEqual(status, wanted, (line, text))
        return text


class BeforeLogin(ImapCase):
    """What a stranger can say."""

    def test_capabilities_change_with_the_state(self):
        c = self.client(Imap, "imap")
        before = c.ok("CAPABILITY")[0].split()
        self.assertIn(b"STARTTLS", before)
        self.assertIn(b"LOGINDISABLED", before)
        status, text, _ = c.cmd('LOGIN "u1@example.test" "pw"')
        self.assertEqual(status, b"NO")
        self.assertIn(b"[PRIVACYREQUIRED]", text)
        c.starttls(self.tls)
        after = c.ok("CAPABILITY")[0].split()
        self.assertIn(b"AUTH=PLAIN", after)
        self.assertNotIn(b"LOGINDISABLED", after)
        self.assertNotIn(b"STARTTLS", after)
        c.login("u1@example.test", "pw")
        have = c.ok("CAPABILITY")[0].split()
        for wanted in (b"IMAP4rev1", b"IDLE", b"UIDPLUS", b"NAMESPACE",
                       b"ID", b"ENABLE", b"UNSELECT", b"LITERAL+",
                       b"CHILDREN", b"SPECIAL-USE", b"MOVE"):
            self.assertIn(wanted, have)

    def test_wrong_password(self):
        c = self.client(Imap, "imaps", tls=self.tls)
        for user in ("u1@example.test", "nobody@example.test"):
            text = self.assert_status(c, 'LOGIN %s wrong' % user, b"NO")
            self.assertIn(b"[AUTHENTICATIONFAILED]", text)
        c.login("u1@example.test", "pw")

    def test_login_with_literals(self):
        c = self.client(Imap, "imaps", tls=self.tls)
        self.assert_status(c, "LOGIN {} {}", b"OK", b"u1@example.test",
                           b"pw")
        c = self.client(Imap, "imaps", tls=self.tls)
        c.send(b"x LOGIN {15+}\r\nu1@example.test {2+}\r\npw\r\n")
        self.assertEqual(c.until(b"x")[0], b"OK")

    def test_authenticate_plain(self):
        c = self.client(Imap, "imaps", tls=self.tls)
        c.send(b"x AUTHENTICATE PLAIN\r\n")
        self.assertTrue(c.row().startswith(b"+"))
        c.send(plain("u1@example.test", "pw").encode() + b"\r\n")
        self.assertEqual(c.until(b"x")[0], b"OK")
        c = self.client(Imap, "imaps", tls=self.tls)
        for line in (b"*", b"!!!", b"AAAA"):
            c.send(b"x AUTHENTICATE PLAIN\r\n")
            self.assertTrue(c.row().startswith(b"+"))
            c.send(line + b"\r\n")
            self.assertIn(c.until(b"x")[0], (b"BAD", b"NO"))

    def test_wrong_state_and_nonsense(self):
        c = self.client(Imap, "imaps", tls=self.tls)
        for line in ("SELECT INBOX", "FETCH 1 FLAGS", "FROB", "LOGIN x",
                     "LOGIN {x}", "LOGIN {99999999999}"):
            with self.subTest(line=line):
                self.assert_status(c, line, b"BAD")
        c.send(b"\r\n")
        self.assertTrue(c.row().startswith(b"* BAD"))
        c.send(b"* NOOP\r\n")
        self.assertTrue(c.row().startswith(b"* BAD"))
        c.ok("NOOP")
        c.ok('ID ("name" "test")')

    def test_endless_line_and_too_many_errors(self):
        c = self.client(Imap, "imaps", tls=self.tls)
        with self.assertRaises((EOFError, ConnectionError, OSError)):
            for _ in range(200):
                c.send(b"x FROB " + b"y" * 20000 + b"\r\n")
                c.row()

    def test_injected_pipelining_behind_login_works(self):
        c = self.client(Imap, "imaps", tls=self.tls)
        c.send(b'a LOGIN u1@example.test pw\r\nb SELECT INBOX\r\nc LOGOUT\r\n')
        for tag in (b"a", b"b", b"c"):
            self.assertEqual(c.until(tag)[0], b"OK")


class Mailboxes(ImapCase):
    """Names and hierarchies."""

    def test_select_answers(self):
        c = self.mailbox(mail.make(1), mail.make(2))
        rows = b"\n".join(c.ok("SELECT INBOX"))
        for wanted in (rb"\* FLAGS \(.*\\Seen.*\)", rb"\* 2 EXISTS",
                       rb"\* \d RECENT", rb"\* OK \[UNSEEN 1\]",
                       rb"\* OK \[PERMANENTFLAGS \(.*\)\]",
                       rb"\* OK \[UIDNEXT 3\]", rb"\* OK \[UIDVALIDITY \d+\]"):
            self.assertRegex(rows, wanted)
        status, text, _ = c.cmd("EXAMINE INBOX")
        self.assertIn(b"[READ-ONLY]", text)
        self.assert_status(c, r"STORE 1 +FLAGS (\Seen)", b"NO")
        c.ok("UNSELECT")
        self.assert_status(c, "FETCH 1 FLAGS", b"BAD")

    def test_create_list_rename_delete(self):
        c = self.mailbox()
        c.ok("CREATE Work/2026")
        c.ok("CREATE Stra&AN8-e")
        names = b"\n".join(c.ok('LIST "" "*"'))
        for name in (b"INBOX", b"Work", b"Work/2026", b"Stra&AN8-e"):
            self.assertIn(name, names)
        self.assertRegex(b"\n".join(c.ok('LIST "" "%"')),
                         rb"\\HasChildren.* \"?/\"? \"?Work")
        self.assertNotIn(b"2026", b"\n".join(c.ok('LIST "" "%"')))
        c.ok("RENAME Work Office")
        self.assertIn(b"Office/2026", b"\n".join(c.ok('LIST "" "*"')))
        self.assert_status(c, "RENAME Nothing X", b"NO")
        self.assert_status(c, "CREATE INBOX", b"NO")
        self.assert_status(c, "CREATE Stra&AN8-e", b"NO")
        c.ok("DELETE Office/2026")
        self.assert_status(c, "SELECT Office/2026", b"NO")
        self.assert_status(c, "DELETE INBOX", b"NO")
        self.assert_status(c, "DELETE Office/2026", b"NO")

    def test_rename_inbox_moves_the_mail(self):
        c = self.mailbox(mail.make(1))
        c.ok("RENAME INBOX Old")
        self.assertIn(b"* 0 EXISTS", c.ok("SELECT INBOX"))
        self.assertIn(b"* 1 EXISTS", c.ok("SELECT Old"))

    def test_subscriptions(self):
        c = self.mailbox()
        c.ok("CREATE a/b")
        c.ok("SUBSCRIBE a/b")
        self.assertIn(b"a/b", b"\n".join(c.ok('LSUB "" "*"')))
        c.ok("UNSUBSCRIBE a/b")
        self.assertNotIn(b"a/b", b"\n".join(c.ok('LSUB "" "*"')))

    def test_names_that_go_nowhere(self):
        c = self.mailbox()
        for name in ('"../../etc"', '"/etc/passwd"', '"a//b"', '"."', '".."',
                     '"&AAA"', '"x/../y"', '"' + "n" * 2000 + '"'):
            with self.subTest(name=name[:30]):
                status, _, _ = c.cmd("CREATE " + name)
                self.assertIn(status, (b"NO", b"BAD"))
                self.assertIn(c.cmd("SELECT " + name)[0], (b"NO", b"BAD"))
        self.assertIn(c.cmd("CREATE {}", b"a\r\nb")[0], (b"NO", b"BAD"))

    def test_status_namespace_special_use(self):
        c = self.mailbox(mail.make(1))
        self.assertRegex(
            c.ok("STATUS INBOX (MESSAGES UNSEEN UIDNEXT RECENT "
                 "UIDVALIDITY)")[0], rb"MESSAGES 1.*UNSEEN 1|UNSEEN 1")
        self.assertTrue(c.ok("NAMESPACE")[0].startswith(
            b'* NAMESPACE (("" "/"))'))
        names = b"\n".join(c.ok('LIST "" "*"'))
        subscribed = b"\n".join(c.ok('LSUB "" "*"'))
        for name in (b"Sent", b"Drafts", b"Trash", b"Junk"):
            self.assertRegex(
                names, rb"\* LIST \([^)]*\\%b\b[^)]*\) \S+ \"?%b\"?" % (
                    name, name))
            self.assertRegex(subscribed, rb"\* LSUB .* \"?%b\"?" % name)
        self.assertRegex(subscribed, rb"\* LSUB .* \"?INBOX\"?")
        self.assertEqual(c.ok('LIST "" ""')[0].split(b" ", 2)[1], b"LIST")


class Messages(ImapCase):
    """Fetching, storing, searching, moving."""

    def fetch(self, c, what):
        return c.ok("FETCH 1 " + what)[0]

    def test_fetch_bodies(self):
        c = self.mailbox(MIME)

        def body(item):
            row = self.fetch(c, "(%s)" % item)
            m = re.search(rb"\{\d+\}\r\n(.*)\)$", row, re.S)
            return m[1] if m else re.search(rb'"(.*)"\)$', row)[1]
        self.assertEqual(body("BODY.PEEK[]"), MIME)
        self.assertEqual(body("BODY.PEEK[TEXT]"), MIME.split(
            b"\r\n\r\n", 1)[1])
        self.assertEqual(body("BODY.PEEK[HEADER]"), MIME.split(
            b"\r\n\r\n", 1)[0] + b"\r\n\r\n")
        self.assertEqual(body("BODY.PEEK[1]"),
                         b"Hello Estella\r\nsecond line")
        self.assertEqual(body("BODY.PEEK[2]"), b"AAECAwQF")
        self.assertIn(b"a.bin", body("BODY.PEEK[2.MIME]"))
        self.assertEqual(body("BODY.PEEK[HEADER.FIELDS (SUBJECT)]"),
                         b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the "
                         b"forge\r\n\r\n")
        self.assertEqual(body("BODY.PEEK[]<5.4>"), MIME[5:9])
        self.assertNotIn(b"\\Seen", self.fetch(c, "FLAGS"))
        self.assertEqual(body("RFC822.TEXT"), MIME.split(b"\r\n\r\n", 1)[1])
        self.assertIn(b"\\Seen", self.fetch(c, "FLAGS"))

    def test_fetch_structure(self):
        c = self.mailbox(MIME)
        e = self.fetch(c, "ENVELOPE")
        self.assertIn(b'(("Pip" NIL "pip" "example.test"))', e)
        self.assertIn(b'("Havisham, Estella" NIL "estella" "example.test")',
                      e)
        self.assertIn(b'"<mime@example.test>"', e)
        s = self.fetch(c, "BODYSTRUCTURE")
        self.assertRegex(s, rb'(?i)"text" "plain" \("charset" "utf-8"\)')
        self.assertRegex(s, rb'(?i)"mixed" \("boundary" "b1"\)')
        self.assertRegex(s, rb'(?i)\("attachment" \("filename" "a.bin"\)\)')
        for macro in ("ALL", "FAST", "FULL"):
            self.assertIn(b"RFC822.SIZE %d" % len(MIME),
                          self.fetch(c, macro))
        self.assertIn(b"UID 1", c.ok("UID FETCH 1:* FLAGS")[0])

    def test_append_keeps_flags_date_and_bytes(self):
        c = self.mailbox()
        status, text, _ = c.cmd(
            r'APPEND INBOX (\Seen \Flagged custom) '
            r'"17-Jul-1996 02:44:25 -0700" {}', MIME)
        self.assertEqual(status, b"OK")
        self.assertRegex(text, rb"\[APPENDUID \d+ 1\]")
        c.ok("NOOP")
        row = self.fetch(c, "(FLAGS INTERNALDATE RFC822.SIZE)")
        for wanted in (rb"\\Seen", rb"\\Flagged", rb"custom",
                       rb'"17-Jul-1996 02:44:25 -0700"',
                       rb"RFC822.SIZE %d" % len(MIME)):
            self.assertRegex(row, wanted)
        status, text, _ = c.cmd("APPEND Nowhere {}", MIME)
        self.assertEqual(status, b"NO")
        self.assertIn(b"[TRYCREATE]", text)

    def test_store_and_expunge(self):
        c = self.mailbox(*(mail.make(i) for i in range(5)))
        self.assertIn(b"* 2 FETCH (FLAGS (\\Deleted",
                      b"".join(c.ok(r"STORE 2 +FLAGS (\Deleted)")))
        self.assertEqual(c.ok(r"STORE 4 FLAGS.SILENT (\Deleted \Seen)"), [])
        self.assertIn(c.ok("EXPUNGE"), (
            [b"* 2 EXPUNGE", b"* 3 EXPUNGE"],
            [b"* 4 EXPUNGE", b"* 2 EXPUNGE"]))
        self.assertEqual(c.ok("UID SEARCH ALL"), [b"* SEARCH 1 3 5"])
        c.ok(r"STORE 1:3 +FLAGS (\Deleted)")
        self.assertEqual(c.ok("UID EXPUNGE 3"), [b"* 2 EXPUNGE"])
        self.assertEqual(c.ok("CLOSE"), [])
        self.assertIn(b"* 0 EXISTS", c.ok("SELECT INBOX"))

    def test_search(self):
        c = self.mailbox(MIME, mail.make(2, subject="second"),
                         mail.make(3, 9000, subject="third"))
        c.ok(r"STORE 2 FLAGS (\Seen \Answered)")
        for line, found in (
                ("ALL", b" 1 2 3"), ("SEEN", b" 2"), ("UNSEEN", b" 1 3"),
                ("SUBJECT second", b" 2"), ("LARGER 8000", b" 3"),
                ("TEXT estella", b" 1 2 3"), ("BODY \"second line\"", b" 1"),
                ("FROM pip NOT SUBJECT second", b" 1 3"),
                ("OR ANSWERED SUBJECT third", b" 2 3"),
                ("CHARSET UTF-8 SUBJECT {}", b" 1"),
                ("HEADER Message-ID mime", b" 1"), ("2:*", b" 2 3"),
                ("SENTSINCE 1-Nov-2026 SENTBEFORE 1-Dec-2026", b" 1 2 3"),
                ("SENTBEFORE 1-Nov-2026", b""), ("UID 1", b" 1")):
            with self.subTest(line=line):
                literals = ["Grüße".encode()] if "{}" in line else []
                self.assertEqual(c.ok("SEARCH " + line, *literals),
                                 [b"* SEARCH" + found])
        status, text, _ = c.cmd("SEARCH CHARSET X-NONE SUBJECT x")
        self.assertEqual((status, b"BADCHARSET" in text), (b"NO", True))
        self.assertIn(c.cmd("SEARCH " + "NOT " * 20000 + "ALL")[0],
                      (b"BAD", b"NO"))

    def test_copy_and_move(self):
        c = self.mailbox(mail.make(1), mail.make(2), mail.make(3))
        c.ok("CREATE Box")
        self.assert_status(c, "COPY 1 Nowhere", b"NO")
        self.assertIn(b"[TRYCREATE]", c.cmd("COPY 1 Nowhere")[1])
        self.assertRegex(c.cmd("COPY 1:2 Box")[1],
                         rb"\[COPYUID \d+ 1:2 1:2\]")
        status, _, rows = c.cmd("MOVE 2:3 Box")
        self.assertEqual(status, b"OK")
        self.assertRegex(b"".join(rows), rb"COPYUID \d+ 2:3 3:4")
        self.assertEqual([r for r in rows if r.endswith(b"EXPUNGE")],
                         [b"* 2 EXPUNGE", b"* 2 EXPUNGE"]
                         if rows[-1] == rows[-2] else
                         [b"* 3 EXPUNGE", b"* 2 EXPUNGE"])
        self.assertIn(b"* 4 EXISTS", c.ok("SELECT Box"))
        rows = c.ok("FETCH 4 BODY.PEEK[]")
        self.assertIn(mail.make(3), rows[0])

    def test_bad_sets_and_items(self):
        c = self.mailbox(mail.make(1))
        for line in ("FETCH 0 FLAGS", "FETCH 4294967296 FLAGS", "FETCH",
                     "FETCH 1", "FETCH 1 FROB", "FETCH 1 (FLAGS",
                     "FETCH 1 BODY[]<5.0>", "FETCH 1 BODY[1.x]",
                     "STORE 1 FLAGS", r"STORE 1 FLAGS (\Recent)",
                     "SEARCH", "SEARCH FROB", "COPY 1", "LOGIN a b",
                     "APPEND INBOX {0x5}"):
            with self.subTest(line=line):
                self.assert_status(c, line, b"BAD")
        self.assertEqual(c.ok("UID FETCH 77 FLAGS"), [])
        self.assertIn(c.cmd("FETCH 2 FLAGS")[0], (b"OK", b"BAD", b"NO"))
        c.ok("FETCH 1 (BODY.PEEK[%s])" % ".".join(["1"] * 20))

    def test_client_that_dies_inside_a_literal(self):
        c = self.mailbox()
        c.send(b"x APPEND INBOX {1000}\r\n")
        c.row()
        c.send(b"only this")
        c.close()
        again = self.imap(c.user, select="INBOX")
        self.assertEqual(again.ok("SEARCH ALL"), [b"* SEARCH"])


class Together(ImapCase):
    """Two sessions, deliveries, IDLE."""

    def test_idle_sees_a_delivery(self):
        c = self.mailbox()
        c.send(b"i IDLE\r\n")
        self.assertTrue(c.row().startswith(b"+"))
        self.send(mail.make(1), to=c.user)
        rows = [c.row()]
        while not rows[-1].endswith(b"EXISTS"):
            rows.append(c.row())
        self.assertEqual(rows[-1], b"* 1 EXISTS")
        c.send(b"DONE\r\n")
        self.assertEqual(c.until(b"i")[0], b"OK")

    def test_idle_ends_with_nonsense(self):
        c = self.mailbox()
        c.send(b"i IDLE\r\n")
        c.row()
        c.send(b"FROB\r\n")
        self.assertEqual(c.until(b"i")[0], b"BAD")
        c.ok("NOOP")

    def test_two_sessions_see_each_other(self):
        a = self.mailbox(mail.make(1), mail.make(2))
        b = self.imap(a.user, select="INBOX")
        a.ok(r"STORE 1 +FLAGS (\Flagged)")
        self.assertRegex(b"".join(b.ok("NOOP")),
                         rb"\* 1 FETCH \(.*\\Flagged")
        a.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
        a.ok("EXPUNGE")
        # Not while the client counts by number (RFC 3501 §7.4.1).
        self.assertFalse([r for r in b.ok("FETCH 2 FLAGS")
                          if r.endswith(b"EXPUNGE")])
        self.assertIn(b"* 1 EXPUNGE", b.ok("NOOP"))
        b.ok("APPEND INBOX {}", mail.make(3))
        self.assertIn(b"* 2 EXISTS", a.ok("NOOP"))

    def test_idle_sees_the_other_session(self):
        a = self.mailbox(mail.make(1))
        b = self.imap(a.user, select="INBOX")
        b.send(b"i IDLE\r\n")
        b.row()
        a.ok(r"STORE 1 +FLAGS (\Answered)")
        row = b.row()
        self.assertRegex(row, rb"\* 1 FETCH \(.*\\Answered")
        a.ok(r"STORE 1 +FLAGS (\Deleted)")
        a.ok("EXPUNGE")
        while b.row() != b"* 1 EXPUNGE":
            pass

    def test_process_used_again_knows_what_came_meanwhile(self):
        a = self.mailbox(mail.make(1))
        b = self.imap(a.user, select="INBOX")
        range_ = self.bed.user_uids
        log = self.follow()
        a.ok("LOGOUT")
        log.wait("event=logout")
        before = set(procs.with_uid_between(*range_))
        b.ok("APPEND INBOX {}", mail.make(2))
        b.ok("CREATE Meanwhile")
        b.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
        b.ok("EXPUNGE")
        c = self.imap(a.user)
        self.assertFalse(set(procs.with_uid_between(*range_)) - before,
                         "a new process instead of the one that waits")
        self.assertIn(b"Meanwhile", b"".join(c.ok('LIST "" *')))
        self.assertIn(b"* 1 EXISTS", c.ok("SELECT INBOX"))
        self.assertEqual(c.ok("UID SEARCH ALL"), [b"* SEARCH 2"])

    def test_uids_stay_over_a_restart(self):
        a = self.mailbox(mail.make(1), mail.make(2))
        a.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
        a.ok("EXPUNGE")
        before = [r for r in a.ok("SELECT INBOX") if b"UID" in r]
        a.close()
        self.bed.down()
        self.bed.start()
        b = self.imap(a.user)
        self.assertEqual([r for r in b.ok("SELECT INBOX") if b"UID" in r],
                         before)
        self.assertEqual(b.ok("UID SEARCH ALL"), [b"* SEARCH 2"])

    def test_many_deliveries_are_all_taken_in(self):
        user = self.account()
        log = self.follow()
        s = self.smtp()
        for i in range(300):
            self.assertEqual(s.mail("a@b.example", [user + "@example.test"],
                                    mail.make(i))[0], 250)
        log.wait("event=delivered", 300)
        c = self.imap(user, select="INBOX")
        found = sorted(int(x) for x in re.findall(
            rb"X-Number: (\d+)", b"".join(
                c.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Number)]"))))
        self.assertEqual(found, list(range(300)))
