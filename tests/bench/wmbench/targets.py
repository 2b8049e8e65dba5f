"""How many times less than the best peer a row is to take."""

RATIOS = {
    "idle-smtp": 200, "smtp-accept": 10, "smtp-accept-kept": 15,
    "smtp-mailbox": 10, "lmtp-mailbox": 15, "relay": 10,
    "imap-login": 2.5, "imap-login-again": 5, "imap-login-tls": 2.5,
    "fetch-meta-first": 4, "fetch-meta": 7, "fetch-flags": 3,
    "fetch-body": 2, "fetch-body-tls": 2, "fetch-random": 3,
    "store-one": 4, "store-all": 4, "search-text": 10, "search-subject": 10,
    "search-since": 10, "select-100k": 2, "select-100k-new": 4,
    "append": 3, "append-8": 4, "copy": 2.3, "expunge": 20,
    "idle-imap": 4, "idle-imap-long": 3, "pop3-login": 5, "pop3-retr": 2.5,
}
