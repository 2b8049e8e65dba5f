"""Rows: mail that comes in, goes into mailboxes, and goes on."""

import contextlib
import time

from wmbench.bench import Side
from wmbench.load import smtp_source
from wmbench.row import POSTFIX, WEMMICK, Row
from wmbench.servers import DISCARD, DOMAIN, HOLD, HOST, LMTP, RELAY

from libwm.wire import Smtp

RECIPIENTS = 4


class SmtpRow(Row):
    """smtp-source until the last mail is through."""

    unit = "mail"
    domain = None  # or a side's own
    keep = False
    sessions = 20
    first_user = 1

    def recipients(self, side):
        domain = side.more.get("domain", self.domain)
        return [f"u{self.first_user + i}@{domain}" for i in range(RECIPIENTS)]

    def prepare(self, bench, server, side, count):
        if side.more.get("domain", self.domain) == RELAY:
            bench.need_sink()
        # Processes are there and caches warm before it counts.
        self.send(bench, server, side, max(40, count // 20))

    def send(self, bench, server, side, count):
        server.mark()
        began = time.monotonic()
        spent = smtp_source(
            HOST, server.port[side.more.get("port", "smtp")], count,
            self.recipients(side), bench.messages["source"],
            sessions=self.sessions, keep=self.keep,
            lmtp=side.more.get("port") == "lmtp")
        if side.more.get("domain", self.domain) != HOLD:
            server.wait_through(count)
            spent = time.monotonic() - began
        return {"ops": count, "seconds": spent}

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        yield lambda: self.send(bench, server, side, count)


class IdleSmtp(Row):
    """Connections that have said EHLO and wait."""

    unit = "connection"
    memory = True
    sides = (WEMMICK, POSTFIX)

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        clients = []

        def go():
            for _ in range(min(count, side.more.get("most", count))):
                s = Smtp(HOST, server.port["smtp"])
                clients.append(s)
                s.ehlo()
            return {"ops": len(clients), "seconds": 1}
        try:
            yield go
        finally:
            for s in clients:
                s.close()


class DeferredStart(Row):
    """A start with a spool of deferred mails: the reply is that all are
    known and new mail is taken; each is read once behind that."""

    unit = "mail"
    sides = (Side("Wemmick", "wemmick_deferred"),)
    both = True
    most_rounds = 1
    count_part = 1

    def prepare(self, bench, server, side, count):
        server.halt()
        server.fill(count)

    def settle(self, bench, server):
        server.wait_read()

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        def go():
            began = time.monotonic()
            server.begin()
            return {"ops": count, "seconds": time.monotonic() - began}
        yield go


class DeferredMemory(Row):
    """What is kept in memory of each, when all have been read."""

    unit = "mail"
    sides = DeferredStart.sides
    memory = True

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        def go():
            more = count - server.held
            server.halt()
            server.fill(count)
            server.begin()
            server.wait_read()
            return {"ops": more, "seconds": 1}
        yield go


DISCARDED = (WEMMICK, Side("Postfix discard", "postfix"),
             Side("Postfix hold", "postfix", domain=HOLD))

ROWS = [
    # First, before other rows leave freed memory to be used again.
    IdleSmtp(name="idle-smtp", full=2000, quick=1000,
             title="memory of an idle SMTP connection",
             sides=(WEMMICK, Side("Postfix", "postfix", most=100)),
             target_us=8),
    SmtpRow(name="smtp-accept", full=3000, quick=500, sides=DISCARDED,
            title="SMTP accept, durable, one connection a mail, 20 at a time",
            domain=DISCARD, target_us=150),
    SmtpRow(name="smtp-accept-kept", full=3000, quick=500, sides=DISCARDED,
            title="SMTP accept, durable, kept connections, 20 at a time",
            domain=DISCARD, keep=True, target_us=90),
    SmtpRow(name="smtp-mailbox", full=2000, quick=300,
            title="SMTP to mailbox, 20 connections", domain=DOMAIN,
            target_us=200,
            sides=(WEMMICK, Side("Postfix virtual", "postfix"),
                   Side("Postfix + Dovecot LMTP", "postfix", "dovecot",
                        domain=LMTP))),
    SmtpRow(name="lmtp-mailbox", full=2000, quick=300,
            title="LMTP to mailbox, 20 connections (Wemmick: not built yet)",
            domain=DOMAIN, target_us=150,
            sides=(Side("Dovecot", "dovecot", port="lmtp"),)),
    SmtpRow(name="relay", full=2000, quick=300,
            title="relay, SMTP to SMTP, 20 connections", domain=RELAY,
            sides=(WEMMICK, POSTFIX), target_us=250),
    DeferredMemory(name="deferred-memory", full=1000000, quick=20000,
                   title="a million deferred mails: memory of each",
                   target_us=300 * 1024 / 1e6),
    DeferredStart(name="deferred-start", full=1000000, quick=20000,
                  title="a million deferred mails: start, CPU for each",
                  target_us=10),
]
