#include "master/services.h"

#include "common/base/attr.h"

#define L(x) LISTEN_BIT(LISTEN_##x)

/* clang-format off */
static const struct service services[] = {
	/* proc             program       user            root         cpus   sess.  may                                listeners                         files           phase */
	{ PROC_QUEUE,       "queue",      "wm-queue",     ROOT_SPOOL,  false, false, MAY_READ | MAY_WRITE | MAY_THREAD, L(CONTROL),                       0,              2 },
	{ PROC_ROUTER,      "router",     "wm-router",    ROOT_TABLES, false, false, MAY_READ,                          0,                                0,              2 },
	{ PROC_RESOLVER,    "resolver",   "wm-resolver",  ROOT_EMPTY,  false, false, MAY_CONNECT | MAY_DATAGRAM,        0,                                FILE_ANCHOR,    2 },
	{ PROC_AUTH,        "auth",       "wm-auth",      ROOT_AUTH,   false, false, MAY_READ | MAY_THREAD,             0,                                0,              2 },
	{ PROC_DELIVER,     "deliver",    "wm-deliver",   ROOT_MAIL,   false, false, MAY_READ | MAY_WRITE | MAY_THREAD, 0,                                0,              1 },
	{ PROC_BOUNCE,      "bounce",     "wm-bounce",    ROOT_EMPTY,  false, false, 0,                                 0,                                0,              1 },
	{ PROC_RELAY,       "relay",      "wm-relay",     ROOT_EMPTY,  true,  true,  MAY_CONNECT,                       0,                                FILE_RELAY_PW,  1 },
	{ PROC_IMAP_USHER,  "imap-usher", "wm-imapd",     ROOT_MAIL,   false, false, MAY_READ | MAY_WRITE | MAY_FORK,   0,                                FILE_ALIVE,     1 },
	{ PROC_POP3_USHER,  "pop3-usher", "wm-pop3d",     ROOT_MAIL,   false, false, MAY_READ | MAY_WRITE | MAY_FORK,   0,                                FILE_ALIVE,     1 },
	{ PROC_SMTPD,       "smtpd",      "wm-smtpd",     ROOT_EMPTY,  true,  true,  0,                                 L(SMTP),                          FILE_TLS,       0 },
	{ PROC_SUBMISSION,  "smtpd",      "wm-submit",    ROOT_EMPTY,  true,  true,  0,                                 L(SUBMISSION) | L(SUBMISSIONS),   FILE_TLS,       0 },
	{ PROC_IMAPD,       "imapd",      "wm-imapd",     ROOT_EMPTY,  true,  true,  MAY_PAIR,                          L(IMAP) | L(IMAPS),               FILE_TLS,       0 },
	{ PROC_POP3D,       "pop3d",      "wm-pop3d",     ROOT_EMPTY,  true,  true,  MAY_PAIR,                          L(POP3) | L(POP3S),               FILE_TLS,       0 },
};

static const struct {
	enum proc a;
	enum proc b;
} pairs[] = {
	{ PROC_SMTPD,      PROC_ROUTER },
	{ PROC_SMTPD,      PROC_QUEUE },
	{ PROC_SMTPD,      PROC_RESOLVER },
	{ PROC_SUBMISSION, PROC_ROUTER },
	{ PROC_SUBMISSION, PROC_QUEUE },
	{ PROC_SUBMISSION, PROC_RESOLVER },
	{ PROC_SUBMISSION, PROC_AUTH },
	{ PROC_QUEUE,      PROC_ROUTER },
	{ PROC_QUEUE,      PROC_DELIVER },
	{ PROC_QUEUE,      PROC_RELAY },
	{ PROC_QUEUE,      PROC_BOUNCE },
	{ PROC_RELAY,      PROC_RESOLVER },
	{ PROC_IMAPD,      PROC_AUTH },
	{ PROC_IMAPD,      PROC_IMAP_USHER },
	{ PROC_IMAP_USHER, PROC_AUTH },
	{ PROC_POP3D,      PROC_AUTH },
	{ PROC_POP3D,      PROC_POP3_USHER },
	{ PROC_POP3_USHER, PROC_AUTH },
};
/* clang-format on */

const struct service *
service_at(size_t i)
{
	return i < ARRAY_LEN(services) ? &services[i] : NULL;
}

bool
service_may_talk(enum proc a, enum proc b)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if ((pairs[i].a == a && pairs[i].b == b) ||
		    (pairs[i].a == b && pairs[i].b == a))
			return true;
	return false;
}
