"""Bad POP3 and what must be answered: rows P1 to P17 of README.md."""

import base64

from drive import Item

LOGIN = (b"USER u1@example.test", b"PASS pw")
ERR, OK, AUTH = "-ERR", r"\+OK", r"-ERR \[AUTH\]"


def early(name, send, *expect, **kw):
    """Before login."""
    return Item(name, send, *expect, start=(), **kw)


def late(name, send, *expect, **kw):
    """After login, with three mails."""
    return Item(name, send + b"\r\n", *expect, start=LOGIN, **kw)


def plain(message):
    return b"AUTH PLAIN " + base64.b64encode(message) + b"\r\n"


BEFORE = (
    *[early("P1 %s before login" % verb.decode(), verb + b"\r\n", ERR)
      for verb in (b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"UIDL",
                   b"TOP 1 0", b"NOOP", b"RSET", b"FROB")],
    early("P1 empty line", b"\r\n", ERR),
    early("P1 rubbish without end", b"FROB\r\n" * 25, *[ERR] * 20,
          closes=True),
    early("P2 PASS without USER", b"PASS pw\r\n", ERR),
    early("P2 USER without a name", b"USER\r\n", ERR),
    early("P2 USER with a space for a name", b"USER \r\n", ERR),
    early("P3 long line", b"USER " + b"x" * 300 + b"\r\n", ERR),
    early("P3 line of 256", b"CAPA" + b" " * 250 + b"\r\n", ERR),
    early("P3 very long line", b"USER " + b"x" * 70000 + b"\r\n", ERR),
    early("P3 bare LF", b"CAPA\nCAPA\r\n", ERR),
    early("P3 bare CR", b"CAPA\rCAPA\r\n", ERR),
    early("P3 NUL", b"CA\0PA\r\n", ERR),
    early("P3 8-bit", b"\xffAPA\r\n", ERR),
    early("P11 wrong password", b"USER u1@example.test\r\nPASS x\r\n", OK,
          AUTH, pieces=False),  # each try makes the next slower
    early("P11 no such user", b"USER nobody@example.test\r\nPASS x\r\n", OK,
          AUTH, pieces=False),
    early("P13 STLS with an argument", b"STLS now\r\n", ERR),
    early("P15 APOP", b"APOP u1 0123456789abcdef0123456789abcdef\r\n", ERR),
    early("P15 cancelled", (b"AUTH PLAIN\r\n", b"*\r\n"), r"\+ ", ERR),
    early("P15 bad base64", (b"AUTH PLAIN\r\n", b"!!\r\n"), r"\+ ", ERR),
    early("P15 long response", (b"AUTH PLAIN\r\n", b"A" * 9000 + b"\r\n"),
          r"\+ ", ERR),
    early("P15 empty response", (b"AUTH PLAIN\r\n", b"\r\n"), r"\+ ", AUTH),
    early("P15 unknown mechanism", b"AUTH FOO\r\n", ERR),
    early("P15 no mechanism", b"AUTH \r\n", ERR),
    early("H17 browser", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ERR,
          closes=True),
    early("H23 NUL in a name", plain(b"\0u1\0@example.test\0pw"), AUTH,
          pieces=False),
    early("H23 line end in a name", plain(b"\0u1\r\nSTAT\0pw"), AUTH),
    *[early("H23 user " + name, b"USER " + user + b"\r\nPASS pw\r\n", OK,
            AUTH, pieces=False)
      for name, user in (
          ("with a pipe", b"u1|u2"), ("with a space", b"u1 u2"),
          ("of SQL", b"' or 1=1--"), ("that climbs", b"../../x"))],
)

AFTER = (
    late("P2 USER after login", b"USER u1@example.test", ERR),
    late("P3 long line after login", b"RETR " + b"1" * 300, ERR),
    late("P3 NUL after login", b"RETR 1\0", ERR),
    late("P3 bare LF after login", b"STAT\nSTAT", ERR),
    *[late("P4 %s" % line.decode().replace("-", "minus ").replace(
        "+", "plus "), line, ERR)
      for line in (b"RETR 0", b"RETR -1", b"RETR +1", b"RETR 99999999999",
                   b"RETR 18446744073709551617", b"RETR 1x", b"RETR x",
                   b"RETR", b"RETR 4", b"RETR 1 2", b"DELE 0", b"DELE 4",
                   b"LIST 0", b"LIST 4", b"UIDL 4", b"LIST x")],
    late("P4 leading zeros", b"LIST 0001", r"\+OK 1 "),
    late("P4 deleted message", b"DELE 1\r\nRETR 1\r\nDELE 1\r\nLIST 1\r\n"
         b"RSET", OK, ERR, ERR, ERR, OK),
    late("P5 TOP without lines", b"TOP 1", ERR),
    late("P5 TOP of minus one", b"TOP 1 -1", ERR),
    late("P5 TOP of a word", b"TOP 1 x", ERR),
    late("P5 TOP of message 0", b"TOP 0 1", ERR),
    late("P6 numbers stay", b"DELE 2\r\nLIST 3\r\nUIDL 3\r\nSTAT\r\nRSET",
         OK, r"\+OK 3 ", r"\+OK 3 ", r"\+OK 2 ", OK),
    late("P7 gone without QUIT", b"DELE 1", OK, tail=b"", closes=True),
    late("P13 STLS after login", b"STLS", ERR),
    late("P15 AUTH after login", b"AUTH PLAIN", ERR),
    late("P1 rubbish without end after login", b"\r\n".join([b"FROB"] * 25),
         *[ERR] * 21, closes=True),
)

ITEMS = BEFORE + AFTER
