"""A real name server (NSD) on a loopback port, with the zones of a test."""

import os
import random
import socket
import struct
import subprocess
import time

NSD = "/usr/sbin/nsd"


class NameServer:
    """zones: {"remote.test": ["@ MX 10 mx", "mx A 127.0.0.2"]}"""

    def __init__(self, directory, zones, host="127.0.0.1"):
        self.dir = os.path.abspath(directory)
        self.zones = zones
        self.host = host
        self.port = free_port(host)
        self.process = None

    def write(self):
        os.makedirs(self.dir, exist_ok=True)
        rows = ["server:", f"  ip-address: {self.host}@{self.port}",
                '  username: ""', '  chroot: ""',
                f'  zonesdir: "{self.dir}"', '  pidfile: ""',
                f'  database: ""', f'  zonelistfile: "{self.dir}/zone.list"',
                f'  xfrdfile: "{self.dir}/xfrd.state"',
                f'  xfrdir: "{self.dir}"', "  server-count: 1",
                "  rrl-ratelimit: 0",
                f'  logfile: "{self.dir}/nsd.log"',
                "remote-control:", "  control-enable: no"]
        for name, records in self.zones.items():
            rows += ["zone:", f'  name: "{name}"',
                     f'  zonefile: "{name}.zone"']
            with open(f"{self.dir}/{name}.zone", "w", encoding="ascii") as f:
                f.write(f"$ORIGIN {name}.\n$TTL 5\n"
                        f"@ SOA ns hostmaster 1 60 60 60 5\n@ NS ns\n"
                        f"ns A {self.host}\n" + "\n".join(records) + "\n")
        with open(f"{self.dir}/nsd.conf", "w", encoding="ascii") as f:
            f.write("\n".join(rows) + "\n")

    def start(self):
        self.write()
        self.process = subprocess.Popen(  # pylint: disable=R1732
            [NSD, "-d", "-c", f"{self.dir}/nsd.conf"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(f"{self.dir}/nsd.log", encoding="utf-8") as f:
                    raise RuntimeError("nsd did not start: " + f.read())
        return self

    def answers(self):
        """Ask for a SOA; waits up to 0.1 s."""
        zone = next(iter(self.zones))
        name = b"".join(bytes([len(x)]) + x.encode()
                        for x in zone.split(".")) + b"\0"
        ask = struct.pack(">6H", random.randrange(65536), 0, 1, 0, 0, 0) + \
            name + struct.pack(">2H", 6, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.1)
            s.connect((self.host, self.port))
            try:
                s.send(ask)
                return len(s.recv(512)) > 12
            except OSError:
                time.sleep(0.02)  # refused: not listening yet
                return False

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def config(self, *names):
        """Settings that make a testbed ask this server."""
        return "".join('dns-zone "%s" { address = {"%s@%d"} }\n' % (
            n, self.host, self.port) for n in names or self.zones)


def free_port(host):
    for _ in range(200):
        port = random.randrange(5300, 9900)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u, \
                socket.socket() as t:
            try:
                u.bind((host, port))
                t.bind((host, port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")
