"""Bad IMAP and what must be answered: rows I1 to I33 of README.md."""

import base64

from drive import Item

LOGIN = b"zs LOGIN u1@example.test pw"
SELECT = b"zs SELECT INBOX"
BAD, NO, OK = "a BAD ", "a NO ", "a OK "
UNTAGGED, BYE, GO = r"\* BAD ", r"\* BYE ", r"\+"
TOO_BIG = r"a BAD \[TOOBIG\]"
CANNOT, LIMIT = r"a NO \[CANNOT\]", r"a NO \[LIMIT\]"


def b64(data):
    return base64.b64encode(data)


def early(name, send, *expect, **kw):
    """Before login."""
    return Item(name, send, *expect, start=(), **kw)


def late(name, send, *expect, start=(LOGIN, SELECT), **kw):
    """With INBOX selected, three mails in it."""
    return Item(name, send, *expect, start=start, **kw)


def line(name, text, *expect, **kw):
    return late(name, b"a " + text + b"\r\n", *expect, **kw)


BEFORE = (
    early("I1 no tag", b"NOOP\r\n", UNTAGGED),
    early("I1 nothing", b"\r\n", UNTAGGED),
    early("I1 tag with a plus", b"+ NOOP\r\n", UNTAGGED),
    early("I1 tag with a star", b"* NOOP\r\n", UNTAGGED),
    early("I1 tag with a parenthesis", b"( NOOP\r\n", UNTAGGED),
    early("I1 tag of 8-bit", b"\xfc NOOP\r\n", UNTAGGED),
    early("I1 tag of 200", b"t" * 200 + b" NOOP\r\n", UNTAGGED),
    early("I1 tag of 10 KiB", b"t" * 10240 + b" NOOP\r\n", UNTAGGED),
    early("I1 bad tags without end", b"+ x\r\n" * 25, *[UNTAGGED] * 20, BYE,
          closes=True),
    early("I2 unknown command", b"a FROB\r\n", BAD),
    early("I2 tag and nothing", b"a\r\n", UNTAGGED),
    early("I2 tag and a space", b"a \r\n", BAD),
    early("I3 SELECT before login", b"a SELECT INBOX\r\n", BAD),
    early("I3 APPEND before login", b"a APPEND INBOX {5}\r\n", GO, BAD,
          tail=b"hello\r\nzz LOGOUT\r\n"),
    early("I4 long line", b"a NOOP " + b"x" * 70000 + b"\r\n", TOO_BIG),
    early("I4 line at the limit", b"a NOOP " + b"x" * 8183 + b"\r\n", BAD),
    early("I4 long quoted string", b'a LOGIN u "' + b"x" * 70000 + b'"\r\n',
          TOO_BIG),
    early("I5 literal beyond 32 bits", b"a LOGIN {4294967296}\r\n",
          TOO_BIG),
    early("I5 literal beyond 64 bits", b"a LOGIN {18446744073709551617}\r\n",
          TOO_BIG),
    early("I5 negative literal", b"a LOGIN {-1}\r\n", BAD),
    early("I5 literal without end", b"a LOGIN {1\r\n", BAD),
    early("I5 literal with a letter", b"a LOGIN {01x}\r\n", BAD),
    early("I5 literal with a space", b"a LOGIN { 1}\r\n", BAD),
    early("I5 empty literal", b"a LOGIN {}\r\n", BAD),
    early("I5 literal with two plus", b"a LOGIN {1++}\r\n", BAD),
    early("I5 literal over the limit", b"a LOGIN {4097}\r\n", TOO_BIG),
    early("I6 huge literal unasked", b"a LOGIN {100000000+}\r\nxxxx",
          BYE, closes=True),
    early("I6 literal unasked over the limit", b"a LOGIN {4097+}\r\nxxxx",
          BYE, closes=True),
    early("I7 many small literals", b"a LOGIN" + b" {1+}\r\nx" * 200 +
          b"\r\n", BYE, closes=True),
    early("I7 many parentheses", b"a ID " + b"(" * 100000 + b"\r\n",
          TOO_BIG),
    early("I8 NUL in a quoted string", b'a LOGIN "u\0" pw\r\n', BAD),
    early("I8 NUL in an atom", b"a LOGIN u\0 pw\r\n", BAD),
    early("I8 NUL in a literal", b"a LOGIN {2+}\r\nu\0 pw\r\n", BAD),
    early("I8 NUL in a verb", b"a NO\0OP\r\n", BAD),
    early("I8 NUL in a tag", b"a\0b NOOP\r\n", UNTAGGED),
    early("I9 bare LF", b"a NOOP\nb NOOP\r\n", BAD),
    early("I9 bare CR", b"a NOOP\rb NOOP\r\n", BAD),
    early("I9 CR CR LF", b"a NOOP\r\r\n", BAD),
    early("I11 wrong password", b"a LOGIN u1@example.test wrong\r\n",
          r"a NO \[AUTHENTICATIONFAILED\]", pieces=False),  # slower each time
    early("I11 no such user", b"a LOGIN nobody@example.test wrong\r\n",
          r"a NO \[AUTHENTICATIONFAILED\]", pieces=False),
    early("I12 bad base64", (b"a AUTHENTICATE PLAIN\r\n", b"!!!\r\n"), GO,
          BAD),
    early("I12 cancelled", (b"a AUTHENTICATE PLAIN\r\n", b"*\r\n"), GO, BAD),
    early("I12 empty response", (b"a AUTHENTICATE PLAIN\r\n", b"\r\n"), GO,
          r"a NO \[AUTHENTICATIONFAILED\]"),
    early("I12 long response", (
        b"a AUTHENTICATE PLAIN\r\n", b"A" * 9000 + b"\r\n"), GO, TOO_BIG),
    early("I12 unknown mechanism", b"a AUTHENTICATE FOO\r\n",
          r"a NO \[CANNOT\]"),
    early("I12 no mechanism", b"a AUTHENTICATE\r\n", BAD),
    early("I12 authzid of another", b"a AUTHENTICATE PLAIN " + b64(
        b"pip@example.test\0u1@example.test\0pw") + b"\r\n",
        r"a NO \[AUTH", pieces=False),
    early("I29 ENABLE before login", b"a ENABLE UTF8=ACCEPT\r\n", BAD),
    early("I32 ID of 31 pairs", b"a ID (" + b" ".join(
        [b'"k%d" "v"' % i for i in range(31)]) + b")\r\n", BAD),
    early("I32 ID of 30 pairs", b"a ID (" + b" ".join(
        [b'"k%d" "v"' % i for i in range(30)]) + b")\r\n", OK),
    early("I32 ID with an odd number", b'a ID ("k")\r\n', BAD),
    early("I32 ID with a long value", b'a ID ("k" "' + b"v" * 1025 +
          b'")\r\n', BAD),
    early("I32 ID of nothing", b"a ID\r\n", BAD),
    early("H17 browser", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", BYE,
          closes=True),
    early("H35 quote without end", b'a LOGIN "u pw\r\n', BAD),
    early("H35 backslash at the end", b'a LOGIN "u\\\r\n', BAD),
    early("H35 backslash before a letter", b'a LOGIN "\\u" pw\r\n', BAD),
    *[early("H23 user " + name, b"a LOGIN {%d+}\r\n%s pw\r\n" % (
        len(user), user), r"a NO \[AUTHENTICATIONFAILED\]", pieces=False)
      for name, user in (
          ("with a line end", b"u1\nx@example.test"),
          ("with CRLF", b"u1\r\nb NOOP"), ("with a pipe", b"u1|u2"),
          ("with a space", b"u1 u2"), ("of SQL", b"' or 1=1--"),
          ("that climbs", b"../../x"))],
)


def name_item(name, box, *expect):
    """A mailbox name nobody may make, as a literal."""
    return late("I14 " + name, b"a CREATE {%d+}\r\n%s\r\n" % (
        len(box), box), *(expect or (CANNOT,)), start=(LOGIN,))


NAMES = (
    name_item("name that climbs", b"../../etc"),
    name_item("name that climbs inside", b"a/../b"),
    name_item("name that is absolute", b"/etc"),
    name_item("name with an empty level", b"a//b"),
    name_item("dot", b"."),
    name_item("two dots", b".."),
    name_item("name with a NUL", b"a\0b", BAD),
    name_item("name with a line end", b"a\r\nb NOOP"),
    name_item("name with a LF", b"a\nb"),
    name_item("name with DEL", b"a\x7fb"),
    name_item("name with a wildcard", b"a*b"),
    name_item("name with a percent sign", b"a%b"),
    name_item("name in bad modified UTF-7", b"a&b"),
    name_item("name in modified UTF-7 without end", b"&AAA"),
    name_item("name with a coded letter", b"&AGE-"),
    name_item("name with a surrogate", b"&2AA-"),
    name_item("name with a percent sign coded", b"&ACU-00"),
    name_item("name in 8-bit", b"\xfc"),
    name_item("empty name", b""),
    name_item("name of 1001", b"x" * 1001, LIMIT),
    name_item("name of 64 KiB", b"x" * 65000, LIMIT),
    name_item("name of 200 levels", b"x/" * 200 + b"x", LIMIT),
    # What is odd and yet a name: it is there, and nothing else is.
    *[late("H28 odd name " + name, b'a CREATE "%s"\r\nb DELETE "%s"\r\n' % (
        box, box), OK, "b OK ", start=(LOGIN,), cuts=False,
        pieces=False)
      for name, box in (
          ("with a hyphen", b"-rf"), ("of a host", b"{host}INBOX"),
          ("with a pipe", b"|id"), ("with a tilde", b"~root"),
          ("with quotes", rb"a\"b"))],
    line("I14 SELECT that climbs", b'SELECT "../../etc/passwd"', CANNOT,
         start=(LOGIN,)),
    line("I14 LIST that climbs", b'LIST "../" "*"', OK, start=(LOGIN,)),
    line("I14 SUBSCRIBE that climbs", b'SUBSCRIBE "../../x"', CANNOT,
         start=(LOGIN,)),
    line("I14 RENAME that climbs", b'RENAME INBOX "../../x"', CANNOT,
         start=(LOGIN,)),
    line("I14 COPY that climbs", b'COPY 1 "../../x"', CANNOT),
    # Nobody sees others' mailboxes: theirs is no other name than one that
    # is not there.
    line("I15 mailbox of another user", b'SELECT "user/pip@example.test"',
         r"a NO \[NONEXISTENT\]", start=(LOGIN,)),
    line("I15 mailbox of nobody", b'SELECT "user/nobody@example.test"',
         r"a NO \[NONEXISTENT\]", start=(LOGIN,)),
    line("I15 status of another user's",
         b'STATUS "../pip@example.test/INBOX" (MESSAGES)', CANNOT,
         start=(LOGIN,)),
)

AFTER = (
    line("I3 LOGIN after login", b"LOGIN u1@example.test pw", BAD),
    line("I3 AUTHENTICATE after login", b"AUTHENTICATE PLAIN", BAD),
    line("I3 STARTTLS after login", b"STARTTLS", BAD),
    line("I3 FETCH without a mailbox", b"FETCH 1 FLAGS", BAD,
         start=(LOGIN,)),
    late("I1 no tag after login", b"NOOP\r\n", UNTAGGED),
    late("I1 bad tag after login", b"+ NOOP\r\n", UNTAGGED),
    line("I2 unknown command after login", b"FROB", BAD),
    line("I2 unknown UID command", b"UID FROB 1", BAD),
    line("I4 long line after login", b"NOOP " + b"x" * 70000, BAD),
    line("I5 literal beyond 32 bits after login", b"SELECT {4294967296}",
         BAD),
    line("I5 bad literal after login", b"SELECT {01x}", BAD),
    line("I6 huge literal unasked after login",
         b"SELECT {100000000+}\r\nxxxx", BAD, BYE, closes=True),
    line("I6 mail unasked over the limit",
         b"APPEND INBOX {4000000000+}\r\nxxxx", r"a NO \[TOOBIG\]", BYE,
         closes=True),
    line("I7 many small literals after login",
         b"SEARCH" + b" SUBJECT {1+}\r\nx" * 20000, BAD, cuts=False),
    line("I7 many parentheses after login", b"SEARCH " + b"(" * 60000, BAD),
    line("I8 NUL after login", b'SELECT "a\0b"', BAD),
    late("I9 bare LF after login", b"a NOOP\nb NOOP\r\n", "a BAD", "b OK"),
    line("I16 message 0", b"FETCH 0 FLAGS", BAD),
    line("I16 message beyond 32 bits", b"FETCH 4294967296 FLAGS", BAD),
    line("I16 range the other way", b"FETCH 2:1 FLAGS", OK),
    line("I16 stars", b"FETCH *:* FLAGS", OK),
    line("I16 range to nowhere", b"FETCH 1: FLAGS", BAD),
    line("I16 comma at the end", b"FETCH 1, FLAGS", BAD),
    line("I16 message that is not there", b"FETCH 9 FLAGS", BAD),
    line("I16 UID that is not there", b"UID FETCH 9 FLAGS", OK),
    line("I16 very many numbers", b"FETCH " + b"1," * 30000 + b"1 FLAGS", OK),
    line("I16 everything backwards", b"UID FETCH 4294967295:1 FLAGS", OK),
    line("I17 part of 1000 levels",
         b"UID FETCH 1:* (BODY.PEEK[" + b".".join([b"1"] * 1000) + b"])", BAD),
    line("I17 part of 100 levels",
         b"UID FETCH 1:* (BODY.PEEK[" + b".".join([b"1"] * 100) + b"])", OK),
    line("I17 part zero", b"FETCH 1 BODY.PEEK[0]", BAD),
    line("I17 part beyond 32 bits", b"FETCH 1 BODY.PEEK[4294967296]", BAD),
    line("I17 section without end", b"FETCH 1 BODY.PEEK[1.", BAD),
    line("I18 nothing of a section", b"FETCH 1 BODY.PEEK[]<5.0>", BAD),
    line("I18 beyond the end", b"FETCH 1 BODY.PEEK[]<4294967295.4294967295>",
         OK),
    line("I18 beyond 32 bits", b"FETCH 1 BODY.PEEK[]<0.4294967296>", BAD),
    line("I19 deep NOT", b"SEARCH " + b"NOT " * 10000 + b"ALL", BAD),
    line("I19 deep OR", b"SEARCH " + b"OR ALL " * 8000 + b"ALL", BAD),
    line("I19 unknown charset", b"SEARCH CHARSET X-NONE SUBJECT x",
         r"a NO \[BADCHARSET"),
    line("I19 key without its argument", b"SEARCH OR ALL", BAD),
    line("I19 impossible date", b"SEARCH SINCE 31-Feb-99999", BAD),
    line("I20 very many wildcards", b'LIST "" "' + b"*%" * 500 + b'"', OK),
    line("I20 wildcards over the limit", b'LIST "" "' + b"*%" * 2000 + b'"',
         OK),
    line("I21 flag nobody may set", rb"STORE 1 FLAGS (\Recent)", BAD),
    line("I21 unknown system flag", rb"STORE 1 FLAGS (\Frob)", BAD),
    line("I21 very many keywords", b"STORE 1 +FLAGS (" + b" ".join(
        b"k%d" % i for i in range(5000)) + b")", BAD),
    line("I21 flag of 1 KiB", b"STORE 1 +FLAGS (" + b"k" * 1024 + b")", BAD),
    line("I21 list without end", rb"STORE 1 FLAGS (\Seen", BAD),
    line("I21 bracket in a flag", rb"STORE 1 FLAGS (a]b)", BAD),
    late("I22 APPEND to nowhere", b"a APPEND nowhere {5+}\r\nhello\r\n",
         r"a NO \[TRYCREATE\]"),
    # Policy: an empty mail is no mail.
    late("I23 APPEND of nothing", b"a APPEND INBOX {0+}\r\n\r\n", NO),
    late("I23 APPEND with a NUL", b"a APPEND INBOX {5+}\r\nhe\0lo\r\n", BAD),
    line("I23 APPEND over the limit", b"APPEND INBOX {4000000000}",
         r"a NO \[TOOBIG\]"),
    late("I23 APPEND with a bad date",
         b'a APPEND INBOX "99-Foo-2026 00:00:00 +0000" {5+}\r\nhello\r\n',
         BAD),
    late("I23 APPEND with a bad zone",
         b'a APPEND INBOX "01-Jan-2026 00:00:00 +9999" {5+}\r\nhello\r\n',
         BAD),
    late("I23 APPEND with bad flags",
         b"a APPEND INBOX (\\Recent) {5+}\r\nhello\r\n", BAD),
    late("I23 APPEND and more", b"a APPEND INBOX {5+}\r\nhello frob\r\n",
         BAD),
    late("I24 APPEND cut off", b"a APPEND INBOX {500+}\r\nSubject: x\r\n",
         tail=b"", closes=True),
    late("I26 rubbish instead of DONE", (b"a IDLE\r\n", b"FROB\r\n"), GO,
         BAD),
    late("I26 IDLE with an argument", b"a IDLE now\r\n", BAD),
    late("I26 IDLE cut off", (b"a IDLE\r\n", b"DON"), GO, tail=b"",
         closes=True),
    line("I29 ENABLE of what is not there", b"ENABLE FROB", OK),
    line("I29 ENABLE of nothing", b"ENABLE", BAD),
    line("I30 DELETE INBOX", b"DELETE INBOX", NO),
    line("I30 RENAME into itself", b"RENAME box box/sub", NO),
    line("I30 RENAME onto what is there", b"RENAME box other",
         r"a NO \[ALREADYEXISTS\]"),
    line("I30 RENAME of nothing", b"RENAME nowhere new",
         r"a NO \[NONEXISTENT\]"),
    line("I30 CREATE INBOX", b"CREATE inbox", NO),
    line("I32 ID after login", b"ID (" + b" ".join(
        [b'"k%d" "v"' % i for i in range(31)]) + b")", BAD),
    line("H48 name with an odd quote", b'SELECT "a', BAD),
)

ITEMS = BEFORE + NAMES + AFTER
