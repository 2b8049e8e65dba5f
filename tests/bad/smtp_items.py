"""Bad SMTP and what must be answered: rows S1 to S76 of README.md."""

import base64

from drive import Item

EHLO = b"EHLO c.example"
MAIL = b"MAIL FROM:<a@b.example>"
RCPT = b"RCPT TO:<pip@example.test>"
READY = (EHLO,)
SENDER = (EHLO, MAIL)
RECIPIENT = (EHLO, MAIL, RCPT)
CONTENT = (EHLO, MAIL, RCPT, b"DATA")
SMALL = b"Subject: x\r\n\r\nbody\r\n"
OK, GO = r"250 2\.", "354 "
SENDER_OK, RECIPIENT_OK = r"250 2\.1\.0", r"250 2\.1\.5"
UNKNOWN, SEQUENCE, ARGUMENT = r"500 5\.5\.2", r"503 5\.5\.1", r"501 5\.5\.4"
NO_RELAY = r"55[04] 5\.7\.1"
NOT_UTF8 = r"553 5\.6\.7"



def item(name, send, *expect, start=READY, **kw):
    return Item(name, send, *expect, start=start, **kw)


def mail_item(name, argument, *expect, **kw):
    return item(name, b"MAIL FROM:" + argument + b"\r\n", *expect, **kw)


def rcpt_item(name, argument, *expect, **kw):
    return Item(name, b"RCPT TO:" + argument + b"\r\n", *expect,
                start=SENDER, **kw)


def data_item(name, content, *expect, end=b".\r\n", **kw):
    return Item(name, content + end, *expect, start=CONTENT, **kw)


COMMANDS = (
    item("S1 unknown verb", b"FROB\r\n", UNKNOWN),
    item("S1 unknown verbs without end", b"FROB\r\n" * 25,
         *[UNKNOWN] * 19, r"421 4\.7\.0", closes=True),
    item("S2 verb of old", b"TURN\r\n", r"502 5\.5\.1"),
    item("S3 empty line", b"\r\n", UNKNOWN),
    item("S3 empty lines are errors", b"\r\n" * 20, *[UNKNOWN] * 19,
         r"421 4\.7\.0", closes=True),
    item("S4 long line", b"NOOP " + b"x" * 5000 + b"\r\n", UNKNOWN),
    item("S4 line at the limit", b"NOOP " + b"x" * 4089 + b"\r\n", OK),
    item("S6 bare LF ends no command", b"NOOP\nNOOP\r\n", UNKNOWN,
         closes=True),
    item("S7 bare CR in a command", b"NOOP\rNOOP\r\n", UNKNOWN),
    item("S7 CR CR LF", b"NOOP\r\r\n", UNKNOWN),
    item("S8 NUL before a command", b"\0NOOP\r\n", UNKNOWN),
    item("S8 NUL in a verb", b"NO\0OP\r\n", UNKNOWN),
    item("S8 NUL in an argument", b"NOOP \0\r\n", UNKNOWN),
    item("S9 8-bit verb", b"N\xd6\xd6P\r\n", UNKNOWN),
    mail_item("S9 8-bit sender", b"<\xfc@b.example>",
              r"553 5\.6\.7|501 5\.1\.7"),
    item("S10 MAIL before EHLO", MAIL + b"\r\n", SEQUENCE, start=()),
    item("S11 RCPT before MAIL", RCPT + b"\r\n", SEQUENCE),
    item("S12 DATA before RCPT", b"DATA\r\n", r"554 5\.5\.1", start=SENDER),
    item("S12 DATA before MAIL", b"DATA\r\n", SEQUENCE),
    item("S13 second MAIL", MAIL + b"\r\n", SEQUENCE, start=SENDER),
    item("S13 second MAIL leaves the first", MAIL + b"\r\nRCPT TO:<pip@exampl"
         b"e.test>\r\n", SEQUENCE, RECIPIENT_OK, start=SENDER),
    item("S14 EHLO in a transaction", EHLO + b"\r\n" + RCPT + b"\r\n",
         "250 ", SEQUENCE, start=RECIPIENT),
    item("S14 HELO in a transaction", b"HELO c.example\r\nDATA\r\n",
         "250 ", SEQUENCE, start=RECIPIENT),
    item("S15 EHLO without a name", b"EHLO\r\n", ARGUMENT, start=()),
    item("S15 HELO with spaces only", b"HELO  \r\n", ARGUMENT, start=()),
    # Policy: the characters of a host name and of a literal are asked for,
    # not that it names anything (RFC 5321 §4.1.4).
    item("S16 EHLO with an impossible literal", b"EHLO [999.1.1.1]\r\n",
         "250 ", start=()),
    item("S16 EHLO with a bad IPv6 literal", b"EHLO [IPv6:::zz]\r\n",
         "250 ", start=()),
    item("S16 EHLO with bytes no name has", b"EHLO a(b)\r\n", ARGUMENT,
         start=()),
    item("S16 EHLO with two words", b"EHLO a b\r\n", ARGUMENT, start=()),
    item("S16 EHLO of 4 KiB", b"EHLO " + b"a." * 2000 + b"\r\n", ARGUMENT,
         start=()),
    item("S17 RSET with an argument", b"RSET foo\r\n", ARGUMENT),
    item("S17 DATA with an argument", b"DATA foo\r\n", ARGUMENT,
         start=RECIPIENT),
    item("S17 QUIT with an argument", b"QUIT foo\r\n", ARGUMENT),
    # Policy: both are taken, as every other server does.
    mail_item("S18 no brackets", b"a@b.example", SENDER_OK),
    mail_item("S18 space before the bracket", b" <a@b.example>", SENDER_OK),
    item("S61 VRFY leaves the transaction", b"VRFY pip\r\n" + RCPT + b"\r\n",
         "252 2", RECIPIENT_OK, start=SENDER),
    item("S61 VRFY in UTF-8 leaves the transaction",
         b"VRFY \xc3\xbc SMTPUTF8\r\nVRFY \xff\r\n" + RCPT + b"\r\n",
         "252 2|50[0-4] 5", "252 2|50[0-4] 5", RECIPIENT_OK, start=SENDER),
    item("S61 EXPN is not there", b"EXPN staff\r\n" + RCPT + b"\r\n",
         r"502 5\.5\.1", RECIPIENT_OK, start=SENDER),
    item("S62 HELP and NOOP take arguments", b"HELP me\r\nNOOP x y\r\n",
         "214 ", OK, start=SENDER),
    item("S70 XCLIENT of a stranger", b"XCLIENT ADDR=127.0.0.1\r\n",
         r"550 5\.7\.0"),
    item("S70 XFORWARD of a stranger", b"XFORWARD NAME=x\r\n",
         r"550 5\.7\.0"),
    item("S70 PROXY of a stranger",
         b"PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n", UNKNOWN, start=()),
    item("S70 PROXY v2 of a stranger",
         b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\1\x7f\0\0\1\0\1\0\x19"
         b"\r\n", *[UNKNOWN] * 4, closes=True, start=()),
    item("S71 ETRN", b"ETRN ' OR 1=1\r\n", r"502 5\.5\.1"),
    item("S76 browser", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "421 4",
         start=(), closes=True),
    item("S76 browser posting commands", b"POST / HTTP/1.1\r\n\r\n" + EHLO +
         b"\r\n" + MAIL + b"\r\n", "421 4", start=(), closes=True),
)

PATHS = (
    mail_item("S19 no closing bracket", b"<a@b.example", r"501 5\.1\.7"),
    mail_item("S19 two closing brackets", b"<a@b.example>>", r"501 5\.1\.7"),
    mail_item("S19 two opening brackets", b"<<a@b.example>", r"501 5\.1\.7"),
    mail_item("S20 source route", b"<@x.example,@y.example:a@b.example>",
              SENDER_OK),
    rcpt_item("S20 source route elsewhere is no relay",
              b"<@example.test:x@elsewhere.example>", NO_RELAY),
    mail_item("S21 local part of 65", b"<" + b"l" * 65 + b"@b.example>",
              r"501 5\.1\.7"),
    mail_item("S21 domain of 256", b"<a@" + b"d." * 127 + b"dd>",
              r"501 5\.1\.7"),
    rcpt_item("S21 recipient of 65", b"<" + b"l" * 65 + b"@example.test>",
              r"501 5\.1\.3"),
    rcpt_item("S22 quoted local part", rb'<"a b"@example.test>',
              r"550 5\.1\.1"),
    rcpt_item("S22 escaped quote", rb'<"a\"b"@example.test>', r"550 5\.1\.1"),
    rcpt_item("S22 empty local part", b'<""@example.test>',
              r"550 5\.1\.1|501 5\.1\.3"),
    rcpt_item("S22 quotes that need not be", b'<"pip"@example.test>',
              RECIPIENT_OK),
    rcpt_item("S22 backslash at the end", b'<"a\\@example.test>',
              r"501 5\.1\.3"),
    rcpt_item("S23 null recipient", b"<>", r"501 5\.1\.3"),
    rcpt_item("S24 postmaster", b"<postmaster>", RECIPIENT_OK),
    mail_item("S25 unknown parameter", b"<a@b.example> FOO=1",
              r"555 5\.5\.4"),
    rcpt_item("S25 unknown parameter of RCPT", b"<pip@example.test> FOO",
              r"555 5\.5\.4"),
    mail_item("S26 parameter twice", b"<a@b.example> SIZE=1 SIZE=2",
              ARGUMENT),
    mail_item("S27 empty size", b"<a@b.example> SIZE=", ARGUMENT),
    mail_item("S27 negative size", b"<a@b.example> SIZE=-1", ARGUMENT),
    mail_item("S27 signed size", b"<a@b.example> SIZE=+1", ARGUMENT),
    mail_item("S27 size with letters", b"<a@b.example> SIZE=1e3", ARGUMENT),
    mail_item("S27 size of 21 digits", b"<a@b.example> SIZE=" + b"9" * 21,
              ARGUMENT),
    mail_item("S28 size over the limit", b"<a@b.example> SIZE=99999999999",
              r"552 5\.3\.4"),
    mail_item("S28 size over every number", b"<a@b.example> SIZE=" +
              b"9" * 20, r"552 5\.3\.4"),
    mail_item("S28 size with leading zeros", b"<a@b.example> SIZE=" +
              b"0" * 19 + b"9", SENDER_OK),
    mail_item("S46 BODY=BINARYMIME is not offered",
              b"<a@b.example> BODY=BINARYMIME", r"501 5\.5\.4|555 5\.5\.4"),
    rcpt_item("S63 elsewhere", b"<x@elsewhere.example>", NO_RELAY),
    rcpt_item("S63 percent hack", b"<x%elsewhere.example@example.test>",
              r"550 5\.1\.1"),
    rcpt_item("S63 quoted address", b'<"x@elsewhere.example"@example.test>',
              r"550 5\.1\.1"),
    rcpt_item("S63 bang path", b"<elsewhere.example!x@example.test>",
              r"550 5\.1\.1"),
    rcpt_item("S63 no domain", b"<x%elsewhere.example>",
              r"55[04] 5|501 5\.1\.3"),
    rcpt_item("S64 unknown user", b"<nobody@example.test>", r"550 5\.1\.1"),
    mail_item("S66 UTF-8 sender without SMTPUTF8",
              "<jörg@b.example>".encode(), r"553 5\.6\.7"),
    rcpt_item("S66 UTF-8 recipient without SMTPUTF8",
              "<jörg@example.test>".encode(), r"553 5\.6\.7"),
    # Policy: what is not UTF-8 is answered as what needs SMTPUTF8.
    mail_item("S67 overlong UTF-8", b"<\xc0\xaf@b.example> SMTPUTF8",
              NOT_UTF8),
    mail_item("S67 surrogate", b"<\xed\xa0\x80@b.example> SMTPUTF8",
              NOT_UTF8),
    mail_item("S67 UTF-8 cut short", b"<\xe2\x82@b.example> SMTPUTF8",
              NOT_UTF8),
    mail_item("S67 beyond Unicode", b"<\xf4\x90\x80\x80@b.example> SMTPUTF8",
              NOT_UTF8),
    rcpt_item("S68 NUL in ORCPT", b"<pip@example.test> ORCPT=rfc822;a+00b",
              ARGUMENT),
    rcpt_item("S68 line end in ORCPT",
              b"<pip@example.test> ORCPT=rfc822;a+0D+0Ab", ARGUMENT),
    rcpt_item("S68 bad xtext", b"<pip@example.test> ORCPT=rfc822;a+0ab",
              ARGUMENT),
    rcpt_item("S68 xtext cut short", b"<pip@example.test> ORCPT=rfc822;a+2",
              ARGUMENT),
    rcpt_item("S68 ORCPT without a type", b"<pip@example.test> ORCPT=;a@b",
              ARGUMENT),
    mail_item("S68 ENVID of 101", b"<a@b.example> ENVID=" + b"e" * 101,
              ARGUMENT),
    mail_item("S68 ENVID of 100", b"<a@b.example> ENVID=" + b"e" * 100,
              SENDER_OK),
    mail_item("S68 bad xtext in ENVID", b"<a@b.example> ENVID=a+0g",
              ARGUMENT),
    rcpt_item("S69 never and success",
              b"<pip@example.test> NOTIFY=NEVER,SUCCESS", ARGUMENT),
    rcpt_item("S69 empty notify", b"<pip@example.test> NOTIFY=", ARGUMENT),
    rcpt_item("S69 comma at the end", b"<pip@example.test> NOTIFY=DELAY,",
              ARGUMENT),
    # Rows 18, 24, 29 of the history: addresses are never anything else.
    *[rcpt_item("H18 shell in an address: " + name, b"<" + path +
                b"@example.test>", r"550 5\.1\.1|501 5\.1\.3")
      for name, path in (
          ("semicolon", b";id;"), ("quoted semicolon", b'";id;"'),
          ("pipe", b"|id"), ("dollar", b"$(id)"), ("backquote", b"`id`"),
          ("glob", b"*"), ("run", b"${run{/bin/id}}"), ("format", b"%s%n"),
          ("ldap", b"%{ldap:x}"), ("newline", b'"a\\\nb"'))
      if b"\n" not in path],
    *[rcpt_item("H29 no address: " + name, b"<" + path + b">",
                r"550 5\.1\.[0-9]|55[04] 5\.7\.1|501 5\.1\.3|553 5")
      for name, path in (
          ("program", b'"|/bin/id"'), ("program here",
                                       b'"|/bin/id"@example.test'),
          ("file", b"/etc/passwd"), ("file here", b"/etc/passwd@example.test"),
          ("include", b":include:/etc/passwd"),
          ("include here", b'":include:/x"@example.test'))],
    mail_item("H20 AUTH with a line end", b"<a@b.example> AUTH=x+0Ay",
              r"555 5\.5\.4|501 5\.5\.4"),
)

CONTENTS = (
    data_item("S30 LF dot LF", SMALL + b"\n.\n" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 LF dot CRLF", SMALL + b"\n.\r\n" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 CR dot CR", SMALL + b"\r.\r" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 CR dot CRLF", SMALL + b"\r.\r\n" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 CRLF dot LF", SMALL + b"\r\n.\n" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 CRLF dot CR", SMALL + b"\r\n.\r" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 CRLF NUL dot CRLF", SMALL + b"\r\n\0.\r\n" + MAIL +
              b"\r\n", r"550 5\.(5\.2|6\.0)"),
    data_item("S30 CRLF dot CR CRLF", SMALL + b"\r\n.\r\r\n" + MAIL +
              b"\r\n", r"550 5\.5\.2"),
    data_item("S30 CR CRLF dot CR CRLF", SMALL + b"\r\r\n.\r\r\n" + MAIL +
              b"\r\n", r"550 5\.5\.2"),
    data_item("S30 LF dot CR", SMALL + b"\n.\r" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    data_item("S30 CR dot LF", SMALL + b"\r.\n" + MAIL + b"\r\n",
              r"550 5\.5\.2"),
    # Policy: taken as it is up to 65,536 octets, refused beyond.
    data_item("S31 line of 2000", b"Subject: x\r\n\r\n" + b"y" * 2000 +
              b"\r\n", OK, mails=1),
    data_item("S31 line of 65537", b"Subject: x\r\n\r\n" + b"y" * 65537 +
              b"\r\n", r"550 5\.6\.0"),
    data_item("S32 NUL in the header", b"Subject: \0\r\n\r\nx\r\n",
              r"550 5\.6\.0"),
    data_item("S32 NUL in the body", SMALL + b"\0\r\n", r"550 5\.6\.0"),
    # Policy: taken as it is.
    data_item("S33 8-bit without 8BITMIME", SMALL + b"\xfc\xff\r\n", OK,
              mails=1),
    data_item("S34 101 hops", b"Received: by x;\r\n" * 101 + SMALL,
              r"554 5\.4\.6"),
    data_item("S34 100 hops", b"Received: by x;\r\n" * 100 + SMALL, OK,
              mails=1),
    data_item("S35 dots", SMALL + b"..\r\n. \r\n..x\r\n", OK, mails=1),
    data_item("S7 nothing but a dot", b"", OK, mails=1, cuts=False),
    item("S38 data before 354", b"DATA\r\n" + SMALL + b".\r\n",
         r"554 5\.5\.0", start=RECIPIENT, closes=True,
         # In pieces it may come behind the 354.
         pieces=False),
    item("S40 no recipient was good", b"RCPT TO:<nobody@example.test>\r\n"
         b"RCPT TO:<none@example.test>\r\nDATA\r\n", r"550 5\.1\.1",
         r"550 5\.1\.1", r"554 5\.5\.1", start=SENDER),
    item("H8 nothing is left after a refusal", (
        b"DATA\r\n", b"a\nb\r\n.\r\n", RCPT + b"\r\n", b"DATA\r\n"), GO,
        r"550 5\.5\.2", SEQUENCE, SEQUENCE, start=RECIPIENT),
    item("H9 neutral commands keep the transaction", (
        b"NOOP\r\nHELP\r\nVRFY x\r\nEXPN x\r\nFROB\r\nETRN x\r\n" + RCPT +
        b"\r\nNOOP\r\nVRFY \xc3\xbc\r\nDATA\r\n"), OK, "214 ", "252 ",
        "502 ", "500 ", "502 ", RECIPIENT_OK, OK, "252 ", GO, start=SENDER,
        tail=b"", closes=True),
)

CHUNKS = (
    item("S41 BDAT without a size", b"BDAT\r\n", ARGUMENT, start=RECIPIENT,
         closes=True),
    item("S41 BDAT with letters", b"BDAT x\r\n", ARGUMENT, start=RECIPIENT,
         closes=True),
    item("S41 BDAT with another word", b"BDAT 5 FIRST\r\nhello", ARGUMENT,
         start=RECIPIENT, closes=True),
    item("S41 BDAT with a word behind", b"BDAT 5 LAST x\r\nhello", ARGUMENT,
         start=RECIPIENT, closes=True),
    item("S41 negative BDAT", b"BDAT -1\r\n", ARGUMENT, start=RECIPIENT,
         closes=True),
    item("S42 BDAT beyond 64 bits", b"BDAT 99999999999999999999\r\n",
         r"501 5\.5\.4|552", start=RECIPIENT, closes=True),
    item("S42 BDAT of 2^63", b"BDAT 9223372036854775808\r\n",
         r"501 5\.5\.4|552", start=RECIPIENT, closes=True),
    # Nothing comes of what is announced and not sent.
    item("S42 BDAT of 2^63-1", b"BDAT 9223372036854775807\r\nhello",
         start=RECIPIENT, closes=True, tail=b""),
    item("S42 BDAT of 2^31", b"BDAT 2147483648\r\nhello", start=RECIPIENT,
         closes=True, tail=b""),
    # Policy: an empty mail is a mail.
    item("S43 BDAT 0 LAST at first", b"BDAT 0 LAST\r\n", OK, start=RECIPIENT,
         mails=1),
    item("S43 BDAT 0 without end", b"BDAT 0\r\n" * 10, *[OK] * 10,
         start=RECIPIENT),
    item("S44 DATA after BDAT", b"BDAT 5\r\nhelloDATA\r\n" + RCPT + b"\r\n",
         OK, SEQUENCE, SEQUENCE, start=RECIPIENT),
    item("S45 BDAT after refused recipients",
         b"RCPT TO:<nobody@example.test>\r\nBDAT 5 LAST\r\nhelloNOOP\r\n",
         r"550 5\.1\.1", r"554 5\.5\.1", OK, start=SENDER),
    item("S45 BDAT without a mail", b"BDAT 7 LAST\r\nQUIT\r\nxNOOP\r\n",
         SEQUENCE, OK),
    item("H7 nothing is left after a bad chunk",
         b"BDAT 5\r\na\nb\r\nDATA\r\n" + RCPT + b"\r\nDATA\r\n", OK + "|550",
         SEQUENCE, SEQUENCE, SEQUENCE, start=RECIPIENT),
    item("H7 bare LF in a chunk", b"BDAT 5 LAST\r\na\nb\r\n" + RCPT +
         b"\r\n", r"550 5\.5\.2", SEQUENCE, start=RECIPIENT),
    item("H4 false end in a chunk", b"BDAT 6 LAST\r\na\n.\r\nb",
         r"550 5\.5\.2", start=RECIPIENT),
    item("H4 dot line in a chunk", b"BDAT 6 LAST\r\na\r\n.\r\n", OK,
         start=RECIPIENT, mails=1),
    item("H11 nothing but a dot in a chunk", b"BDAT 3 LAST\r\n.\r\n", OK,
         start=RECIPIENT, mails=1),
)

TLS = (
    item("S47 STARTTLS with an argument", b"STARTTLS foo\r\n", "501 5"),
    item("S49 commands behind STARTTLS", b"STARTTLS\r\nNOOP\r\n",
         closes=True,
         # Cut or split between the lines it is the start of a handshake.
         pieces=False, cuts=False),
    item("S53 AUTH on port 25", b"AUTH PLAIN\r\n", r"502 5\.5\.1"),
)


def b64(data):
    return base64.b64encode(data)


def auth_item(name, message, *expect, more=b"", **kw):
    return item(name, b"AUTH PLAIN " + b64(message) + b"\r\n" + more,
                *expect, **kw)


LOGGED_IN = (EHLO, b"AUTH PLAIN " + b64(b"\0u1@example.test\0pw"))
REFUSED = r"535 5\.7\.8"

SUBMISSION = (
    item("S53 AUTH before EHLO", b"AUTH PLAIN\r\n", SEQUENCE, start=()),
    item("S53 AUTH inside a mail", b"AUTH PLAIN\r\n", SEQUENCE,
         start=LOGGED_IN + (MAIL,)),
    item("S53 AUTH after success", b"AUTH PLAIN\r\n", SEQUENCE,
         start=LOGGED_IN),
    item("S54 unknown mechanism", b"AUTH FOO\r\n", r"504 5\.5\.4"),
    item("S54 no mechanism", b"AUTH\r\n", ARGUMENT),
    item("S55 mail without a login", MAIL + b"\r\n", r"530 5\.7\.0"),
    item("S56 bad base64", b"AUTH PLAIN !!!!\r\n", r"501 5\.5\.2"),
    item("S56 padding alone", b"AUTH PLAIN ==\r\n", r"501 5\.5\.2"),
    item("S56 padding too short", b"AUTH PLAIN AA=\r\n", r"501 5\.5\.2"),
    item("S56 padding inside", b"AUTH PLAIN AA==AA==\r\n", r"501 5\.5\.2"),
    item("S56 bits behind the end", b"AUTH PLAIN AB==\r\n",
         r"501 5\.5\.2"),
    item("S56 empty response", b"AUTH PLAIN =\r\n", REFUSED),
    item("S56 cancelled", (b"AUTH PLAIN\r\n", b"*\r\n"), "334 ",
         r"501 5\.7\.0"),
    item("S56 cancelled at the password", (
        b"AUTH LOGIN\r\n", b64(b"u1@example.test") + b"\r\n", b"*\r\n"),
        "334 VXNl", "334 UGFz", r"501 5\.7\.0"),
    item("S56 empty line", (b"AUTH PLAIN\r\n", b"\r\n"), "334 ", REFUSED),
    item("S56 bare CR in a response", (b"AUTH PLAIN\r\n", b"A\rA\r\n"),
         "334 ", UNKNOWN),
    item("S57 long line", b"AUTH PLAIN " + b"A" * 13000 + b"\r\n",
         r"500 5\.5\.[26]"),
    item("S57 long response", (b"AUTH PLAIN\r\n", b"A" * 13000 + b"\r\n"),
         "334 ", r"500 5\.5\.6"),
    auth_item("S58 NUL in the password", b"\0u1@example.test\0p\0w",
              REFUSED, pieces=False),  # each try makes the next slower
    auth_item("S58 line end in the user", b"\0u1\nevent=login\0pw", REFUSED),
    auth_item("S58 return in the user", b"\0u1\r\0pw", REFUSED),
    auth_item("S58 invalid UTF-8", b"\0\xff\xfe\0pw", REFUSED),
    auth_item("S58 user of 8 KiB", b"\0" + b"u" * 8192 + b"\0pw",
              r"501 5\.5\.2"),
    auth_item("S58 no NUL", b"u1@example.test", REFUSED),
    auth_item("S58 one NUL", b"\0u1@example.test", REFUSED),
    auth_item("S58 no user", b"\0\0pw", REFUSED),
    auth_item("S58 somebody else", b"pip@example.test\0u1@example.test\0pw",
              REFUSED, pieces=False),
    auth_item("H13 nobody is logged in after a refusal",
              b"\0u1@example.test", REFUSED, r"530 5\.7\.0",
              more=MAIL + b"\r\n"),
    auth_item("H49 another mechanism after a failure", b"\0u1", REFUSED,
              "235 2", more=b"AUTH PLAIN " +
              b64(b"\0u1@example.test\0pw") + b"\r\n"),
    mail_item("H20 AUTH with a line end of who logged in",
              b"<u1@example.test> AUTH=x+0Ay", ARGUMENT, start=LOGGED_IN),
    *[auth_item("H23 user " + name, b"\0" + user + b"\0pw", REFUSED,
                pieces=False)
      for name, user in (
          ("with a pipe", b"u1|u2@example.test"), ("with equals",
                                                   b"a=b@example.test"),
          ("with a space", b"u1 u2@example.test"),
          ("of SQL", b"' or 1=1--"), ("of LDAP", b"*)(uid=*"),
          ("that climbs", b"../../x"), ("that is absolute", b"/etc/passwd"),
          ("in format", b"%s%n@example.test"))],
)

ITEMS = COMMANDS + PATHS + CONTENTS + CHUNKS + TLS
