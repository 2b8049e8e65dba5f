#ifndef TESTS_FUZZ_PEER_H
#define TESTS_FUZZ_PEER_H

/*
 * peer - the client of a blocking session in the same process. The program
 * is linked with --wrap=poll, recv and send (module.mk): what concerns
 * PEER_FD never reaches the kernel, so a whole session runs without another
 * process or thread, and the same input always runs the same way.
 *
 * The client's bytes arrive in pieces of any size, and what it is sent is
 * taken in pieces, too.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/base/buf.h"

#define PEER_FD      912345 /* nobody's: what is not wrapped fails */
#define PEER_OUT_MAX ((size_t)64 << 20)

struct peer {
	struct slice input; /* all the client will say */
	size_t at;          /* of it, read so far */
	struct buf output;  /* all it was told */
	uint32_t dice;      /* how the bytes are cut; 0: not at all */
	size_t polls;       /* since the last byte came or went */
	/* Of the input, what has come; hold() waits for more (turns.h). */
	size_t granted;
	void (*hold)(void);
};

extern struct peer peer;
int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
int __wrap___poll_chk(struct pollfd *p, nfds_t n, int ms, size_t room);
ssize_t __wrap___recv_chk(int fd, void *p, size_t n, size_t room, int flags);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);

static inline uint32_t
peer_roll(uint32_t *dice)
{
	*dice = *dice * 1664525U + 1013904223U;
	return *dice >> 16;
}

/* How many of n bytes go through now: at least one. */
static inline size_t
peer_piece(size_t n)
{
	uint32_t r;

	if (peer.dice == 0 || n <= 1)
		return n;
	r = peer_roll(&peer.dice);
	switch (r % 4) {
	case 0:
		return 1;
	case 1:
		return MIN(n, (size_t)1 + r / 4 % 7);
	case 2:
		return MIN(n, (size_t)1 + r / 4 % 90);
	default:
		return n;
	}
}

static inline void
peer_begin(struct slice input, uint32_t dice)
{
	buf_free(&peer.output);
	buf_init(&peer.output, PEER_OUT_MAX);
	peer.input = input;
	peer.at = 0;
	peer.dice = dice;
	peer.polls = 0;
	peer.granted = input.len;
	peer.hold = NULL;
}

/* One program is one file: these are its own. */
#ifdef PEER_MAIN
struct peer peer;

/* Has anything else than the client something to say? Otherwise it has. */
static int
poll_others(struct pollfd *p, nfds_t n, nfds_t client)
{
	int fd = p[client].fd;
	int rc;

	if ((p[client].events & POLLIN) == 0)
		return 0;
	p[client].fd = -1;
	while ((rc = __real_poll(p, n, 0)) == 0 && peer.hold != NULL &&
	       peer.at == peer.granted)
		peer.hold();
	p[client].fd = fd;
	return rc;
}

int
__wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	nfds_t i;
	int rc;

	for (i = 0; i < n && p[i].fd != PEER_FD; i++)
		;
	if (i == n)
		return __real_poll(p, n, ms);
	rc = peer.hold == NULL ? 0 : poll_others(p, n, i);
	if (rc != 0)
		return rc;
	for (nfds_t k = 0; k < n; k++)
		p[k].revents = 0;
	/* At the end of input there is end of file to be read. */
	p[i].revents = p[i].events & (POLLIN | POLLOUT);
	if (++peer.polls > 1000)
		abort(); /* it turns in circles */
	return 1;
}

ssize_t
__wrap_recv(int fd, void *to, size_t n, int flags)
{
	size_t have;

	if (fd != PEER_FD)
		return __real_recv(fd, to, n, flags);
	while (peer.hold != NULL && peer.at == peer.granted)
		peer.hold();
	have = peer_piece(MIN(n, peer.granted - peer.at));
	if (have > 0)
		memcpy(to, peer.input.p + peer.at, have);
	peer.at += have;
	peer.polls = 0;
	return (ssize_t)have;
}

ssize_t
__wrap_send(int fd, const void *p, size_t n, int flags)
{
	size_t take;

	if (fd != PEER_FD)
		return __real_send(fd, p, n, flags);
	if (peer.dice != 0 && peer_roll(&peer.dice) % 8 == 0) {
		errno = peer.dice % 2 == 0 ? EAGAIN : EINTR;
		return -1;
	}
	take = peer_piece(n);
	if (buf_append(&peer.output, p, take) == -1)
		abort();
	peer.polls = 0;
	return (ssize_t)take;
}

/* The same as _FORTIFY_SOURCE calls them. */
int
__wrap___poll_chk(struct pollfd *p, nfds_t n, int ms, size_t room)
{
	if (n > room / sizeof(*p))
		abort();
	return __wrap_poll(p, n, ms);
}

ssize_t
__wrap___recv_chk(int fd, void *p, size_t n, size_t room, int flags)
{
	if (n > room)
		abort();
	return __wrap_recv(fd, p, n, flags);
}
#endif

#endif
