/*
 * Out of turn: raw frames on the descriptors of a daemon's own channels,
 * past the code that would not send them. Where the other side ends the
 * channel, master makes a new one, and the next attempt goes there.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/frame.h"
#include "tests/attack/attack.h"

#define CHANNELS    256
#define FDS_AT_ONCE 250
#define LOOK_US     20000
#define QUIET_MS    120   /* no end of the channel so long: it was borne */
#define END_MS      60000 /* what must end it is not borne, only slow */
#define FLOOD_MS    300

static struct {
	struct ipc_chan *chan;
	int fd;
} channels[CHANNELS];

/* One peer under attack. */
struct talk {
	struct daemon *d;
	enum proc peer;
	uint32_t instance;
	struct event *again;
	unsigned step;
	unsigned sent;
	uint32_t epoch; /* of the channel that got the last one; 0: none did */
	bool must_end;  /* that is what comes of it */
	int64_t since_ms;
};

void
talk_channel(struct ipc_chan *c, int fd)
{
	static size_t next;

	for (size_t i = 0; i < CHANNELS; i++)
		if (channels[i].fd == fd) {
			channels[i].chan = c;
			return;
		}
	channels[next].chan = c;
	channels[next].fd = fd;
	next = (next + 1) % CHANNELS;
}

static int
fd_of(const struct ipc_chan *c)
{
	for (size_t i = 0; c != NULL && i < CHANNELS; i++)
		if (channels[i].chan == c)
			return channels[i].fd;
	return -1;
}

/* -- frames --------------------------------------------------------------- */

struct raw {
	uint32_t length; /* as the header says */
	uint16_t type;
	uint16_t flags;
	uint32_t request;
	const char *payload;
	size_t payload_len;
	unsigned fds;
};

static int
send_raw(int fd, const struct raw *r)
{
	static char frame[FRAME_HEADER + 2 * IPC_MAX_PAYLOAD];
	static union {
		char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { frame, FRAME_HEADER + r->payload_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	wire_set_u32(frame, r->length);
	wire_set_u16(frame + 4, r->type);
	wire_set_u16(frame + 6, r->flags);
	wire_set_u32(frame + 8, r->request);
	if (r->payload_len > 0)
		memcpy(frame + FRAME_HEADER, r->payload, r->payload_len);
	if (r->fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(r->fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(r->fds * sizeof(int));
		for (unsigned i = 0; i < r->fds; i++)
			memcpy(
			    CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 ? -1 : 0;
}

static int
send_plain(int fd, uint16_t type, uint16_t flags, uint32_t request, size_t len)
{
	static char noise[2 * IPC_MAX_PAYLOAD];
	uint32_t seed = type * 2654435761U + (uint32_t)len;
	const struct raw r = { (uint32_t)len, type, flags, request, noise, len,
		0 };

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245U + 12345U;
		noise[i] = (char)(seed >> 16);
	}
	return send_raw(fd, &r);
}

/* -- what is said --------------------------------------------------------- */

/* A frame that cannot be right, whoever sends it. */
static int
send_malformed(int fd, unsigned which, uint16_t type)
{
	const struct raw frames[] = {
		{ .length = ~0U, .type = type },
		{ .length = IPC_MAX_PAYLOAD + 1, .type = type },
		{ .type = 0 },
		{ .type = 999 },
		{ .type = type, .flags = 0x8000 },
		{ .type = type, .flags = IPC_FD },
		{ .type = type, .flags = IPC_FD, .fds = 1 },
		{ .type = 999, .fds = FDS_AT_ONCE },
	};

	return send_raw(fd, &frames[which]);
}
#define MALFORMED 8U

/* A message that is allowed, with content that is not. */
static int
send_nonsense(int fd, unsigned which, const struct ipc_rule *r)
{
	uint16_t reply = (uint16_t)(r->flags & IPC_REPLY);
	uint16_t more = (uint16_t)(r->flags & IPC_MORE);

	switch (which) {
	case 0:
		return send_plain(fd, r->type, 0, 1, 0);
	case 1:
		return send_plain(fd, r->type, reply, ~0U, 1);
	case 2:
		return send_plain(fd, r->type, more, 0, 61);
	case 3:
		return send_plain(fd, r->type, 0, 7, r->max);
	case 4:
		return send_plain(fd, r->type, reply, 1, r->max);
	default:
		return send_plain(fd, r->type, 0, 7, (size_t)r->max + 1);
	}
}
#define NONSENSE 6U

static bool
may_send(const struct daemon *d, enum proc peer, const struct ipc_rule *r)
{
	return (r->from & PROC_BIT(d->proc)) != 0 &&
	       (r->to & PROC_BIT(peer)) != 0;
}

/* The allowed message that malformed frames pretend to be. */
static const struct ipc_rule *
some_allowed(const struct daemon *d, enum proc peer)
{
	const struct ipc_rule *r;

	for (size_t i = 0; (r = ipc_rule_at(i)) != NULL; i++)
		if (may_send(d, peer, r) && (r->flags & IPC_FD) == 0)
			return r;
	return ipc_rule_at(0);
}

/*
 * Attempt number step on fd. 1 after the last one, 0, or -1: nothing sent.
 * First what is not its to say, each on a channel of its own: behind
 * anything else it might not be read any more.
 */
static int
send_step(struct talk *t, int fd)
{
	const struct ipc_rule *r;
	unsigned step = t->step;

	t->must_end = true;
	for (size_t i = 0; (r = ipc_rule_at(i)) != NULL; i++)
		if (!may_send(t->d, t->peer, r) && step-- == 0)
			return send_plain(fd, r->type, 0, 1, 0);
	t->must_end = false;
	for (size_t i = 0; (r = ipc_rule_at(i)) != NULL; i++) {
		if (!may_send(t->d, t->peer, r))
			continue;
		if (step < NONSENSE)
			return send_nonsense(fd, step, r);
		step -= NONSENSE;
	}
	if (step >= MALFORMED)
		return 1;
	return send_malformed(fd, step, some_allowed(t->d, t->peer)->type);
}

static const struct daemon_peer *
peer_of(const struct talk *t)
{
	const struct daemon *d = t->d;

	for (size_t i = 0; i < d->peer_count; i++)
		if (d->peers[i].proc == t->peer &&
		    d->peers[i].instance == t->instance)
			return d->peers[i].chan == NULL ? NULL : &d->peers[i];
	return NULL;
}

/* Has the last one had its effect? */
static bool
is_over(const struct talk *t, const struct daemon_peer *p)
{
	return p->epoch != t->epoch || clock_boot_ms() - t->since_ms >
					   (t->must_end ? END_MS : QUIET_MS);
}

/* Send the next one as soon as the last has had its effect. */
static void
go_on(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { 0, LOOK_US };
	struct talk *t = arg;
	const struct daemon_peer *p = peer_of(t);
	int rc = 0;

	(void)fd;
	(void)what;
	if (p != NULL && is_over(t, p)) {
		rc = send_step(t, fd_of(p->chan));
		if (rc == 0) {
			t->step++;
			t->sent++;
			t->epoch = p->epoch;
			t->since_ms = clock_boot_ms();
		}
	}
	if (rc == 1) {
		log_info("event=attack-talked peer=%s sent=%u",
		    proc_name(t->peer), t->sent);
		event_free(t->again);
		free(t);
		return;
	}
	(void)event_add(t->again, &soon);
}

static bool
is_victim(const struct daemon *d, const struct daemon_peer *p, unsigned whom)
{
	for (size_t i = 0; i < d->peer_count; i++)
		if (d->peers[i].proc == p->proc &&
		    d->peers[i].instance < p->instance)
			return false; /* one of each kind */
	return p->proc > d->proc ? (whom & TALK_HIGHER) != 0
				 : (whom & TALK_LOWER) != 0;
}

void
talk_start(struct daemon *d, unsigned whom)
{
	static const struct timeval now = { 0, 1 };

	for (size_t i = 0; i < d->peer_count; i++) {
		const struct daemon_peer *p = &d->peers[i];
		struct talk *t;

		if (!is_victim(d, p, whom))
			continue;
		t = calloc(1, sizeof(*t));
		t->d = d;
		t->peer = p->proc;
		t->instance = p->instance;
		t->again = evtimer_new(d->base, go_on, t);
		(void)event_add(t->again, &now);
	}
}

void
talk_to_master(struct daemon *d, unsigned type)
{
	int fd = fd_of(d->control);
	int rc = type == 0 ? send_malformed(fd, 0, IPC_CTL_PONG)
			   : send_plain(fd, (uint16_t)type, 0, 1, 0);

	log_info("event=attack name=to-master type=%u result=%s", type,
	    rc == 0 ? "sent" : "failed");
}

/* The shortest payload that decodes: all numbers 0, all strings empty. */
static size_t
shortest(const struct ipc_rule *r)
{
	static const char zeros[256];
	size_t n = 0;

	while (n < sizeof(zeros) && !r->valid(slice_of(zeros, n)))
		n++;
	return n;
}

/* Valid as frames; nobody here reads what they bring about. */
void
talk_flood(struct daemon *d, enum proc peer, unsigned type)
{
	static const char zeros[256];
	const struct ipc_rule *r = ipc_rule_of((uint16_t)type);
	int64_t end = clock_boot_ms() + FLOOD_MS;
	unsigned long long frames = 0;
	const struct ipc_chan *c =
	    peer == PROC_MASTER ? d->control : daemon_peer(d, peer, 0);
	struct raw frame = { .type = (uint16_t)type, .payload = zeros };
	int fd = fd_of(c);

	frame.payload_len = shortest(r);
	frame.length = (uint32_t)frame.payload_len;
	while (clock_boot_ms() < end) {
		frame.request++;
		if (send_raw(fd, &frame) == 0)
			frames++;
		else if (errno != EAGAIN)
			break;
	}
	log_info("event=attack name=flood frames=%llu error=%s", frames,
	    strerror(errno));
}
