"""Mails for tests, and what a mailbox must show of them."""

import hashlib
import random


def make(number=0, size=400, subject=None, body=None):
    """A mail of about size bytes, its content fixed by number."""
    head = ("From: Pip <pip@example.test>\r\n"
            "To: Estella <estella@example.test>\r\n"
            "Subject: %s\r\n"
            "Date: Mon, 23 Nov 2026 09:00:00 +0000\r\n"
            "Message-ID: <test-%d@example.test>\r\n"
            "X-Number: %d\r\n\r\n" % (
                subject or "Mail %d" % number, number, number)).encode()
    if body is None:
        body = text(number, max(0, size - len(head)))
    return head + body


def text(seed, size):
    """size bytes of printable lines that end in CRLF."""
    if size == 0:
        return b""
    r = random.Random(seed)
    letters = b"abcdefghijklmnopqrstuvwxyz ABCDEFGH.0123456789"
    table = bytes(letters[i % len(letters)] for i in range(256))
    raw = r.randbytes(size).translate(table)
    rows = [raw[i:i + 76] for i in range(0, size, 78)]
    rows = [b"x" + row[1:] if row.startswith(b".") and seed % 2 else row
            for row in rows]
    return b"\r\n".join(rows) + b"\r\n"


TRACE_FIELDS = (b"return-path:", b"delivered-to:", b"received:")


def original(stored):
    """The mail as it was sent: without the trace fields put in front."""
    head, sep, body = stored.partition(b"\r\n\r\n")
    rows = (head + b"\r\n").splitlines(keepends=True)
    while rows and (rows[0].lower().startswith(TRACE_FIELDS) or
                    rows[0][:1] in (b" ", b"\t")):
        rows.pop(0)
    return b"".join(rows)[:-2] + sep + body


def digest(content):
    return hashlib.sha256(content).hexdigest()
