"""Bad input and what must come of it.

An Item is a row of a table: what a client says, and what it hears. Drive
says it whole, cut off at each byte and in pieces; the answers may not depend
on how the bytes were delivered, and what was cut off leaves nothing behind.
"""

import re
import socket
import struct

from libwm import paths
from libwm.case import SuiteCase

WAIT_S = 30 * paths.PATIENCE
# Items up to here are cut and split at every byte; longer ones near both
# ends and at some bytes in between.
SHORT, ENDS, BETWEEN = 48, 14, 12


class Item:
    """start: lines, each of which is answered before the next. send: bytes,
    or several of them where the client waits for an answer in between.
    expect: a regular expression for each answer to what was sent. closes:
    the connection ends by itself, so that nothing answers the tail. mails:
    how many are taken. pieces=False: where the delivery does matter, as the
    reason given beside it says."""

    def __init__(self, name, send, *expect, start=None, closes=False,
                 mails=0, pieces=True, cuts=True, tail=None, changes=False):
        self.name = name
        self.steps = send if isinstance(send, tuple) else (send,)
        self.expect = expect
        self.start = start
        self.closes = closes
        self.mails = mails
        self.pieces = pieces
        self.cuts = cuts
        self.tail = tail
        self.changes = changes

    @property
    def test(self):
        """The name of its test."""
        return "test_" + re.sub(r"\W+", "_", self.name).strip("_").lower()

    def size(self):
        return sum(len(s) for s in self.steps)

    def places(self):
        """Where to cut: between the first byte and the last."""
        n = self.size()
        if n <= SHORT:
            return list(range(1, n))
        step = max(1, (n - 2 * ENDS) // BETWEEN)
        return sorted(set(range(1, ENDS)) | set(range(n - ENDS, n)) |
                      set(range(ENDS, n - ENDS, step)))


def split(steps, place):
    """Steps before a place, and the two halves of the one it lies in."""
    before = []
    for i, step in enumerate(steps):
        if place < len(step):
            return before, step[:place], step[place:], steps[i + 1:]
        place -= len(step)
        before.append(step)
    raise ValueError("place beyond the end")


class Talk:
    """A connection; answer() reads one, rest() all until the end."""

    def __init__(self, protocol, address):
        self.protocol = protocol
        self.sock = socket.create_connection(address, timeout=WAIT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        self.ended = False

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            self.ended = True

    def fill(self):
        try:
            more = self.sock.recv(65536)
        except ConnectionResetError:
            more = b""
        self.buf += more
        self.ended = self.ended or not more
        return bool(more)

    def answer(self):
        """The next whole answer, or what there is at the end."""
        while True:
            n = self.protocol.length(self.buf)
            if n:
                out, self.buf = self.buf[:n], self.buf[n:]
                return out
            if not self.fill():
                out, self.buf = self.buf, b""
                return out

    def greeting(self):
        while b"\r\n" not in self.buf and self.fill():
            pass
        out, _, self.buf = self.buf.partition(b"\r\n")
        return out

    def rest(self):
        while self.fill():
            pass
        out, self.buf = self.buf, b""
        return out

    def half_close(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.ended = True

    def close(self):
        self.sock.close()

    def reset(self):
        """Gone without a word: RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()


class Protocol:
    """What differs between SMTP, IMAP and POP3."""

    tail = b"QUIT\r\n"
    fence = b"NOOP\r\n"

    def length(self, buf):
        """Bytes of the first whole answer in buf, 0 if there is none."""
        return buf.find(b"\r\n") + 2 if b"\r\n" in buf else 0

    def rows(self, data):
        """The answers in data as they are compared."""
        raise NotImplementedError

    def text(self, data):
        return data.decode("utf-8", "backslashreplace")


class SmtpProtocol(Protocol):
    """Replies of many lines count as their last one."""

    def length(self, buf):
        m = re.match(rb"(?:\d\d\d-[^\n]*\n)*\d\d\d [^\n]*\n", buf)
        return m.end() if m else 0

    def rows(self, data):
        rows = [r for r in self.text(data).split("\r\n")
                if r and not re.match(r"\d\d\d-", r)]
        return [re.sub(r"\b(queued as|id) \S+", r"\1 ID", r) for r in rows]


class Pop3Protocol(Protocol):
    """Every line counts; users differ in the first half of a UIDL."""

    fence = b"USER x\r\n"

    def rows(self, data):
        return [re.sub(r"\b\d{9,}\.", "V.", r)
                for r in self.text(data).split("\r\n") if r]


class ImapProtocol(Protocol):
    """Tagged answers, continuations, and the untagged BAD, NO and BYE."""

    tail = b"zz LOGOUT\r\n"
    fence = b"zf NOOP\r\n"
    kept = rb"(?:\+|\* (?:BAD|NO|BYE)|[^*\s]+ (?:OK|NO|BAD)\b)[^\n]*"

    def length(self, buf):
        m = re.search(rb"^%s\n" % self.kept, buf, re.M)
        return m.end() if m else 0

    def rows(self, data):
        return [self.text(r.rstrip(b"\r"))
                for r in re.findall(rb"^%s" % self.kept, data, re.M)]


class BadCase(SuiteCase):
    """Say items to one service of one suite. START goes before each item,
    END answers the tail."""

    OPTIONS = {"cleartext": True}
    SETTINGS = ("workers = 1\nclient-connections-limit = 10000\n"
                "user-sessions-limit = 10000\nreceived-limit = 100\n")
    PROTOCOL = None
    SERVICE = None
    START = ()
    END = ()

    @classmethod
    def config(cls):
        return cls.SETTINGS

    # -- connections ---------------------------------------------------------

    def talks(self, count, start=None, protocol=None, service=None):
        """So many connections, each brought through the start lines."""
        address = (self.bed.host, self.bed.port(service or self.SERVICE))
        found = [Talk(protocol or self.PROTOCOL, address)
                 for _ in range(count)]
        for t in found:
            self.addCleanup(t.close)
        for t in found:
            t.greeting()
        for line in self.START if start is None else start:
            for t in found:
                t.send(line + b"\r\n")
            for t in found:
                answer = t.answer()
                self.assertNotRegex(answer, rb"^(5\d\d|-ERR|zs (NO|BAD))")
        return found

    def make_fence(self):
        """A connection whose answers prove that the front has read on."""
        t = self.talks(1, ())[0]
        t.ended = False
        return t

    def fenced(self, fence):
        fence.send(self.PROTOCOL.fence)
        fence.answer()
        self.assertFalse(fence.ended, "the fence was sent away")

    # -- one item ------------------------------------------------------------

    def finish(self, t, tail):
        """Send the tail, close our side, hear the rest."""
        t.send(tail)
        t.half_close()
        return t.rest()

    def tail_of(self, item):
        return self.PROTOCOL.tail if item.tail is None else item.tail

    def whole(self, item):
        t = self.talks(1, item.start)[0]
        out = b""
        for step in item.steps[:-1]:
            t.send(step)
            out += t.answer()
        t.send(item.steps[-1])
        return out + self.finish(t, self.tail_of(item))

    def byte_by_byte(self, item, fence):
        """As whole(), a byte at a time, each one read before the next."""
        t = self.talks(1, item.start)[0]
        out = b""
        for i, step in enumerate(item.steps):
            if i > 0:
                out += t.answer()
            for at in self.stretches(len(step)):
                t.send(step[at])
                self.fenced(fence)
        return out + self.finish(t, self.tail_of(item))

    @staticmethod
    def stretches(n):
        """Slices of n bytes: single ones, but the middle of long input."""
        if n <= 4 * SHORT:
            return [slice(i, i + 1) for i in range(n)]
        edge = 2 * SHORT
        return [slice(i, i + 1) for i in range(edge)] + \
            [slice(edge, n - edge)] + \
            [slice(i, i + 1) for i in range(n - edge, n)]

    def in_two(self, item, fence):
        """As whole(), in two pieces, for each place; the answers of all."""
        places = item.places()
        found = self.talks(len(places), item.start)
        outs = [b""] * len(found)
        parts = [split(item.steps, p) for p in places]
        for i, (t, (before, first, _, _)) in enumerate(zip(found, parts)):
            for step in before:
                t.send(step)
                outs[i] += t.answer()
            t.send(first)
        self.fenced(fence)
        for i, (t, (_, _, second, after)) in enumerate(zip(found, parts)):
            t.send(second)
            for step in after:
                outs[i] += t.answer()
                t.send(step)
        for i, t in enumerate(found):
            outs[i] += self.finish(t, self.tail_of(item))
        return outs

    def cut(self, item):
        """Every beginning of an item; what was heard, or None after RST."""
        places = item.places()
        found = self.talks(len(places), item.start)
        outs = [b""] * len(found)
        for i, (t, place) in enumerate(zip(found, places)):
            before, first, _, _ = split(item.steps, place)
            for step in before:
                t.send(step)
                outs[i] += t.answer()
            t.send(first)
            if i % 3 == 2:
                t.reset()
                outs[i] = None
            else:
                t.half_close()
        for i, t in enumerate(found):
            if outs[i] is not None:
                outs[i] += t.rest()
        return outs

    # -- what must come of it ------------------------------------------------

    def check(self, item):
        before = self.state()
        good = self.PROTOCOL.rows(self.whole(item))
        self.assert_rows(item, good)
        self.settled(item.mails, "whole")
        if item.cuts:
            for out in self.cut(item):
                if out is not None:
                    self.assert_beginning(self.PROTOCOL.rows(out), good)
            self.settled(0, "cut")
        if item.pieces:
            self.check_pieces(item, good)
        if not item.changes:
            self.assertEqual(self.state(), before)

    def check_pieces(self, item, good):
        fence = self.make_fence()
        got = self.PROTOCOL.rows(self.byte_by_byte(item, fence))
        self.assertEqual(got, good, "byte by byte")
        outs = self.in_two(item, fence)
        for place, out in zip(item.places(), outs):
            self.assertEqual(self.PROTOCOL.rows(out), good,
                             "in two at %d" % place)
        fence.close()
        self.settled((1 + len(outs)) * item.mails, "pieces")

    def assert_rows(self, item, rows):
        wanted = list(item.expect)
        if not item.closes:
            wanted += self.END
        self.assertEqual(len(rows), len(wanted), "%r\n%r" % (rows, wanted))
        for row, pattern in zip(rows, wanted):
            self.assertRegex(row, "^(?:%s)" % pattern)

    def assert_beginning(self, rows, good):
        """A cut-off client hears a beginning of what the whole one does."""
        self.assertEqual(rows, good[:len(rows)])

    def settled(self, mails, when):
        """Wait until all clients are gone; that is what was taken."""

    def state(self):
        """What bad input may not change."""
        return None


def tests_from(items):
    """A class decorator: a test for each item of a table."""
    def give(cls):
        for item in items:
            if hasattr(cls, item.test):
                raise ValueError("two items named " + item.name)

            def test(self, item=item):
                self.check(item)
            setattr(cls, item.test, test)
        return cls
    return give
