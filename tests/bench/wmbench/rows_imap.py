"""Rows: IMAP."""

import contextlib
import ssl
import time

from libwm.wire import Imap

from wmbench.bench import LOGIN, Side
from wmbench.load import Load, smtp_source
from wmbench.row import Row
from wmbench.servers import HOST, PASSWORD, YESCRYPT_USERS, user

BIG = 50        # the user with the big INBOX
HUGE = 60       # the user with the huge one
APPENDS = 65
FRESH = 70      # mail is delivered there for first-open
OTHERS = 101    # users that log in
OTHERS_COUNT = 150
SILENT_S = 3    # until a session has given back what it can
LONG_S = 30     # … and until it sleeps for good


class ImapRow(Row):
    """One script; the mailbox is there before."""

    big = True         # works in the big INBOX
    tls = False
    clients = 1
    repeats = 1        # operations of the script in a run
    each = False       # a repeat for each of count messages
    steps = ()
    before = ()
    per_message = False
    forget = False
    user_number = BIG

    def size(self, bench):
        """Messages in the big INBOX."""
        return 2000 if bench.quick else 10000

    def prepare(self, bench, server, side, count):
        if self.big:
            bench.fill(server, BIG, self.size(bench))
        if self.forget:
            bench.sessions_end(server)
            server.forget_cache(BIG)

    def words(self, bench, count):
        w = ["-c", self.clients, "-R", self.size(bench),
             "-n", count if self.each else self.repeats,
             "-m", bench.messages["kib10"]]
        for s in self.before:
            w += ["-b", s]
        for s in self.steps:
            w += ["-o", s.replace("COUNT", str(count))]
        return w

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        with bench.imap(server, *self.words(bench, count),
                        user=self.user_number, tls=self.tls) as l:
            yield lambda: self.result(l.go(), count)

    def result(self, got, count):
        if self.per_message:
            got["ops"] *= count * len(self.steps)
        return got


# With 1:* the work is that of all messages, whatever count says.
ALL = {"full": 10000, "quick": 2000, "count_part": 1, "unit": "message",
       "per_message": True, "before": ("SELECT INBOX",)}


def on_big(**more):
    return ImapRow(**{**ALL, **more})


def warm(**more):
    row = on_big(**more)
    row.before += row.steps  # once, before it counts
    return row


class LoginRow(Row):
    """A connection for each operation: log in, SELECT, log out."""

    unit = "login"
    tls = False
    users = OTHERS_COUNT
    program = "imapload"
    service = "imap"
    script = ("-b", LOGIN, "-o", "SELECT INBOX", "-a", "LOGOUT")

    def prepare(self, bench, server, side, count):
        if (server.name, "others") not in bench.filled:
            with Load("imapload", server.port["imap"], "-c", 8, "-n",
                      OTHERS_COUNT, "-U", OTHERS_COUNT, "-F", OTHERS, "-m",
                      bench.messages["small"], "-b", LOGIN, "-o",
                      "APPEND INBOX {{l}+}\r\n{m}", "-a", "LOGOUT") as l:
                l.go()
            bench.filled[server.name, "others"] = True
        self.once(server, self.users, self.users)
        if self.users == OTHERS_COUNT:
            bench.sessions_end(server)

    def settle(self, bench, server):
        """The end of a process belongs to the login that it was made for."""
        if self.users == OTHERS_COUNT:
            bench.sessions_end(server)

    def load(self, server, count, users):
        port = server.port[self.service + ("s" if self.tls else "")]
        tls = ["-t"] if self.tls else []
        return Load(self.program, port, *tls, "-c", 4, "-n", count,
                    "-F", OTHERS, "-U", users, *self.script)

    def once(self, server, count, users):
        with self.load(server, count, users) as l:
            return l.go()

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        with self.load(server, count, self.users) as l:
            yield l.go


class SlowLogin(LoginRow):
    """Every password is hashed anew."""

    def prepare(self, bench, server, side, count):
        self.once(server, 4, YESCRYPT_USERS)

    def load(self, server, count, users):
        return Load(self.program, server.port[self.service], "-c", 2, "-n",
                    count, "-F", 1, "-U", YESCRYPT_USERS, *self.script)


class Select(ImapRow):
    big = False
    user_number = HUGE

    def prepare(self, bench, server, side, count):
        bench.fill(server, HUGE, count, "small")


class SelectNew(Select):
    """By a process that has nothing of the mailbox in memory."""

    def prepare(self, bench, server, side, count):
        super().prepare(bench, server, side, count)
        bench.sessions_end(server)


class Store(ImapRow):
    """Flags that are not set yet are set."""

    def prepare(self, bench, server, side, count):
        super().prepare(bench, server, side, count)
        bench.do(server, "SELECT INBOX", "STORE 1:* -FLAGS.SILENT (\\Flagged)",
                 user=BIG)


class Copy(ImapRow):
    """Into a folder made for it."""

    def prepare(self, bench, server, side, count):
        super().prepare(bench, server, side, count)
        self.folder = "C%d" % time.monotonic_ns()
        bench.do(server, f"CREATE {self.folder}", user=BIG)

    folder = None

    def words(self, bench, count):
        return [str(w).replace("FOLDER", self.folder)
                for w in super().words(bench, count)]


class Expunge(Copy):
    """Messages that were copied into a folder made for it."""

    def prepare(self, bench, server, side, count):
        super().prepare(bench, server, side, count)
        bench.do(server, "SELECT INBOX", f"COPY 1:{count} {self.folder}",
                 user=BIG)


class FirstOpen(ImapRow):
    """SELECT after mails were delivered to a user nobody logged in as."""

    big = False
    user_number = FRESH

    def prepare(self, bench, server, side, count):
        self.user_number += 1
        server.mark()
        lmtp = server.name == "dovecot"
        smtp_source(HOST, server.port["lmtp" if lmtp else "smtp"], count,
                    [user(self.user_number)], bench.messages["source"],
                    sessions=8, keep=True, lmtp=lmtp)
        server.wait_through(count)


class IdleImap(Row):
    """Sessions of as many users in IDLE."""

    unit = "session"
    memory = True
    tls = False
    rest_s = 0  # how long they are silent before it is measured

    def prepare(self, bench, server, side, count):
        if (server.name, "idle") not in bench.filled:
            LoginRow().prepare(bench, server, side, count)
            bench.filled[server.name, "idle"] = True
        bench.sessions_end(server)
        server.renew()

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        clients = []
        tls = None
        if self.tls:
            tls = ssl.create_default_context()
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE

        def go():
            for i in range(count):
                c = Imap(HOST, server.port["imaps" if self.tls else "imap"],
                         tls=tls)
                clients.append(c)
                c.login(user(OTHERS + i), PASSWORD)
                c.ok("SELECT INBOX")
                c.send(c.next_tag() + b" IDLE\r\n")
                c.row()
            # A session gives back what it can once it is silent.
            time.sleep(SILENT_S if bench.quick else self.rest_s + SILENT_S)
            return {"ops": count, "seconds": 1}
        try:
            yield go
        finally:
            for c in clients:
                c.close()


META = "(FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)"

ROWS = [
    LoginRow(name="imap-login", full=150, quick=150, target_us=400,
             title="IMAP login, SELECT, LOGOUT; another user each time"),
    LoginRow(name="imap-login-again", full=2000, quick=500, users=8,
             target_us=200,
             title="IMAP login, SELECT, LOGOUT; the same users again"),
    LoginRow(name="imap-login-tls", full=150, quick=150, tls=True,
             target_us=800,
             title="the same over TLS 1.3; another user each time"),
    SlowLogin(name="imap-login-yescrypt", full=100, quick=20,
              sides=(Side("Wemmick", "wemmick_yescrypt"),),
              title="IMAP login, yescrypt and no cache (for information)"),
    on_big(name="fetch-meta-first", forget=True, target_us=15,
           steps=("FETCH 1:* " + META,),
           title="FETCH of flags, sizes, dates, ENVELOPE, BODYSTRUCTURE; "
                 "first time"),
    warm(name="fetch-meta", repeats=3, target_us=1.5,
           steps=("FETCH 1:* " + META,), title="the same, warm"),
    on_big(name="fetch-flags", repeats=10, target_us=0.2,
           steps=("FETCH 1:* (UID FLAGS)",), title="FETCH UID FLAGS"),
    on_big(name="fetch-body", steps=("FETCH 1:* BODY.PEEK[]",), target_us=9,
           title="FETCH BODY.PEEK[]"),
    on_big(name="fetch-body-tls", steps=("FETCH 1:* BODY.PEEK[]",), tls=True,
           target_us=25, title="the same over TLS"),
    ImapRow(name="fetch-random", full=6000, quick=2000, clients=8, each=True,
            before=("SELECT INBOX",), steps=("UID FETCH {r} BODY.PEEK[]",),
            unit="FETCH", target_us=40,
            title="UID FETCH of one random body, 8 clients"),
    Store(name="store-one", full=4000, quick=1000, each=True, unit="STORE",
          before=("SELECT INBOX",), steps=("STORE {n} +FLAGS (\\Flagged)",),
          target_us=25, title="STORE, one message by one"),
    Store(name="store-all", repeats=3, target_us=0.14, **ALL,
          steps=("STORE 1:* +FLAGS.SILENT (\\Flagged)",
                 "STORE 1:* -FLAGS.SILENT (\\Flagged)"),
          title="STORE 1:10000 silent"),
    on_big(name="search-text", steps=("SEARCH TEXT zebra",), target_us=10,
           title="SEARCH TEXT in 10 KiB messages"),
    on_big(name="search-subject-first", steps=("SEARCH SUBJECT zebra",),
           forget=True, title="SEARCH SUBJECT; first time"),
    warm(name="search-subject", steps=("SEARCH SUBJECT zebra",),
         repeats=10, target_us=0.2, title="SEARCH SUBJECT, warm"),
    on_big(name="search-since", steps=("SEARCH SINCE 1-Jan-2020",),
           repeats=10, target_us=0.1, title="SEARCH SINCE"),
    Select(name="select-100k", full=100000, quick=20000, repeats=50,
           before=("SELECT INBOX",), steps=("SELECT INBOX",), unit="SELECT",
           target_us=60, title="SELECT of 100,000 messages"),
    SelectNew(name="select-100k-new", full=100000, quick=20000,
              steps=("SELECT INBOX",), unit="SELECT", target_us=3000,
              title="SELECT of 100,000 messages, first of a session"),
    ImapRow(name="append", full=1000, quick=200, each=True, big=False,
            user_number=APPENDS, steps=("APPEND INBOX {{l}+}\r\n{m}",),
            unit="APPEND", target_us=200, title="APPEND, durable, one client"),
    ImapRow(name="append-8", full=2000, quick=400, each=True, big=False,
            clients=8, user_number=APPENDS + 1,
            steps=("APPEND INBOX {{l}+}\r\n{m}",), unit="APPEND",
            target_us=200, title="APPEND, durable, 8 clients, one mailbox"),
    Copy(name="copy", full=1000, quick=1000, unit="message",
         per_message=True, before=("SELECT INBOX",), target_us=12,
         steps=("COPY 1:COUNT FOLDER",), title="COPY of 1,000"),
    Expunge(name="expunge", full=2000, quick=1000, unit="message",
            per_message=True, target_us=1, both=True,
            before=("SELECT FOLDER",
                    "STORE 1:* +FLAGS.SILENT (\\Deleted)"),
            steps=("EXPUNGE",), title="EXPUNGE of 2,000 (to the reply)"),
    FirstOpen(name="first-open", full=10000, quick=1000, unit="message",
              per_message=True, steps=("SELECT INBOX",), target_us=30,
              most_rounds=1, compared=False,  # Dovecot has paid at delivery
              title="first open after 10,000 deliveries"),
    IdleImap(name="idle-imap", full=200, quick=100, target_us=150,
             title="memory of a session in IDLE, at 200"),
    IdleImap(name="idle-imap-long", full=200, quick=20, target_us=10,
             rest_s=LONG_S, title="the same, silent for half a minute"),
    IdleImap(name="idle-imap-long-tls", full=200, quick=20, target_us=35,
             rest_s=LONG_S, tls=True, title="the same over TLS"),
]
