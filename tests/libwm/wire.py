"""Line protocols over plain sockets: what a client library would smooth over
has to be sent and seen byte by byte."""

import base64
import re
import socket
import ssl

from libwm import paths

WAIT_S = 20 * paths.PATIENCE


class WireError(Exception):
    """The server said something a client could not use."""


def tls_context(cafile=None):
    """A client's TLS: verifying when a CA file is given."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cafile:
        ctx.load_verify_locations(cafile)
    else:
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
    return ctx


class Wire:
    """A connection. trace(direction, bytes) sees every line, if given."""

    def __init__(self, host, port, tls=None, trace=None, wait=WAIT_S,
                 source=None):
        self.trace = trace
        self.host = host
        self.sock = socket.create_connection(
            (host, port), timeout=wait,
            source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        if tls:
            self.start_tls(tls)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def start_tls(self, ctx):
        """TLS from here on; bytes already read would have been injected."""
        if self.buf:
            raise WireError("bytes before TLS: %r" % self.buf)
        self.sock = ctx.wrap_socket(self.sock, server_hostname=self.host)

    def send(self, data):
        if self.trace:
            self.trace("C", data)
        self.sock.sendall(data)

    def fill(self):
        """Read once; False at the end."""
        try:
            more = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return False
        self.buf += more
        return bool(more)

    def line(self):
        """One line without its CRLF; raises at end of file."""
        while b"\n" not in self.buf:
            if not self.fill():
                raise EOFError("closed after %r" % self.buf)
        row, self.buf = self.buf.split(b"\n", 1)
        if not row.endswith(b"\r"):
            raise WireError("line without CR: %r" % row)
        if self.trace:
            self.trace("S", row[:-1])
        return row[:-1]

    def exactly(self, n):
        while len(self.buf) < n:
            if not self.fill():
                raise EOFError("closed inside a literal")
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def rest(self):
        """Everything until the server closes."""
        while self.fill():
            pass
        data, self.buf = self.buf, b""
        return data

    def quiet(self, seconds=0.3):
        """Does nothing come for so long? For proving an absence only."""
        if self.buf:
            return False
        old = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            return not self.fill() and not self.buf
        except (TimeoutError, ssl.SSLWantReadError):
            return True
        finally:
            self.sock.settimeout(old)


def dot_stuff(content):
    """Content as DATA sends it, the final dot included (RFC 5321 §4.5.2)."""
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def plain(user, password, authzid=""):
    """The SASL PLAIN response (RFC 4616)."""
    return base64.b64encode(
        "\0".join((authzid, user, password)).encode()).decode()


class Smtp(Wire):
    """An SMTP client that does as it is told."""

    def __init__(self, *a, greet=True, **k):
        super().__init__(*a, **k)
        self.greeting = self.reply() if greet else None

    def reply(self):
        """(code, [text, …]) of one reply."""
        rows = []
        while True:
            row = self.line()
            m = re.fullmatch(rb"([2-5]\d\d)([ -])(.*)", row)
            if not m:
                raise WireError("not a reply: %r" % row)
            rows.append(m[3].decode("utf-8", "replace"))
            if m[2] == b" ":
                return int(m[1]), rows

    def cmd(self, line):
        """Send a line, return (code, text)."""
        if isinstance(line, str):
            line = line.encode()
        self.send(line + b"\r\n")
        code, rows = self.reply()
        return code, "\n".join(rows)

    def code(self, line):
        return self.cmd(line)[0]

    def ehlo(self, name="client.example.org"):
        """The set of extensions, upper case."""
        code, text = self.cmd("EHLO " + name)
        if code != 250:
            raise WireError("EHLO: %d %s" % (code, text))
        return {row.upper() for row in text.split("\n")[1:]}

    def starttls(self, ctx):
        code, text = self.cmd("STARTTLS")
        if code != 220:
            raise WireError("STARTTLS: %d %s" % (code, text))
        self.start_tls(ctx)

    def login(self, user, password):
        return self.cmd("AUTH PLAIN " + plain(user, password))

    def mail(self, sender, recipients, content, params=""):
        """One transaction; returns the reply to its end."""
        for line in ["MAIL FROM:<%s>%s" % (sender, params)] + [
                "RCPT TO:<%s>" % r for r in recipients]:
            code, text = self.cmd(line)
            if code != 250:
                return code, text
        code, text = self.cmd("DATA")
        if code != 354:
            return code, text
        self.send(dot_stuff(content))
        code, rows = self.reply()
        return code, "\n".join(rows)


class Imap(Wire):
    """An IMAP client: cmd() returns status, text and untagged rows."""

    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        self.tags = 0
        self.greeting = self.row()

    def row(self):
        """One response, its literals inside as {n}\\r\\n and the bytes."""
        out = self.line()
        while True:
            m = re.search(rb"\{(\d+)\}$", out)
            if not m:
                return out
            data = self.exactly(int(m[1]))
            out += b"\r\n" + data + self.line()

    def next_tag(self):
        self.tags += 1
        return b"t%d" % self.tags

    def until(self, tag):
        """Rows to the tagged one: (b"OK", text, [untagged])."""
        rows = []
        while True:
            row = self.row()
            if row.startswith(tag + b" "):
                _, status, text = (row + b" ").split(b" ", 2)
                return status, text.rstrip(), rows
            rows.append(row)

    def cmd(self, line, *literals):
        """line may hold {} for each literal, sent as synchronizing ones."""
        if isinstance(line, str):
            line = line.encode()
        tag = self.next_tag()
        parts = line.split(b"{}")
        out = tag + b" " + parts[0]
        for data, after in zip(literals, parts[1:]):
            self.send(out + b"{%d}\r\n" % len(data))
            row = self.row()
            while row.startswith(b"* "):
                row = self.row()
            if not row.startswith(b"+"):
                status, text = row.split(b" ", 2)[1:]
                return status, text, []
            self.sock.sendall(data)
            out = after
        self.send(out + b"\r\n")
        return self.until(tag)

    def ok(self, line, *literals):
        """cmd() that must succeed; its untagged rows."""
        status, text, rows = self.cmd(line, *literals)
        if status != b"OK":
            raise WireError("%r: %s %s" % (line, status, text))
        return rows

    def starttls(self, ctx):
        self.ok("STARTTLS")
        self.start_tls(ctx)

    def login(self, user, password):
        return self.ok('LOGIN "%s" "%s"' % (user, password))


class Pop3(Wire):
    """A POP3 client."""

    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        self.greeting = self.line()

    def cmd(self, line):
        """(ok, text)"""
        self.send((line if isinstance(line, bytes) else line.encode()) +
                  b"\r\n")
        return self.status()

    def status(self):
        row = self.line()
        if row.startswith(b"+OK"):
            return True, row[4:].decode("utf-8", "replace")
        if row.startswith(b"-ERR"):
            return False, row[5:].decode("utf-8", "replace")
        raise WireError("not a status: %r" % row)

    def ok(self, line):
        good, text = self.cmd(line)
        if not good:
            raise WireError("%s: %s" % (line, text))
        return text

    def lines(self):
        """A multi-line answer, unstuffed (RFC 1939 §3)."""
        out = []
        while True:
            row = self.line()
            if row == b".":
                return out
            out.append(row[1:] if row.startswith(b".") else row)

    def many(self, line):
        self.ok(line)
        return self.lines()

    def retrieve(self, number):
        return b"".join(r + b"\r\n" for r in self.many("RETR %d" % number))

    def starttls(self, ctx):
        self.ok("STLS")
        self.start_tls(ctx)

    def login(self, user, password):
        self.ok("USER " + user)
        self.ok("PASS " + password)
