#ifndef COMMON_TLS_STREAM_H
#define COMMON_TLS_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * stream - one network connection on the event loop: buffered, with or
 * without TLS. The owner reads from stream_in() and consumes, writes with
 * stream_write(), and is called back when something happened. It never
 * blocks and never calls back from inside a call of the owner's.
 *
 * Reading stops by itself while the input buffer is full (in_max) and
 * while stream_pause() is on; what then waits in the kernel slows the
 * peer. Output of one pass of the loop goes out in one call.
 */
struct event_base;
struct stream;
struct tls_ctx;

enum stream_end {
	STREAM_EOF,      /* the peer closed its side */
	STREAM_ERROR,    /* reset, TLS failure; stream_error() says which */
	STREAM_TIMEOUT,  /* the deadline of stream_deadline() passed */
	STREAM_OVERFLOW, /* output over out_max: the peer does not read */
};

struct stream_ops {
	/* New bytes are in stream_in(); also once after TLS is up. */
	void (*input)(void *arg, struct stream *s);
	/* All output has left; may be NULL. */
	void (*drained)(void *arg, struct stream *s);
	/*
	 * The end; the owner frees the stream (now or later). After
	 * STREAM_EOF and STREAM_TIMEOUT output may still be written and
	 * goes out; ended() then comes again, when it has or has failed.
	 */
	void (*ended)(void *arg, struct stream *s, enum stream_end why);
	/* A connect() or TLS handshake has succeeded; may be NULL. */
	void (*ready)(void *arg, struct stream *s);
};

/*
 * Take fd (non-blocking, connected or connecting), which belongs to the
 * stream from now on. ops and arg are borrowed. NULL when memory is gone
 * (fd is closed then).
 */
struct stream *stream_new(
    struct event_base *base, int fd, size_t in_max, size_t out_max) MUST_USE;
void stream_ops(struct stream *s, const struct stream_ops *ops, void *arg);

/*
 * Close and release; unsent output is dropped. With TLS a close_notify is
 * tried. Safe inside callbacks. NULL is fine.
 */
void stream_free(struct stream *s);

/*
 * Send what waits, then end both sides; ended() is called when done: with
 * STREAM_EOF when all was sent. A peer that goes on sending is listened to
 * for some seconds, so that our last words reach it.
 */
void stream_close_after_output(struct stream *s);

/* fd is connecting: ready() or ended() will tell. */
void stream_connecting(struct stream *s);

/* Input not consumed yet; consume with buf_consume(). */
struct buf *stream_in(struct stream *s);

/* Queue output. -1 when it does not fit out_max: ended() follows. */
int stream_write(struct stream *s, const void *p, size_t n);
int stream_write_slice(struct stream *s, struct slice text);
int stream_printf(struct stream *s, const char *fmt, ...) PRINTF(2, 3);
size_t stream_backlog(const struct stream *s);

/* Stop reading / go on; going on calls input() when bytes are waiting. */
void stream_pause(struct stream *s, bool paused);

/* Call input() again soon though nothing new came (work left in in). */
void stream_again(struct stream *s);

/* Boot-clock milliseconds at which ended(STREAM_TIMEOUT) comes; 0: never. */
void stream_deadline(struct stream *s, int64_t at_ms);

/*
 * TLS from here on, as server or as client. Input not consumed is thrown
 * away first: what was sent before the handshake is not part of it (RFC
 * 3207 §4.2). Returns how many bytes were thrown away, -1 on failure. Pending
 * output is sent in clear first. name (client): for SNI and verification.
 * ctx is referenced as long as needed. ready() tells success.
 */
int stream_starttls_server(struct stream *s, struct tls_ctx *ctx) MUST_USE;
int stream_starttls_client(
    struct stream *s, struct tls_ctx *ctx, const char *name) MUST_USE;

/* "TLSv1.3", "TLS_AES_256_GCM_SHA384", bits; NULL / 0 without TLS. */
const char *stream_tls_version(const struct stream *s);
const char *stream_tls_cipher(const struct stream *s);
bool stream_tls_verified(const struct stream *s);

/* Why it ended, in words for the log; never NULL. */
const char *stream_error(const struct stream *s);

/* The socket, still the stream's. */
int stream_fd(const struct stream *s);

/*
 * Give the socket away (a plain connection handed to another process): the
 * stream is freed, the caller owns the fd. Only without TLS and with no
 * output waiting; -1 otherwise. Input not consumed is lost: take it first.
 */
int stream_release(struct stream *s) MUST_USE;

#endif
