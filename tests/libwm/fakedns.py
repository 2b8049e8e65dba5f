"""A name server that answers as badly as a test wants it to."""

import socket
import struct
import threading
import time

A, NS, SOA, MX = 1, 2, 6, 15
SERVFAIL, REFUSED = 2, 5
SLOW_S = 1


def name(text):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in text.split(".")) + b"\0"


class FakeDns:
    """modes: {zone: "good", "timeout", "servfail", "refused", "truncated",
    "garbage", "lame", "slow", "tcp"}; the mail host of each zone is `address`."""

    def __init__(self, host, address, modes):
        self.address = address
        self.modes = modes
        self.asked = []
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.host, self.port = self.sock.getsockname()
        self.listener = socket.create_server((host, self.port))
        threading.Thread(target=self.run, daemon=True).start()
        threading.Thread(target=self.serve_tcp, daemon=True).start()

    def serve_tcp(self):
        """Whoever asks for a "tcp" zone gets its answer here."""
        while True:
            try:
                c = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.one_tcp, args=(c,),
                             daemon=True).start()

    def one_tcp(self, c):
        with c, c.makefile("rb") as f:
            head = f.read(2)
            while len(head) == 2:
                ask = f.read(struct.unpack(">H", head)[0])
                asked, kind, question = self.question(ask)
                zone = self.zone_of(asked)
                if self.modes.get(zone) != "tcp":
                    return  # closed without an answer
                reply = self.reply(ask, question, zone, asked, kind, "good")
                c.sendall(struct.pack(">H", len(reply)) + reply)
                head = f.read(2)

    def zone_of(self, asked):
        return next((z for z in self.modes
                     if asked == z or asked.endswith("." + z)), None)

    def run(self):
        while True:
            try:
                ask, peer = self.sock.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self.one, args=(ask, peer),
                             daemon=True).start()

    def stop(self):
        self.sock.close()
        self.listener.close()

    def config(self):
        return "".join('dns-zone "%s" { address = {"%s@%d"} }\n' % (
            zone, self.host, self.port) for zone in self.modes)

    @staticmethod
    def question(ask):
        labels, at = [], 12
        while ask[at]:
            labels.append(ask[at + 1:at + 1 + ask[at]].decode().lower())
            at += 1 + ask[at]
        return ".".join(labels), struct.unpack(">H", ask[at + 1:at + 3])[0], \
            ask[12:at + 5]

    def one(self, ask, peer):
        asked, kind, question = self.question(ask)
        zone = self.zone_of(asked)
        mode = self.modes.get(zone, "refused")
        self.asked.append((asked, kind, mode))
        if mode == "timeout":
            return
        if mode == "slow":
            time.sleep(SLOW_S)
        try:
            self.sock.sendto(self.reply(ask, question, zone, asked, kind,
                                        mode), peer)
        except OSError:
            pass  # it was stopped

    def reply(self, ask, question, zone, asked, kind, mode):
        if mode == "garbage":
            return ask[:2] + b"\x84\x00\0\1\0\5\0\0\0\0" + question + \
                b"\xc0\xff" * 20
        flags, rows = 0x8400, b""
        if mode == "servfail":
            flags |= SERVFAIL
        elif mode == "refused":
            flags |= REFUSED
        elif mode in ("truncated", "tcp"):
            flags |= 0x0200
        elif mode == "lame":  # it sends one away to itself
            flags = 0x8000
            return ask[:2] + struct.pack(">5H", flags, 1, 0, 1, 0) + \
                question + self.row(zone, NS, name("ns." + zone))
        elif kind == MX:
            rows = self.row(asked, MX, b"\0\x0a" + name("mx." + zone))
        elif kind == A:
            rows = self.row(asked, A, socket.inet_aton(self.address))
        return ask[:2] + struct.pack(
            ">5H", flags, 1, 1 if rows else 0, 0, 0) + question + rows

    @staticmethod
    def row(owner, kind, data):
        return name(owner) + struct.pack(">2HIH", kind, 1, 2, len(data)) + \
            data
