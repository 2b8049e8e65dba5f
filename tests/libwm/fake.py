"""A mail server that misbehaves as a test wants it to."""

import contextlib
import socket
import socketserver
import threading


class Script:
    """What to answer: {verb: reply or callable(session, line)}.

    A reply is bytes without CRLF; None closes the connection. "connect" is
    the greeting, "end" the reply to the end of DATA.
    """

    DEFAULT = {"connect": b"220 fake ESMTP", "EHLO": b"250 fake",
               "HELO": b"250 fake", "MAIL": b"250 ok", "RCPT": b"250 ok",
               "DATA": b"354 go", "end": b"250 2.0.0 taken", "RSET": b"250 ok",
               "NOOP": b"250 ok", "QUIT": b"221 bye"}

    def __init__(self, **changes):
        self.table = {**self.DEFAULT, **changes}


class Session(socketserver.StreamRequestHandler):
    """One client."""

    def say(self, reply):
        """Send a reply; False when the connection should end."""
        if reply is None:
            return False
        self.wfile.write(reply + b"\r\n")
        return True

    def answer(self, verb, line=b""):
        reply = self.server.script.table.get(verb, b"500 what?")
        if callable(reply):
            reply = reply(self, line)
        return self.say(reply)

    def handle(self):
        self.server.count("connect")
        with self.server.lock:
            self.server.live.add(self.connection)
        try:
            if self.answer("connect"):
                while self.command():
                    pass
        except OSError:
            pass  # it went away

    def command(self):
        line = self.rfile.readline()
        if not line:
            return False
        verb = line.split(b" ")[0].strip().upper().decode("ascii", "replace")
        self.server.note(verb, line)
        if not self.answer(verb, line):
            return False
        if verb == "DATA" and self.server.accepts_data():
            return self.content()
        return verb != "QUIT"

    def content(self):
        rows = []
        while True:
            line = self.rfile.readline()
            if not line:
                return False
            if line == b".\r\n":
                break
            rows.append(line[1:] if line.startswith(b".") else line)
        if self.server.takes_mail():
            self.server.take(b"".join(rows))
        return self.answer("end")


class FakeServer(socketserver.ThreadingTCPServer):
    """Serves in threads until stop(); remembers what it saw."""

    allow_reuse_address = True
    request_queue_size = 100
    daemon_threads = True
    block_on_close = False

    def __init__(self, host, port=0, script=None, family=socket.AF_INET,
                 session=Session):
        self.address_family = family
        self.script = script or Script()
        self.lock = threading.Condition()
        self.lines = []
        self.mails = []
        self.connections = 0
        self.live = set()
        super().__init__((host, port), session)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def count(self, _):
        with self.lock:
            self.connections += 1
            self.lock.notify_all()

    def note(self, verb, line):
        with self.lock:
            self.lines.append((verb, line))
            self.lock.notify_all()

    def take(self, content):
        with self.lock:
            self.mails.append(content)
            self.lock.notify_all()

    def takes_mail(self):
        """Is the end of data going to be answered with 2xx?"""
        reply = self.script.table["end"]
        return callable(reply) or (reply or b"").startswith(b"2")

    def accepts_data(self):
        reply = self.script.table["DATA"]
        return isinstance(reply, bytes) and reply.startswith(b"354")

    def wait(self, predicate, seconds=30):
        """Wait until predicate(self); raises when it does not come true."""
        with self.lock:
            if not self.lock.wait_for(lambda: predicate(self), seconds):
                raise TimeoutError("fake server saw: %r" % self.lines[-20:])

    def handle_error(self, request, client_address):
        pass  # the suite's side of the story is the one that matters

    def shutdown_request(self, request):
        with self.lock:
            self.live.discard(request)
        super().shutdown_request(request)

    def stop(self):
        """No more connections, and an end to those a client keeps."""
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.live:
                with contextlib.suppress(OSError):  # it may be closing
                    connection.shutdown(socket.SHUT_RDWR)
