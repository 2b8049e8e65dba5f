#ifndef COMMON_IPC_MESSAGE_LIST_H
#define COMMON_IPC_MESSAGE_LIST_H

/*
 * The one list of what daemons say to each other. A frame's type number is
 * permanent. Each message names who may send it to whom, and with which
 * flags; a frame that is not on its row ends the peer's connection. So who
 * asks for one answer gets one at most, whatever has become of the peer.
 *
 * Replies carry the request number of what they answer.
 */

/* clang-format off */
#define FRONTS  (PROC_BIT(PROC_IMAPD) | PROC_BIT(PROC_POP3D))
#define USHERS  (PROC_BIT(PROC_IMAP_USHER) | PROC_BIT(PROC_POP3_USHER))
#define INTAKE  (PROC_BIT(PROC_SMTPD) | PROC_BIT(PROC_SUBMISSION))
#define AGENTS  (PROC_BIT(PROC_RELAY) | PROC_BIT(PROC_DELIVER) | PROC_BIT(PROC_BOUNCE))
#define SENDERS (INTAKE | PROC_BIT(PROC_BOUNCE))
#define ANYONE  ((1U << PROC_COUNT) - 1 - PROC_BIT(PROC_MASTER) - PROC_BIT(PROC_CLI))
#define P(x)    PROC_BIT(PROC_##x)

/* number, NAME, name, from, to, flags it may carry (messages.h) */
#define IPC_MESSAGES(X)                                                        \
	/* master to daemon: start, change, stop */                            \
	X(1,  CTL_START,    ctl_start,    P(MASTER), ANYONE, IPC_FD)           \
	X(2,  CTL_ROOT,     ctl_root,     P(MASTER), ANYONE, IPC_FD)           \
	X(3,  CTL_LISTENER, ctl_listener, P(MASTER), ANYONE, IPC_FD)           \
	X(4,  CTL_FILE,     ctl_file,     P(MASTER), ANYONE, IPC_FD)           \
	X(5,  CTL_PEER,     ctl_peer,     P(MASTER), ANYONE, IPC_FD)           \
	X(6,  CTL_GO,       ctl_go,       P(MASTER), ANYONE, 0)                \
	X(7,  CTL_STOP,     ctl_stop,     P(MASTER), ANYONE, 0)                \
	X(8,  CTL_READY,    ctl_ready,    ANYONE, P(MASTER), 0)                \
	X(9,  CTL_DRAINED,  ctl_drained,  ANYONE, P(MASTER), 0)                \
	X(10, CTL_PING,     ctl_ping,     P(MASTER), ANYONE, 0)                \
	X(11, CTL_PONG,     ctl_pong,     ANYONE, P(MASTER), 0)                \
	X(12, CTL_LOST,     ctl_lost,     ANYONE, P(MASTER), 0)                \
	/* may this client send this from here to there? */                    \
	X(20, VERDICT_ASK,  verdict_ask,  INTAKE, P(ROUTER), 0)                \
	X(21, VERDICT,      verdict,      P(ROUTER), INTAKE, IPC_REPLY)        \
	/* where does this address go? many ROUTE with IPC_MORE, one without */ \
	X(22, ROUTE_ASK,    route_ask,    P(QUEUE), P(ROUTER), 0)              \
	X(23, ROUTE,        route,        P(ROUTER), P(QUEUE), IPC_REPLY | IPC_MORE) \
	/* a mail for the queue: SUBMIT, then SUBMIT_MORE while IPC_MORE */     \
	X(30, SUBMIT,       submit,       SENDERS, P(QUEUE), IPC_MORE)         \
	X(31, SUBMIT_MORE,  submit_more,  SENDERS, P(QUEUE), IPC_MORE)         \
	X(32, SUBMITTED,    submitted,    P(QUEUE), SENDERS, IPC_REPLY)        \
	X(33, LARGE_ASK,    large_ask,    SENDERS, P(QUEUE), 0)                \
	X(34, LARGE_FILE,   large_file,   P(QUEUE), SENDERS, IPC_REPLY | IPC_FD) \
	X(35, INTAKE_STATE, intake_state, P(QUEUE), SENDERS, 0)                \
	X(36, LARGE_DROP,   large_drop,   SENDERS, P(QUEUE), 0)                \
	/* work for delivery agents */                                         \
	X(40, CREDIT,       credit,       AGENTS, P(QUEUE), 0)                 \
	X(41, WORK,         work,         P(QUEUE), AGENTS, IPC_MORE | IPC_FD) \
	X(42, WORK_MORE,    work_more,    P(QUEUE), AGENTS, IPC_MORE)          \
	X(43, RESULT,       result,       AGENTS, P(QUEUE), 0)                 \
	X(44, PEER_STATE,   peer_state,   P(RELAY), P(QUEUE), 0)               \
	/* names and addresses */                                              \
	X(50, RESOLVE_ASK,  resolve_ask,  INTAKE | P(RELAY), P(RESOLVER), 0)   \
	X(51, RESOLVED,     resolved,     P(RESOLVER), INTAKE | P(RELAY), IPC_REPLY) \
	/* who are you? */                                                     \
	X(60, AUTH_ASK,     auth_ask,     FRONTS | P(SUBMISSION), P(AUTH), 0)  \
	X(61, AUTH_ANSWER,  auth_answer,  P(AUTH), FRONTS | P(SUBMISSION), IPC_REPLY) \
	X(62, TICKET_ASK,   ticket_ask,   USHERS, P(AUTH), 0)                  \
	X(63, TICKET_WORTH, ticket_worth, P(AUTH), USHERS, IPC_REPLY)          \
	/* a ticket by which an idle session may come back */                  \
	X(64, RETURN_ASK,   return_ask,   P(IMAP_USHER), P(AUTH), 0)           \
	X(65, RETURN_TICKET, return_ticket, P(AUTH), P(IMAP_USHER), IPC_REPLY) \
	X(66, RETURN_DROP,  return_drop,  P(IMAPD), P(AUTH), 0)                \
	/* a logged-in connection for a session of its own */                  \
	X(70, SESSION_START, session_start, FRONTS, USHERS, IPC_FD)            \
	X(71, SESSION_STATE, session_state, USHERS, FRONTS, IPC_REPLY)         \
	X(72, SESSION_LINK, session_link, P(IMAP_USHER), P(IMAPD), IPC_FD)     \
	/* the administrator's command */                                      \
	X(80, ADMIN_ASK,    admin_ask,    P(CLI), P(MASTER) | P(QUEUE), 0)     \
	X(81, ADMIN_ROW,    admin_row,    P(MASTER) | P(QUEUE), P(CLI), IPC_REPLY | IPC_MORE) \
	X(82, ADMIN_DONE,   admin_done,   P(MASTER) | P(QUEUE), P(CLI), IPC_REPLY)

/* Rows of lists inside BYTES fields. */
#define IPC_RECORDS(X) X(rcpt) X(work_rcpt) X(dns_record)

/* -- control ------------------------------------------------------------- */

/* Descriptor: the configuration, a sealed memfd. may: MAY_ bits. */
#define IPC_FIELDS_ctl_start(U8, U16, U32, U64, STR, BYTES) \
	U32(instance) U32(uid) U32(gid) U32(proc) U32(may) U8(log_time)
/* Descriptor: the directory to become the root. */
#define IPC_FIELDS_ctl_root(U8, U16, U32, U64, STR, BYTES) U8(unused)
/* Descriptor: a listening socket. service: enum daemon_service. */
#define IPC_FIELDS_ctl_listener(U8, U16, U32, U64, STR, BYTES) \
	U8(service) STR(address, 128)
/*
 * Descriptor: a file this daemon alone gets, "tls-key" and the like. Without
 * one: the configuration names none, and what came before counts no more.
 */
#define IPC_FIELDS_ctl_file(U8, U16, U32, U64, STR, BYTES) STR(name, 64)
/*
 * Descriptor: our end of the pair to that process. Without one: the
 * process has ended for good.
 */
#define IPC_FIELDS_ctl_peer(U8, U16, U32, U64, STR, BYTES) \
	U32(proc) U32(instance) U32(epoch)
/* Start, or take the configuration that came since the last GO. */
#define IPC_FIELDS_ctl_go(U8, U16, U32, U64, STR, BYTES) U8(reload)
/* Finish what is under way, within this time; 0: at once. */
#define IPC_FIELDS_ctl_stop(U8, U16, U32, U64, STR, BYTES) U32(grace_ms)
/* refused: it goes on with the configuration it had before the reload. */
#define IPC_FIELDS_ctl_ready(U8, U16, U32, U64, STR, BYTES)                    \
	U8(reload) U8(refused)
#define IPC_FIELDS_ctl_drained(U8, U16, U32, U64, STR, BYTES) U8(unused)
#define IPC_FIELDS_ctl_ping(U8, U16, U32, U64, STR, BYTES) U32(number)
/* heap_kib: what it has asked malloc() for and not freed. */
#define IPC_FIELDS_ctl_pong(U8, U16, U32, U64, STR, BYTES) \
	U32(number) U32(heap_kib) STR(status, 256)

/* The pair to that process ended; if it lives, both need a new one. */
#define IPC_FIELDS_ctl_lost(U8, U16, U32, U64, STR, BYTES) \
	U32(proc) U32(instance) U32(epoch)

/* -- router -------------------------------------------------------------- */

/*
 * stage: enum ipc_stage. user: the authenticated login, empty without.
 * Addresses as the client gave them, without the angle brackets.
 */
#define IPC_FIELDS_verdict_ask(U8, U16, U32, U64, STR, BYTES) \
	U8(stage) U8(smtputf8) STR(client, 64) STR(helo, 256)   \
	STR(user, 320) STR(sender, 1024) STR(recipient, 1024)
/* code: the SMTP reply, 250 to accept. */
#define IPC_FIELDS_verdict(U8, U16, U32, U64, STR, BYTES) \
	U16(code) STR(enhanced, 16) STR(text, 480)

/* source: enum ipc_source. */
#define IPC_FIELDS_route_ask(U8, U16, U32, U64, STR, BYTES) \
	U8(source) STR(sender, 1024) STR(recipient, 1024)
/*
 * kind: enum ipc_route_kind. LOCAL: home is the mailbox's path beneath the mail
 * root, uid its owner, tag what stood behind the delimiter. RELAY: next_hop
 * "domain", "[host]" or with ":port". FAIL and DEFER: status and text say
 * why. owner: the owner-list address that becomes the sender, or empty.
 */
#define IPC_FIELDS_route(U8, U16, U32, U64, STR, BYTES)   \
	U8(kind) STR(address, 1024) STR(next_hop, 320)      \
	STR(home, 512) U32(uid) STR(tag, 256)               \
	STR(owner, 1024) STR(enhanced, 16) STR(text, 480)

/* -- queue intake -------------------------------------------------------- */

/*
 * token: 16 random bytes of the sender's; the same token again gets the
 * same answer. recipients: rcpt records. content: the first bytes; the
 * rest follows in SUBMIT_MORE with the same request number while the flag
 * IPC_MORE is set. large: the number of LARGE_FILE when the content stands
 * there (content is then empty); length and sha256 are those of the whole.
 */
#define IPC_FIELDS_submit(U8, U16, U32, U64, STR, BYTES)             \
	BYTES(token, 16) U8(source) U8(flags) STR(client, 64)          \
	STR(helo, 256) STR(user, 320) STR(sender, 1024)                \
	STR(envid, 128) U8(ret) U64(large) U64(length)                 \
	BYTES(sha256, 32) BYTES(recipients, 60000) BYTES(content, 61440)
#define IPC_FIELDS_submit_more(U8, U16, U32, U64, STR, BYTES) \
	BYTES(recipients, 60000) BYTES(content, 61440)
/* notify: IPC_NOTIFY_ bits; orcpt: "type;address" as given, or empty. */
#define IPC_FIELDS_rcpt(U8, U16, U32, U64, STR, BYTES) \
	STR(address, 1024) U8(notify) STR(orcpt, 1024)
/* code 250: durable under this id. Else why not. */
#define IPC_FIELDS_submitted(U8, U16, U32, U64, STR, BYTES) \
	U16(code) STR(id, 40) STR(enhanced, 16) STR(text, 256)
#define IPC_FIELDS_large_ask(U8, U16, U32, U64, STR, BYTES) U64(expected)
/* code 250 and a descriptor to write to, or why not. */
#define IPC_FIELDS_large_file(U8, U16, U32, U64, STR, BYTES) \
	U16(code) U64(large) STR(enhanced, 16) STR(text, 256)
/* The client went away: the file is not needed. */
#define IPC_FIELDS_large_drop(U8, U16, U32, U64, STR, BYTES) U64(large)
/*
 * Sent at start and whenever it changes. code 250: take mail; 452 …: answer
 * MAIL with this. window: bytes of SUBMITs (recipients, content) a sender
 * may have unanswered in all.
 */
#define IPC_FIELDS_intake_state(U8, U16, U32, U64, STR, BYTES) \
	U16(code) U64(window) STR(enhanced, 16) STR(text, 256)

/* -- delivery agents ----------------------------------------------------- */

/*
 * So many more WORKs may be sent to me. 0: no more, what was left is void
 * (I am leaving and finish what I have).
 */
#define IPC_FIELDS_credit(U8, U16, U32, U64, STR, BYTES) U32(jobs)
/*
 * One mail for one destination. job: unique among jobs of this channel
 * epoch. kind: enum ipc_work_kind. id: the queue id; low_water: the oldest
 * unfinished one. flags: IPC_MAIL_ and IPC_WORK_RETRY. length: bytes of
 * content, which comes inline as in SUBMIT, or, when it does not, in the
 * descriptor from offset 0 (sha256 set). arrived: wall seconds. recipients:
 * work_rcpt records.
 */
#define IPC_FIELDS_work(U8, U16, U32, U64, STR, BYTES)                \
	U64(job) U8(kind) U8(flags) STR(id, 40) STR(low_water, 40)       \
	STR(sender, 1024) STR(envid, 128) U8(ret) U64(arrived)          \
	U64(expires) STR(next_hop, 320) U64(length) BYTES(sha256, 32)   \
	BYTES(recipients, 60000) BYTES(content, 61440)
#define IPC_FIELDS_work_more(U8, U16, U32, U64, STR, BYTES) \
	BYTES(recipients, 60000) BYTES(content, 61440)
/*
 * number: of the recipient in the mail, for ever. For deliver: home, uid,
 * tag as in ROUTE. For bounce: the failure to report (action: enum
 * ipc_status; enhanced, text, remote as in RESULT; tried: wall seconds of
 * the last attempt).
 */
#define IPC_FIELDS_work_rcpt(U8, U16, U32, U64, STR, BYTES)  \
	U32(number) STR(address, 1024) STR(orcpt, 1024)        \
	U8(notify) STR(home, 512) U32(uid) STR(tag, 256)       \
	U8(action) STR(enhanced, 16) STR(text, 1024)           \
	STR(remote, 320) U64(tried)
/*
 * One recipient of a job. status: enum ipc_status. text: the remote reply
 * or our words; remote: who said it, "mx.example.net[192.0.2.1]". blame:
 * enum ipc_blame, what the scheduler should learn from it. dsn_passed: the
 * next host has taken over the reports asked for with NOTIFY (RFC 3461
 * §5.2.1): nobody here reports this success.
 */
#define IPC_FIELDS_result(U8, U16, U32, U64, STR, BYTES) \
	U64(job) U32(number) U8(status) U8(blame) U16(code) \
	STR(enhanced, 16) STR(text, 1024) STR(remote, 320) U8(dsn_passed)
/* Domains whose MX sets coincide share limits: group names the set. */
#define IPC_FIELDS_peer_state(U8, U16, U32, U64, STR, BYTES) \
	STR(next_hop, 320) STR(group, 320)

/* -- resolver ------------------------------------------------------------ */

/*
 * type: enum ipc_dns. name: may be international; for PTR an IP address, or
 * its in-addr.arpa or ip6.arpa name.
 */
#define IPC_FIELDS_resolve_ask(U8, U16, U32, U64, STR, BYTES) \
	U8(type) STR(name, 255)
/* status: enum ipc_dns_status; records: dns_record. */
#define IPC_FIELDS_resolved(U8, U16, U32, U64, STR, BYTES) \
	U8(status) U8(secure) U32(ttl) BYTES(records, 60000)
/*
 * A, AAAA: the 4 or 16 bytes. MX, PTR: a name, small letters, no last dot
 * ("." alone: null MX, RFC 7505). TXT: the joined text.
 */
#define IPC_FIELDS_dns_record(U8, U16, U32, U64, STR, BYTES) \
	U16(preference) BYTES(data, 4096)

/* -- auth ---------------------------------------------------------------- */

/* service: enum ipc_service. secret is wiped by both sides after use. */
#define IPC_FIELDS_auth_ask(U8, U16, U32, U64, STR, BYTES) \
	U32(session) U8(service) U8(tls) STR(client, 64)     \
	STR(authzid, 320) STR(user, 320) BYTES(secret, 1024)
/* status: enum ipc_auth. user: canonical. ticket: 32 bytes for the usher. */
#define IPC_FIELDS_auth_answer(U8, U16, U32, U64, STR, BYTES) \
	U32(session) U8(status) STR(user, 320) BYTES(ticket, 32)
#define IPC_FIELDS_ticket_ask(U8, U16, U32, U64, STR, BYTES) \
	U8(service) BYTES(ticket, 32)
/*
 * ok: enum ipc_worth. asleep: sessions of that uid that may come back, this
 * one left out.
 */
#define IPC_FIELDS_ticket_worth(U8, U16, U32, U64, STR, BYTES) \
	U8(ok) U32(uid) STR(user, 320) STR(home, 512) U32(asleep)
/* front: the instance that gets it; when that ends, it is worthless. */
#define IPC_FIELDS_return_ask(U8, U16, U32, U64, STR, BYTES) \
	U32(uid) STR(user, 320) STR(home, 512) U32(front)
/* Empty: there is none to be had now. */
#define IPC_FIELDS_return_ticket(U8, U16, U32, U64, STR, BYTES) \
	BYTES(ticket, 32)
/* It is not needed any more. */
#define IPC_FIELDS_return_drop(U8, U16, U32, U64, STR, BYTES) \
	BYTES(ticket, 32)

/* -- fronts and ushers --------------------------------------------------- */

/*
 * Descriptor: the client's connection, or one end of a pair when the front
 * keeps TLS. session: the front's number. tag and preread: what the client
 * had sent already (IMAP: tag of the LOGIN or AUTHENTICATE). state: of one
 * that comes back (common/login/sleep.h), as the session before left it.
 */
#define IPC_FIELDS_session_start(U8, U16, U32, U64, STR, BYTES) \
	U32(session) BYTES(ticket, 32) U8(tls) STR(client, 64)    \
	STR(tag, 256) BYTES(preread, 61440) BYTES(state, 1024)
/* state: enum ipc_session. */
#define IPC_FIELDS_session_state(U8, U16, U32, U64, STR, BYTES) \
	U32(session) U8(state) U32(pid)
/*
 * Descriptor: what the session's process has the other end of; it will say
 * there once that it sleeps (common/login/sleep.h). ticket: for its return.
 */
#define IPC_FIELDS_session_link(U8, U16, U32, U64, STR, BYTES) \
	U32(session) BYTES(ticket, 32)

/* -- administrator ------------------------------------------------------- */

/* verb: enum ipc_admin; argument: a queue id, or empty for all. */
#define IPC_FIELDS_admin_ask(U8, U16, U32, U64, STR, BYTES) \
	U8(verb) STR(argument, 1024)
/* A row as key=value lines, or raw content for show. */
#define IPC_FIELDS_admin_row(U8, U16, U32, U64, STR, BYTES) \
	BYTES(text, 61440)
#define IPC_FIELDS_admin_done(U8, U16, U32, U64, STR, BYTES) \
	U8(ok) U64(count) STR(text, 1024)
/* clang-format on */

enum ipc_stage { STAGE_MAIL = 1, STAGE_RCPT = 2, STAGE_VRFY = 3 };

/* Where a mail came in; transports say which of them they take. */
enum ipc_source {
	SOURCE_SMTP = 1,
	SOURCE_SUBMISSION = 2,
	SOURCE_LMTP = 3,
	SOURCE_LOCAL = 4,
	SOURCE_BOUNCE = 5,
};

enum ipc_route_kind {
	ROUTE_LOCAL = 1,
	ROUTE_RELAY = 2,
	ROUTE_FAIL = 3,
	ROUTE_DEFER = 4,
	ROUTE_DISCARD = 5,
};

/* Bits of SUBMIT.flags and WORK.flags. */
#define IPC_MAIL_8BIT     1U /* BODY=8BITMIME (RFC 6152) */
#define IPC_MAIL_SMTPUTF8 2U /* RFC 6531 */
#define IPC_WORK_RETRY    4U /* an earlier attempt's outcome is unknown */

/* RFC 3461 §4.1; none set: the default, failure and delay. */
#define IPC_NOTIFY_NEVER   1U
#define IPC_NOTIFY_SUCCESS 2U
#define IPC_NOTIFY_FAILURE 4U
#define IPC_NOTIFY_DELAY   8U

/* RFC 3461 §4.3. */
enum ipc_ret { RET_DEFAULT = 0, RET_FULL = 1, RET_HDRS = 2 };

enum ipc_work_kind {
	WORK_LOCAL = 1,
	WORK_RELAY = 2,
	WORK_BOUNCE_FAILURE = 3,
	WORK_BOUNCE_DELAY = 4,
	WORK_BOUNCE_SUCCESS = 5,
};

enum ipc_status { STATUS_DONE = 1, STATUS_DEFERRED = 2, STATUS_FAILED = 3 };

/* What a result says about its destination as a whole. */
enum ipc_blame {
	BLAME_NONE = 0,    /* the destination works */
	BLAME_CONNECT = 1, /* no connection or handshake: count against it */
	BLAME_POLICY = 2,  /* it asked us to slow down (421, 4.7.x) */
	BLAME_CONTENT = 3, /* none of its: the content behind the descriptor
			    * is not what length and sha256 say; the mail
			    * is held for the administrator */
	BLAME_UNSURE = 4,  /* none of its: deferred, but it may be there all
			    * the same; the next attempt is a retry */
};

enum ipc_dns {
	DNS_A = 1,
	DNS_AAAA = 2,
	DNS_MX = 3,
	DNS_PTR = 4,
	DNS_TXT = 5,
};

enum ipc_dns_status {
	DNS_OK = 0,       /* MX: no record when none of those there is fit */
	DNS_NXDOMAIN = 1, /* no such name */
	DNS_NODATA = 2,   /* the name is there, no such records */
	DNS_TEMPFAIL = 3, /* no answer, SERVFAIL, … */
	DNS_BOGUS = 4,    /* DNSSEC says it is forged */
};

enum ipc_service {
	SERVICE_SUBMISSION = 1,
	SERVICE_IMAP = 2,
	SERVICE_POP3 = 3,
};

enum ipc_auth {
	AUTH_OK = 0,
	AUTH_BAD = 1,      /* wrong user or password, said no further */
	AUTH_TEMPFAIL = 2, /* try later */
	AUTH_DENIED = 3,   /* right, but not for this service */
};

enum ipc_worth {
	WORTH_NOTHING = 0, /* no such ticket: used, expired, another's */
	WORTH_LOGIN = 1,
	WORTH_RETURN = 2, /* of a session that was asleep */
};

enum ipc_session {
	SESSION_RUNNING = 1,
	SESSION_ENDED = 2,
	SESSION_REFUSED = 3, /* no such ticket, or no process for it */
};

enum ipc_admin {
	ADMIN_STATUS = 1,
	ADMIN_RELOAD = 2,
	ADMIN_STOP = 3,
	ADMIN_QUEUE_LIST = 10,
	ADMIN_QUEUE_SHOW = 11,
	ADMIN_QUEUE_FLUSH = 12,
	ADMIN_QUEUE_HOLD = 13,
	ADMIN_QUEUE_RELEASE = 14,
	ADMIN_QUEUE_DELETE = 15,
};

#endif
