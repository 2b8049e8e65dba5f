#ifndef TESTS_ATTACK_ATTACK_H
#define TESTS_ATTACK_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/daemon/state.h"

/*
 * attack - what makes a daemon its own attacker.
 *
 * `make attack` links every daemon once more, from the very objects of the
 * build, with this beside them: the linker's --wrap catches the end of the
 * start, where the walls stand, and a signal from the test makes the process
 * try one thing from there, with what a program of its own in that place
 * would have. Nothing of it is in what is installed.
 */
#define ATTACK_SIGNAL 40 /* a real-time signal with a value */

/* The value: which attempt (16 bits), then two arguments. */
#define ATTACK_NUMBER(v) ((unsigned)((v)&0xffff))
#define ATTACK_SMALL(v)  ((unsigned)(((v) >> 16) & 0xffff))
#define ATTACK_LARGE(v)  ((uint32_t)((v) >> 32))

/* Who may do it: MAY_ bits, all of them needed, or one of these. */
#define NOBODY  0x10000U /* ends the process */
#define SOFT    0x20000U /* is refused with ENOSYS */
#define SESSION 0x40000U /* a session of a user may, too */

/* What happens where it is allowed by the filter. */
#define MUST_FAIL 0U
#define OWN       1U /* it may work: the process's own affairs */

struct attacker {
	struct daemon *daemon;
	bool session;
	pid_t victim; /* another process, from the test */
};

struct attempt {
	const char *name;
	unsigned needs;
	unsigned where_allowed;
	/* 0 when it worked, or -1 with errno. */
	int (*run)(const struct attacker *a);
	long call; /* without run: this system call with zeros */
};

/* The i-th attempt, NULL after the last. */
const struct attempt *attempt_at(size_t i);

/* -- talk.c: out of turn ------------------------------------------------- */

/* Remember the descriptor of a channel to a peer. */
void talk_channel(struct ipc_chan *c, int fd);

/* Say everything that must not be said, to each peer this one is to attack. */
#define TALK_HIGHER 1U /* peers of higher numbers than one's own */
#define TALK_LOWER  2U
void talk_start(struct daemon *d, unsigned whom);
/* A message type to master. */
void talk_to_master(struct daemon *d, unsigned type);
/* As much of a valid message as goes, without reading an answer. */
void talk_flood(struct daemon *d, enum proc peer, unsigned type);

#endif
