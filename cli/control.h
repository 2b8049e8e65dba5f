#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "common/base/slice.h"
#include "common/ipc/messages.h"

/* control - a question to a daemon over its control socket. */
struct config;

struct control_question {
	enum proc peer; /* PROC_MASTER or PROC_QUEUE */
	enum ipc_admin verb;
	const char *argument; /* "" for all */
	/* Called for every row; the bytes are lent for the call. */
	void (*row)(void *arg, struct slice text);
	void *arg;
	/* Out: from ADMIN_DONE. */
	uint64_t count;
	char text[1025];
};

/*
 * Ask, and wait for the end of the answer. EXIT_DONE when the daemon says
 * so, else EXIT_FAILED after cli_fail() with its words.
 */
int control_ask(const struct config *c, struct control_question *q) MUST_USE;

#endif
