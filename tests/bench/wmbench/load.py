"""The load generators, and what they say."""

import json
import os
import subprocess
import time

from libwm import paths

SINK = "/usr/sbin/smtp-sink"
SOURCE = "/usr/sbin/smtp-source"


class BenchError(Exception):
    """Something did not happen as a measurement needs it."""


def program(name):
    return os.path.join(paths.build_dir(), "bench", name)


class Load:
    """imapload or pop3load with its two gates.

    with Load("imapload", server, "-k", …) as l:   # logged in, waiting
        l.go()                                     # the work; its report
    """

    def __init__(self, name, port, *words):
        self.words = [program(name), "-p", str(port), *map(str, words)]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.expect("ready")
        return self

    def expect(self, what=None):
        line = self.process.stdout.readline().rstrip("\n")
        if not line or (what is not None and line != what):
            self.process.kill()
            raise BenchError("%s: %s%s" % (
                " ".join(self.words), line,
                self.process.communicate()[1].strip()))
        return line

    def say(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def go(self):
        self.say()
        return json.loads(self.expect())

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
            self.process.communicate()
            return
        self.say()
        error = self.process.communicate()[1]
        if self.process.returncode != 0:
            raise BenchError("%s: %s" % (" ".join(self.words), error.strip()))


def smtp_source(host, port, mails, recipients, message, sessions=20,
                keep=False, lmtp=False):
    """Send so many mails to the recipients, in turn one process each.

    Returns the seconds that sending took.
    """
    n = len(recipients)
    share = [mails // n + (i < mails % n) for i in range(n)]
    words = ["-s", str(max(1, sessions // n)), "-F", message,
             "-f", "sender@example.org", "-M", "client.example.org"]
    words += ["-d"] if keep else []
    words += ["-L"] if lmtp else []
    began = time.monotonic()
    running = [subprocess.Popen(
        [SOURCE, *words, "-m", str(k), "-t", r, f"{host}:{port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
        for r, k in zip(recipients, share) if k]
    failed = [p.communicate()[1].strip() for p in running]
    spent = time.monotonic() - began
    if any(p.returncode for p in running):
        raise BenchError("smtp-source: " + "; ".join(filter(None, failed)))
    return spent


class Sink:
    """smtp-sink: takes mail and forgets it."""

    def __init__(self, host, port):
        self.process = subprocess.Popen(
            [SINK, "-u", "nobody", f"{host}:{port}", "1000"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


# -- content ------------------------------------------------------------------

WORDS = ("convict marsh forge gate lawyer clerk castle drawbridge harbour tide "
         "letter candle garden window supper fortune guardian journey river "
         "morning shadow winter bridge counting house kettle chapel").split()


def text_lines(size, seed=7):
    """size bytes of words in lines of about 72."""
    rows, row, total = [], "", 0
    state = seed
    while total < size:
        state = (state * 1103515245 + 12345) % 2 ** 31
        row += WORDS[(state >> 8) % len(WORDS)] + " "
        if len(row) > 64:
            rows.append(row.rstrip())
            total += len(rows[-1]) + 2
            row = ""
    return rows


def message(size):
    """A mail with the fields real ones have; @@@@@@@@ is its number."""
    head = [
        "Return-Path: <sender@example.org>",
        "Received: from relay.example.net (relay.example.net [192.0.2.25])",
        "\tby mx.example.org with ESMTPS id 4f2a@@@@@@@@",
        "\tfor <pip@example.test>; Mon, 23 Nov 2026 09:00:01 +0000",
        "Received: from client.example.net (client.example.net [192.0.2.7])",
        "\tby relay.example.net with ESMTPSA id 77aa@@@@@@@@;",
        "\tMon, 23 Nov 2026 09:00:00 +0000",
        "From: Joe Gargery <joe@forge.example.org>",
        "To: Pip <pip@example.test>, Estella <estella@example.test>",
        "Cc: Biddy <biddy@example.org>",
        "Subject: About the matter of number @@@@@@@@",
        "Date: Mon, 23 Nov 2026 09:00:00 +0000",
        "Message-ID: <@@@@@@@@.bench@forge.example.org>",
        "In-Reply-To: <earlier.bench@forge.example.org>",
        "User-Agent: Bench/1.0",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 7bit",
        ""]
    room = size - sum(len(r) + 2 for r in head)
    return head + (text_lines(room) if room > 0 else ["Short."])


def write_messages(directory):
    """{name: path}: kib10 with CRLF, small, and source for smtp-source."""
    found = {}
    for name, size, end in (("kib10", 10240, "\r\n"), ("small", 0, "\r\n"),
                            ("source", 10240, "\n")):
        found[name] = os.path.join(directory, name + ".eml")
        with open(found[name], "w", encoding="ascii", newline="") as f:
            f.write(end.join(message(size)) + end)
    return found
