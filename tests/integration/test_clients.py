"""Clients that people use, as they come with Debian."""

import email
import email.policy
import imaplib
import os
import poplib
import smtplib
from email.message import EmailMessage

from libwm import mail, paths
from libwm.case import SuiteCase

ATTACHMENT = bytes(range(256)) * 40


class Clients(SuiteCase):
    """Each sends or reads in its own way; the mail must be the same."""

    OPTIONS = {"users": 12}

    def url(self, scheme, service, path=""):
        return "%s://localhost:%d%s" % (scheme, self.bed.port(service), path)

    def curl(self, *words, user=None):
        login = ["--user", "%s:%s" % self.credentials(user)] if user else []
        return self.run_program(
            "curl", "-sS", "--cacert", self.bed.path("cert.pem"), *login,
            *words).stdout

    def test_curl_sends_and_reads(self):
        path = self.write("curl.eml", mail.make(1).decode())
        log = self.follow()
        self.curl("--ssl-reqd", self.url("smtp", "submission"),
                  "--mail-from", "pip@example.test", "--mail-rcpt",
                  "u1@example.test", "--upload-file", path, user="pip")
        log.wait("event=delivered")
        got = self.curl(self.url("imaps", "imaps", "/INBOX;UID=1"),
                        user="u1")
        self.assertEqual(mail.original(got), mail.make(1))
        got = self.curl(self.url("pop3s", "pop3s", "/1"), user="u1")
        self.assertEqual(mail.original(got), mail.make(1))
        got = self.curl("--ssl-reqd", self.url("imap", "imap", "/INBOX"),
                        "-X", "SEARCH ALL", user="u1")
        self.assertEqual(got, b"* SEARCH 1\r\n")

    def test_swaks_with_tls_auth_and_attachment(self):
        log = self.follow()
        user, password = self.credentials("pip")
        path = self.write("notes.txt", "Gargery's forge\n")
        done = self.run_program(
            "swaks", "--server", self.bed.host, "--port",
            str(self.bed.port("submission")), "--tls", "--auth", "PLAIN",
            "--auth-user", user, "--auth-password", password, "--from",
            user, "--to", "u2@example.test", "--attach", "@" + path,
            "--header", "Subject: by swaks")
        self.assertIn(b"250 2.0.0", done.stdout)
        log.wait("event=delivered")
        m = email.message_from_bytes(self.fetch_all("u2")[0],
                                     policy=email.policy.default)
        self.assertEqual(m["Subject"], "by swaks")
        parts = [p.get_content() for p in m.iter_attachments()]
        self.assertIn("Gargery", str(parts))

    def test_swaks_pipelining_chunk_of_recipients(self):
        log = self.follow()
        self.run_program(
            "swaks", "--server", self.bed.host, "--port",
            str(self.bed.port("smtp")), "--pipeline", "--from",
            "a@b.example", "--to",
            ",".join("u%d@example.test" % i for i in range(3, 6)))
        log.wait("event=delivered", 3)

    def test_sendmail_takes_a_programs_mail(self):
        log = self.follow()
        self.run_program(
            paths.program("sendmail"), "-C", self.bed.conf, "-t", "-i", "-f",
            "cron@example.test",
            stdin=b"To: U Ten <u10@example.test>\nBcc: u11@example.test\n"
            b"Subject: by sendmail\n\n.\nGargery\n")
        log.wait("event=delivered", 2)
        for user in ("u10", "u11"):
            m = email.message_from_bytes(self.fetch_all(user)[0],
                                         policy=email.policy.default)
            self.assertEqual(m["Return-Path"], "<cron@example.test>")
            self.assertEqual(m["From"], "cron@example.test")
            self.assertIsNone(m["Bcc"])
            self.assertTrue(m["Date"] and m["Message-ID"])
            self.assertEqual(m.get_payload(), ".\r\nGargery\r\n")
        done = self.run_program(
            paths.program("sendmail"), "-C", self.bed.conf,
            "nobody@example.test", stdin=b"hello\n", check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn(b"550", done.stderr)

    def message(self, to):
        m = EmailMessage()
        m["From"], m["To"] = "pip@example.test", to
        m["Subject"] = "Grüße aus der Schmiede"
        m.set_content("Lieber Joe,\n\n. ein Punkt\n")
        m.add_attachment(ATTACHMENT, maintype="application",
                         subtype="octet-stream", filename="a.bin")
        return m

    def check_message(self, raw):
        m = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual(m["Subject"], "Grüße aus der Schmiede")
        self.assertEqual(next(m.iter_attachments()).get_content(),
                         ATTACHMENT)

    def test_python_libraries(self):
        log = self.follow()
        with smtplib.SMTP("localhost", self.bed.port("submission")) as s:
            s.starttls(context=self.tls)
            s.login(*self.credentials("pip"))
            s.send_message(self.message("u6@example.test"))
        log.wait("event=delivered")
        with imaplib.IMAP4_SSL("localhost", self.bed.port("imaps"),
                               ssl_context=self.tls) as i:
            i.login(*self.credentials("u6"))
            self.assertEqual(i.select()[1], [b"1"])
            self.check_message(i.fetch("1", "(RFC822)")[1][0][1])
            i.store("1", "+FLAGS", r"(\Flagged)")
            self.assertEqual(i.search(None, "FLAGGED")[1], [b"1"])
            i.create("Trash")
            i.copy("1", "Trash")
            self.assertEqual(i.status("Trash", "(MESSAGES)")[0], "OK")
        p = poplib.POP3("localhost", self.bed.port("pop3"))
        p.stls(self.tls)
        p.user(self.credentials("u6")[0])
        p.pass_(self.credentials("u6")[1])
        self.check_message(b"\r\n".join(p.retr(1)[1]))
        p.quit()

    def test_mutt_submits_and_reads(self):
        user, password = self.credentials("u7")
        rc = self.write("muttrc", "\n".join((
            'set smtp_url="smtp://%s@localhost:%d/"' % (
                user, self.bed.port("submission")),
            'set smtp_pass="%s"' % password, 'set imap_pass="%s"' % password,
            'set imap_user="%s"' % user,
            "set ssl_starttls=yes ssl_force_tls=yes",
            'set ssl_ca_certificates_file="%s"'
            % self.bed.path("cert.pem"),
            'set from="%s" realname="U Seven" copy=no' % user,
            'set header_cache="" message_cachedir=""', "")))
        log = self.follow()
        self.run_program("mutt", "-F", rc, "-s", "by mutt", "-a",
                         self.write("m.txt", "attached\n"), "--",
                         "u7@example.test", stdin=b"Body by mutt\n")
        log.wait("event=delivered")
        out = os.path.join(self.tmp, "mutt.box")
        self.run_program(
            "mutt", "-F", rc, "-f", "imaps://localhost:%d/INBOX"
            % self.bed.port("imaps"), "-e",
            "push '<tag-pattern>.<enter><tag-prefix><copy-message>%s"
            "<enter>y<quit>y'" % out, env={"TERM": "dumb"}, check=False)
        if os.path.exists(out):
            with open(out, "rb") as f:
                self.assertIn(b"Subject: by mutt", f.read())
        self.assertIn(b"Body by mutt", self.fetch_all("u7")[0])

    def test_mbsync_copies_both_ways(self):
        for i in range(5):
            self.send(mail.make(i), to="u8")
        local = os.path.join(self.tmp, "local")
        os.makedirs(local)
        user, password = self.credentials("u8")
        rc = self.write("mbsyncrc", "\n".join((
            "IMAPAccount w", "Host localhost",
            "Port %d" % self.bed.port("imaps"), "User " + user,
            "Pass " + password, "SSLType IMAPS",
            "SystemCertificates no",
            "CertificateFile " + self.bed.path("cert.pem"), "",
            "IMAPStore far", "Account w", "", "MaildirStore near",
            "Path %s/" % local, "Inbox %s/INBOX" % local,
            "SubFolders Verbatim", "", "Channel c", "Far :far:",
            "Near :near:", "Patterns *", "Create Both", "Expunge Both",
            "SyncState *", "")))
        self.run_program("mbsync", "-c", rc, "c")
        new = os.path.join(local, "INBOX", "new")
        self.assertEqual(len(os.listdir(new)), 5)
        # One gone and one made here must be so there after the next run.
        os.unlink(os.path.join(new, sorted(os.listdir(new))[0]))
        with open(os.path.join(local, "INBOX", "new", "1.x.y"), "wb") as f:
            f.write(mail.make(77).replace(b"\r\n", b"\n"))
        self.run_program("mbsync", "-c", rc, "c")
        found = self.originals("u8")
        self.assertEqual(len(found), 5)
        self.assertTrue([m for m in found if b"X-Number: 77" in m])

    def test_fetchmail_takes_all(self):
        for i in range(3):
            self.send(mail.make(i), to="u9")
        user, password = self.credentials("u9")
        out = os.path.join(self.tmp, "fetched")
        for proto, service in (("POP3", "pop3s"), ("IMAP", "imaps")):
            rc = self.write(
                "fetchmailrc",
                'poll localhost protocol %s service %d\n user "%s" '
                'password "%s" ssl sslcertck sslcertfile "%s" keep '
                'fetchall mda "cat >> %s"\n' % (
                    proto, self.bed.port(service), user, password,
                    self.bed.path("cert.pem"), out), 0o600)
            if os.path.exists(out):
                os.unlink(out)
            self.run_program("fetchmail", "-f", rc, "--nodetach", "-s",
                             "--pidfile", os.path.join(self.tmp, "fm.pid"),
                             env={"FETCHMAILHOME": self.tmp})
            with open(out, "rb") as f:
                text = f.read()
            for i in range(3):
                self.assertIn(b"X-Number: %d" % i, text)
