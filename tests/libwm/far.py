"""A proxy that passes on what it gets after a while: a long way."""

import contextlib
import queue
import socket
import threading
import time

PIECE = 65536


class Far:
    """Listens at one address for another; seconds each way."""

    def __init__(self, here, there, seconds):
        self.there, self.seconds = there, seconds
        self.listener = socket.create_server(here)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):  # close() ends it
            while True:
                client, _ = self.listener.accept()
                self.connect(client)

    def connect(self, client):
        try:
            server = socket.create_connection(self.there)
        except OSError:
            client.close()
            return
        for pair in ((client, server), (server, client)):
            way = queue.Queue()
            for work, end in zip((self.take, self.give), pair):
                threading.Thread(target=work, args=(end, way),
                                 daemon=True).start()

    def take(self, source, way):
        data = True
        while data:
            try:
                data = source.recv(PIECE)
            except OSError:
                data = b""
            way.put((time.monotonic() + self.seconds, data))

    @staticmethod
    def give(sink, way):
        while True:
            due, data = way.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
