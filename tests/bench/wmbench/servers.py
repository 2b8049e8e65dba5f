"""The three servers, each in a directory and a control group of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from libwm import procs
from libwm.follow import until
from libwm.testbed import Testbed, free_port_base, wait_gone

from wmbench.gauge import Group
from wmbench.load import BenchError, program

HOST = "127.0.0.1"
USERS = 320
YESCRYPT_USERS = 4
PASSWORD = "pw"
DOMAIN = "example.test"
DISCARD, RELAY, LMTP, HOLD = ("discard.test", "relay.test", "lmtp.test",
                              "hold.test")
PEER_UID = 5000  # owns the peers' mail; needs no entry in passwd


def user(i):
    return f"u{i}@{DOMAIN}"


class Server:
    """What rows need of a server."""

    name = None
    bed = None       # a testbed
    done_marks = ()  # in the log, one of them for each mail that is through

    def __init__(self, directory, ports):
        self.dir = os.path.join(directory, self.name)
        os.makedirs(self.dir)
        os.chmod(self.dir, 0o755)
        self.port = ports
        self.group = Group(self.name)
        self.log = os.path.join(self.dir, "log")
        self.offset = 0
        self.pid = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def mark(self):
        """From here on mails are counted."""
        self.offset = os.path.getsize(self.log)

    def wait_through(self, count, seconds=120):
        """Wait until so many mails are through since mark()."""
        end = time.monotonic() + seconds
        seen = 0
        rest = b""
        with open(self.log, "rb") as f:
            f.seek(self.offset)
            while seen < count:
                more = f.read()
                rows, newline, rest = (rest + more).rpartition(b"\n")
                rows += newline
                seen += sum(rows.count(m) for m in self.done_marks)
                if not more:
                    if time.monotonic() > end:
                        raise BenchError("%s: %d of %d mails are through" % (
                            self.name, seen, count))
                    time.sleep(0.02)

    def run(self, *words):
        """A command of the server's, in its group."""
        # Not a pipe: what it leaves running would keep that open.
        with tempfile.TemporaryFile("w+") as noise:
            done = subprocess.run([*self.group.wrap(), *words], check=False,
                                  stdin=subprocess.DEVNULL, stdout=noise,
                                  stderr=noise)
            noise.seek(0)
            if done.returncode != 0:
                raise BenchError("%s: exit %d: %s" % (
                    " ".join(words), done.returncode, noise.read()))

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)

    def wait_up(self, pid_file, seconds=30):
        """Wait until it listens everywhere; pid_file has its pid."""
        until(lambda: all(listens(p) for p in self.port.values()),
              self.name + " to listen", seconds)
        until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file),
              pid_file, seconds)
        with open(pid_file, encoding="ascii") as f:
            self.pid = int(f.read())
        self.group.add_root(self.pid)

    def renew(self):
        """Let go of processes that only wait to be used again."""

    def stop(self):
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
                wait_gone(self.pid, 30)
        self.group.remove()


def listens(port):
    """Does somebody accept connections there?"""
    try:
        socket.create_connection((HOST, port), timeout=5).close()
        return True
    except OSError:
        return False


class Wemmick(Server):
    """The suite of tests/testbed, privileges separated as in production."""

    name = "wemmick"
    users = USERS
    done_marks = (b"event=delivered ", b"event=discarded ",
                  b"event=relayed ")

    CONFIG = """
client-connections-limit = 100000
connections-limit = 100000
user-sessions-limit = 10000
relay-domains = {"%(discard)s", "%(relay)s"}
transport-maps = {"inline:{ %(discard)s=discard:, \
%(relay)s=relay:[127.0.0.1]:%(sink)d }"}
relay-ports = {"%(sink)d"}
%(more)s
"""

    def __init__(self, directory, sink_port, more=""):
        super().__init__(directory, {})
        self.bed = Testbed(self.path("suite"))
        self.sink_port = sink_port
        self.more = more
        self.log = self.bed.log

    def start(self):
        self.bed.prepare(cleartext=True, users=self.users, config=self.CONFIG % {
            "discard": DISCARD, "relay": RELAY, "sink": self.sink_port,
            "more": self.more})
        pid = self.bed.start(wrap=self.group.wrap())
        self.group.add_root(pid)
        for service in ("smtp", "imap", "imaps", "pop3", "pop3s"):
            self.port[service] = self.bed.port(service)
        self.cert = self.bed.path("cert.pem"), self.bed.path("key.pem")

    def home(self, i):
        return self.bed.path("state", "mail", DOMAIN, f"u{i}")

    def forget_cache(self, i):
        """Parsed answers are rendered anew; no session may be open."""
        remove_files(self.home(i), lambda n: n.startswith("cache"))

    def stop(self):
        with contextlib.suppress(Exception):
            self.bed.down()
        super().stop()


class WemmickDeferred(Wemmick):
    """A suite of its own, to be stopped and started with a full spool."""

    name = "wemmick-deferred"
    SECONDS = 600

    def __init__(self, directory, sink_port, more=""):
        super().__init__(directory, sink_port, more)
        self.held = 0

    def halt(self):
        self.bed.down()

    def begin(self):
        """Start it again and wait until all mails are known."""
        at = self.bed.log_size()
        self.group.add_root(self.bed.start(wrap=self.group.wrap()))
        until(lambda: "event=recovered" in self.bed.log_text(at),
              "the queue", self.SECONDS)

    def fill(self, count):
        """So many deferred mails, made while it is down."""
        if count > self.held:
            subprocess.run(
                [program("spoolfill"), self.bed.path(
                    "state", "spool", "deferred"), str(count - self.held)],
                check=True, stdin=subprocess.DEVNULL)
            os.sync()
            self.held = count

    def wait_read(self):
        """Each is read once in the background, to learn when it is due."""
        self.group.quiet(self.SECONDS, step=0.5)


class WemmickYescrypt(Wemmick):
    """Passwords are hashed as they should be, and nothing is remembered."""

    name = "wemmick_yescrypt"
    users = YESCRYPT_USERS

    def __init__(self, directory, sink_port, more=""):
        super().__init__(directory, sink_port,
                         more + "auth-cache-time = 0\n")

    def start(self):
        super().start()
        for i in range(1, YESCRYPT_USERS + 1):
            self.bed.wemmick("user", "passwd", "--stdin", user(i),
                             stdin=PASSWORD + "\n")


def remove_files(top, wanted):
    for where, _, names in os.walk(top):
        for n in names:
            if wanted(n):
                os.unlink(os.path.join(where, n))


POSTFIX_MAIN = """
compatibility_level = 3.6
myhostname = mail.%(domain)s
mydomain = %(domain)s
mydestination =
inet_interfaces = %(host)s
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
queue_directory = %(dir)s/queue
data_directory = %(dir)s/data
maillog_file = %(log)s
maillog_file_prefixes = %(dir)s
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = %(discard)s %(relay)s %(lmtp)s %(hold)s
transport_maps = hash:%(dir)s/transport
virtual_mailbox_domains = %(domain)s
virtual_mailbox_maps = hash:%(dir)s/mailboxes
virtual_mailbox_base = %(dir)s/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(uid)d
virtual_transport = virtual
smtpd_recipient_restrictions = check_recipient_access
    inline:{ %(hold)s=HOLD }, reject_unauth_destination
smtpd_relay_restrictions =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtputf8_enable = no
enable_long_queue_ids = yes
local_header_rewrite_clients =
default_process_limit = 300
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_timeout = 600s
in_flow_delay = 0
max_use = 100000
max_idle = 600s
qmgr_message_active_limit = 200000
qmgr_message_recipient_limit = 200000
initial_destination_concurrency = 20
default_destination_concurrency_limit = 20
smtpd_junk_command_limit = 100000
message_size_limit = 52428800
biff = no
"""

POSTFIX_MASTER = """
%(host)s:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    """Debian's Postfix, tuned: no DNS, no rate limits, processes reused."""

    name = "postfix"
    done_marks = (b" status=sent ",)

    def __init__(self, directory, sink_port, lmtp_port):
        super().__init__(directory, {"smtp": free_port_base(HOST)})
        self.sink_port, self.lmtp_port = sink_port, lmtp_port

    def start(self):
        for d in ("etc", "queue", "data", "mail"):
            os.makedirs(self.path(d))
        shutil.chown(self.path("data"), "postfix")
        os.chown(self.path("mail"), PEER_UID, PEER_UID)
        names = {"host": HOST, "dir": self.dir, "log": self.log,
                 "domain": DOMAIN, "discard": DISCARD, "relay": RELAY,
                 "lmtp": LMTP, "hold": HOLD, "uid": PEER_UID,
                 "port": self.port["smtp"]}
        self.write("etc/main.cf", POSTFIX_MAIN % names)
        self.write("etc/master.cf", POSTFIX_MASTER % names)
        self.write("transport", "%s discard:\n%s smtp:[%s]:%d\n"
                   "%s lmtp:inet:%s:%d\n" % (
                       DISCARD, RELAY, HOST, self.sink_port, LMTP, HOST,
                       self.lmtp_port))
        self.write("mailboxes", "".join(
            f"{user(i)} u{i}/\n" for i in range(1, USERS + 1)))
        for name in ("transport", "mailboxes"):
            self.run("postmap", "-c", self.path("etc"),
                     "hash:" + self.path(name))
        self.run("postfix", "-c", self.path("etc"), "start")
        self.wait_up(self.path("queue/pid/master.pid"))


DOVECOT = """
base_dir = %(dir)s/run
state_dir = %(dir)s/state
instance_name = wemmick-bench-%(port)d
log_path = %(log)s
protocols = imap pop3 lmtp
listen = %(host)s
ssl = yes
ssl_cert = <%(cert)s
ssl_key = <%(key)s
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 16 M
auth_cache_ttl = 1 hour
auth_cache_verify_password_with_worker = no
first_valid_uid = %(uid)d
mail_uid = %(uid)d
mail_gid = %(uid)d
mail_location = %(format)s:~/mail
mail_max_userip_connections = 100000
default_client_limit = 20000
default_process_limit = 2000
default_vsz_limit = 2 G
lmtp_save_to_detail_mailbox = no
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%%n %(dir)s/users
}
userdb {
  driver = static
  args = home=%(dir)s/home/%%n allow_all_users=no
}
namespace inbox {
  inbox = yes
}
service anvil {
  client_limit = 20000
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = %(imaps)d
    ssl = yes
  }
}
service pop3-login {
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {
    port = %(pop3)d
  }
  inet_listener pop3s {
    port = %(pop3s)d
    ssl = yes
  }
}
service imap {
  service_count = 0
  process_min_avail = 2
}
service pop3 {
  service_count = 0
  process_min_avail = 2
}
service lmtp {
  service_count = 0
  process_min_avail = 2
  inet_listener lmtp {
    address = %(host)s
    port = %(lmtp)d
  }
}
"""


class Dovecot(Server):
    """Debian's Dovecot: login and mail processes reused, auth cache."""

    name = "dovecot"
    done_marks = (b": saved mail to INBOX",)

    def __init__(self, directory, cert, mail_format="sdbox"):
        base = free_port_base(HOST, 5)
        names = ("imap", "imaps", "pop3", "pop3s", "lmtp")
        super().__init__(directory,
                         {n: base + i for i, n in enumerate(names)})
        self.cert = cert
        self.format = mail_format

    def start(self):
        for d in ("run", "state", "home"):
            os.makedirs(self.path(d))
        os.chown(self.path("home"), PEER_UID, PEER_UID)
        self.write("users", "".join(
            f"u{i}:{{PLAIN}}{PASSWORD}\n" for i in range(1, USERS + 1)))
        self.write("dovecot.conf", DOVECOT % {
            **self.port, "port": self.port["imap"], "host": HOST,
            "dir": self.dir, "log": self.log, "uid": PEER_UID,
            "cert": self.cert[0], "key": self.cert[1],
            "format": self.format})
        self.run("dovecot", "-c", self.path("dovecot.conf"))
        self.wait_up(self.path("run/master.pid"))

    def home(self, i):
        return self.path("home", f"u{i}")

    def forget_cache(self, i):
        remove_files(self.home(i), lambda n: n == "dovecot.index.cache")

    def renew(self):
        self.run("doveadm", "-c", self.path("dovecot.conf"), "reload")
        until(lambda: not any("dovecot/imap" in procs.command(p)
                              for p in self.group.pids()),
              "Dovecot's mail processes to end", 30, step=0.2)


def describe(server):
    return [(p, procs.command(p)) for p in server.group.pids()]
