"""What servers may answer to relay, and what comes of the mail: rows C1 to
C15 of README.md."""

import re

# The mail goes out at once; later, once the server behaves; or never.
TAKEN, PUT_OFF, BOUNCED = "taken", "put off", "bounced"
HUGE = b"x" * 1000000


class Answer:
    """raw is said at a stage ("connect", a verb, "end") of the first
    connection; then all is well. status: of what is put off or bounced.
    whole: what matters is what comes in one piece, or is cut off."""

    def __init__(self, name, stage, raw, outcome, status="", ehlo=b"",
                 whole=False, closes=False):
        self.name = name
        self.stage = stage
        self.raw = raw
        self.outcome = outcome
        self.status = status
        self.ehlo = ehlo
        self.whole = whole
        self.closes = closes

    def plans(self):
        """How it is given: [(pieces, does the connection end?)], the cut
        off ones behind the first two."""
        pieces = [self.raw[i:i + 1] for i in range(min(len(self.raw), 200))]
        found = [([self.raw], self.closes)]
        if not self.whole:
            found.append((pieces + [self.raw[200:]], self.closes))
        return found, [([self.raw[:n]], True) for n in self.places()]

    @property
    def test(self):
        return "test_" + re.sub(r"\W+", "_", self.name).strip("_").lower()

    def places(self):
        """Where the connection ends inside of the answer."""
        n = len(self.raw)
        if self.whole:
            return []
        return list(range(n)) if n < 32 else \
            sorted({0, 1, 2, 3, 4, 5, 9, n // 2, n - 2, n - 1})


def at_all_stages(name, raw, outcome, status):
    return [Answer("%s to %s" % (name, stage), stage, raw, outcome, status)
            for stage in ("connect", "EHLO", "MAIL", "RCPT", "DATA", "end")]


OUT_OF_STEP = "4.5.0"

ITEMS = (
    Answer("C1 greeting 421", "connect", b"421 4.3.2 later\r\n", PUT_OFF,
           "4.3.2"),
    Answer("C1 greeting 450", "connect", b"450 busy\r\n", PUT_OFF, "4"),
    Answer("C1 greeting 554", "connect", b"554 5.7.1 no\r\n", BOUNCED,
           "5.7.1"),
    *at_all_stages("C2 no code", b"hello\r\n", PUT_OFF, OUT_OF_STEP),
    *at_all_stages("C2 code 999", b"999 what\r\n", PUT_OFF, OUT_OF_STEP),
    *at_all_stages("C2 half a code", b"2x0 ok\r\n", PUT_OFF, OUT_OF_STEP),
    *at_all_stages("C2 two codes", b"250-a\r\n251 b\r\n", PUT_OFF,
                   OUT_OF_STEP),
    *at_all_stages("C2 nothing but a line", b"\r\n", PUT_OFF, OUT_OF_STEP),
    *at_all_stages("C2 3xx out of place", b"334 go\r\n", PUT_OFF, "4")[:4],
    Answer("C2 2xx to DATA", "DATA", b"250 ok\r\n", PUT_OFF, OUT_OF_STEP),
    Answer("C2 354 to the end", "end", b"354 go on\r\n", PUT_OFF,
           OUT_OF_STEP),
    Answer("C3 endless reply", "RCPT", b"250-x\r\n" * 20000, PUT_OFF,
           OUT_OF_STEP),
    Answer("C4 line of a megabyte is taken", "RCPT", b"250 " + HUGE +
           b"\r\n", TAKEN),
    Answer("C4 line of a megabyte is a refusal", "RCPT", b"550 5.1.1 " +
           HUGE + b"\r\n", BOUNCED, "5.1.1"),
    Answer("C4 line without end", "RCPT", b"250 " + HUGE * 5, PUT_OFF,
           OUT_OF_STEP),
    Answer("C4 control characters", "RCPT", b"550 5.1.1 a\0b\nc\rd\x1b[2J"
           b"\x07 event=relayed to=forged\r\n", BOUNCED, "5.1.1"),
    Answer("C4 bare LF", "MAIL", b"250 a\n250 b\n250 c\r\n", TAKEN),
    Answer("C5 EHLO refused", "EHLO", b"500 what\r\n", TAKEN),
    Answer("C5 500 to MAIL", "MAIL", b"500 5.5.2 what\r\n", BOUNCED,
           "5.5.2"),
    Answer("C5 500 to RCPT", "RCPT", b"500 what\r\n", BOUNCED, "5"),
    Answer("C5 500 to DATA", "DATA", b"500 what\r\n", BOUNCED, "5"),
    Answer("C5 500 to the end", "end", b"500 what\r\n", BOUNCED, "5"),
    Answer("C6 STARTTLS offered and refused", "STARTTLS", b"454 4.7.0 no\r\n",
           TAKEN, ehlo=b"STARTTLS"),
    Answer("C7 more behind the 220 of STARTTLS", "STARTTLS",
           b"220 go\r\n250 AUTH PLAIN\r\n", PUT_OFF, "4.7.5",
           ehlo=b"STARTTLS", whole=True),
    Answer("C8 taken before the content", "DATA", b"354 go\r\n250 2.0.0 "
           b"taken\r\n", PUT_OFF, OUT_OF_STEP, whole=True),
    Answer("C8 refused before the content", "DATA", b"354 go\r\n554 5.7.1 "
           b"no\r\n", PUT_OFF, OUT_OF_STEP, whole=True),
    Answer("C8 gone behind the 354", "DATA", b"354 go\r\n", PUT_OFF,
           "4.4.2", closes=True),
    Answer("C8 gone behind the dot", "end", b"", PUT_OFF, "4.4.2",
           closes=True),
    Answer("C9 rubbish behind the end", "end", b"250 2.0.0 taken\r\n\0\0x",
           TAKEN, whole=True),
    Answer("C9 another reply behind the end", "end", b"250 2.0.0 taken\r\n"
           b"550 5.1.1 no\r\n", TAKEN, whole=True),
    Answer("C10 a reply too few", "RCPT", b"", PUT_OFF, "4"),
    Answer("C10 gone instead of a reply", "RCPT", b"", PUT_OFF, "4.4.2",
           closes=True),
    Answer("C12 552 to RCPT", "RCPT", b"552 5.2.2 full\r\n", PUT_OFF,
           "4.2.2"),
    Answer("H19 hyphen and nothing behind", "RCPT", b"550-\r\n550-5.1.1\r\n"
           b"550\r\n", BOUNCED, "5"),
    Answer("H19 code alone", "RCPT", b"550\r\n", BOUNCED, "5.0.0"),
    Answer("H19 one byte lines", "RCPT", b"2\r\n5\r\n0\r\n", PUT_OFF,
           OUT_OF_STEP),
)
