#ifndef COMMON_IPC_CHAN_H
#define COMMON_IPC_CHAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "common/ipc/messages.h"
#include "common/ipc/proc.h"

/*
 * chan - one end of a pair to another daemon, on the event loop.
 *
 * Frames are {u32 length, u16 type, u16 flags, u32 request} and payload.
 * A frame is checked against its row in message_list.h before any handler
 * sees it; one that does not fit ends the channel, is logged, and counts
 * as the peer's death. Writes of one pass of the loop go out in one call.
 *
 * A call (ipc_call) waits for an answer of the same request number; when
 * the channel ends first, its callback runs with frame NULL. Callbacks and
 * handlers may send, call and close; a channel closed inside one of its
 * own handlers goes away after that handler has returned.
 */
struct event_base;
struct ipc_chan;

struct ipc_frame {
	uint16_t type;
	uint16_t flags;
	uint32_t request;
	struct slice payload; /* valid until the handler returns */
	int fd;               /* -1, or taken by setting it to -1; what is
			       * left is closed after the handler */
};

struct ipc_handler {
	uint16_t type;
	void (*run)(void *arg, struct ipc_chan *c, struct ipc_frame *f);
};

/* What the owner of a channel does with it; rows end with type 0. */
struct ipc_ops {
	const struct ipc_handler *handlers;
	/* The peer is gone (all calls have been told). May be NULL. */
	void (*closed)(void *arg, struct ipc_chan *c);
	/* Output fell under half of its limit again. May be NULL. */
	void (*drained)(void *arg, struct ipc_chan *c);
};

/*
 * Take fd, an AF_UNIX stream socket, which belongs to the channel from now
 * on. self and peer say who talks; ops and arg are borrowed.
 */
struct ipc_chan *ipc_chan_new(struct event_base *base, int fd, enum proc self,
    enum proc peer, uint32_t instance) MUST_USE;
void ipc_chan_ops(struct ipc_chan *c, const struct ipc_ops *ops, void *arg);

/*
 * End the channel: outstanding calls get NULL, ops->closed is not called,
 * unsent output is tried once. NULL is fine.
 */
void ipc_chan_close(struct ipc_chan *c);

/*
 * For handlers: what this peer sent breaks the rules. Logged, and the
 * channel ends as if the peer had died: ops->closed is called, master makes
 * a new pair. A daemon never ipc_chan_close()s a peer's channel itself.
 */
void ipc_chan_fail(struct ipc_chan *c, const char *what);

enum proc ipc_chan_peer(const struct ipc_chan *c);
uint32_t ipc_chan_instance(const struct ipc_chan *c);

/* A pointer of the owner's, NULL at first. */
void ipc_chan_set_data(struct ipc_chan *c, void *data);
void *ipc_chan_data(const struct ipc_chan *c);

/* Bytes waiting to be written. Senders of work stop above IPC_OUT_HIGH. */
#define IPC_OUT_HIGH (4 * 1024 * 1024)
size_t ipc_chan_backlog(const struct ipc_chan *c);

/*
 * Handle what has come already and is not read yet: before a close, so that
 * the last words of a peer that has ended are not lost. As in a handler, c
 * may be at its end (and ops->closed called) when this returns.
 */
void ipc_chan_take(struct ipc_chan *c);

/* Stop and go on reading from this peer (back-pressure). */
void ipc_chan_pause(struct ipc_chan *c, bool paused);

/*
 * From here on what is sent (or, false: no more) is not urgent: it leaves
 * with what is, or after some milliseconds, so that the peer is not woken for
 * it alone.
 */
void ipc_chan_idle_talk(struct ipc_chan *c, bool idle);

/*
 * Send an encoded payload. Returns 0, or -1 with errno: EPIPE when the
 * channel has ended, ENOBUFS when the peer reads too slowly.
 */
int ipc_send(struct ipc_chan *c, uint16_t type, uint16_t flags,
    uint32_t request, struct slice payload) MUST_USE;

/*
 * Typed: ipc_send_msg(c, submitted, IPC_REPLY, f->request, &m). Encodes
 * into the channel's own scratch and sends. fd (or -1) travels with the
 * frame and is closed then: it is the channel's from the call on, also on
 * failure.
 */
struct buf *ipc_scratch(struct ipc_chan *c);
#define ipc_send_msg(c, name, flags, request, m)                               \
	(ipc_##name##_encode((m), ipc_scratch(c)) == -1                        \
		? -1                                                           \
		: ipc_send_scratch(                                            \
		      (c), ipc_type_##name, (flags), (request), -1))
#define ipc_send_msg_fd(c, name, flags, request, m, fd)                        \
	(ipc_##name##_encode((m), ipc_scratch(c)) == -1                        \
		? (fd_close(fd), -1)                                           \
		: ipc_send_scratch(                                            \
		      (c), ipc_type_##name, (flags), (request), (fd)))
int ipc_send_scratch(struct ipc_chan *c, uint16_t type, uint16_t flags,
    uint32_t request, int fd) MUST_USE;

/* ipc_type_submit and so on: the number by the small name. */
enum {
#define X(number, NAME, name, from, to, flags) ipc_type_##name = (number),
	IPC_MESSAGES(X)
#undef X
};

/*
 * Expect answers to a request: the number to send it with. The callback
 * runs for every IPC_REPLY frame of that number; after the first without
 * IPC_MORE the request is over. Only messages with IPC_MORE in their row
 * (message_list.h) can come more than once.
 */
typedef void ipc_answer(void *arg, struct ipc_frame *f);
uint32_t ipc_expect(struct ipc_chan *c, ipc_answer *answer, void *arg) MUST_USE;

/* Nobody waits any more: later answers are dropped silently. */
void ipc_forget(struct ipc_chan *c, uint32_t request);

/*
 * Write now what can be written, without waiting for the loop. False: the
 * channel has ended, and what was to be said is not heard.
 */
bool ipc_flush(struct ipc_chan *c);

#endif
