#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * load - what imapload and pop3load share: many connections that run a
 * script of commands as fast as the server answers, and say how long it
 * took. One thread, epoll. Whatever is not as expected (a refused command,
 * a closed connection, a wrong count of rows) ends the program: a rate of
 * failures is no rate.
 */

enum load_part { PART_GREETING, PART_BEFORE, PART_OPS, PART_AFTER, PART_END };

enum { LOAD_STEPS_MAX = 32, LOAD_DEPTH_MAX = 64 };

struct load_script {
	const char *steps[LOAD_STEPS_MAX];
	size_t count;
};

struct load_options {
	const char *host;
	const char *port;
	bool tls;
	bool keep;           /* one connection for many operations */
	unsigned clients;    /* connections at a time */
	unsigned depth;      /* commands under way in one connection */
	uint64_t ops;        /* operations in all */
	uint64_t user_first; /* {u} of the first connection */
	uint64_t users;      /* then as many different ones, and again */
	uint64_t random_max; /* {r} is 1 … random_max */
	uint64_t rows;       /* untagged rows or lines wanted in all; 0: any */
	struct load_script part[PART_END];
	struct slice message; /* template of {m}; lent from the file */
};

struct conn {
	int fd;      /* -1 when closed */
	SSL *ssl;    /* NULL without TLS; owned */
	bool opened; /* connected, and the handshake done */
	bool mute;   /* waits for the others at the gate */
	enum load_part part;
	size_t step;        /* of the part: the next one to be sent */
	size_t answered;    /* of an operation's commands */
	unsigned under_way; /* commands without an answer yet */
	uint64_t user;      /* {u} */
	uint64_t tag;       /* of the last command sent */
	uint64_t op;        /* {n} of the last operation begun */
	uint64_t skip;      /* bytes of a literal still to come */
	bool
	    multi[LOAD_DEPTH_MAX]; /* pop3: answers that have lines, by order */
	bool inside;               /* pop3: within the lines of an answer */
	unsigned first;            /* pop3: index of the oldest in multi */
	int64_t began_us;          /* the operation under way */
	struct buf in;
	struct buf out;
	uint32_t events; /* what epoll was told */
};

struct load {
	struct load_options opt;
	struct conn *conns;
	SSL_CTX *tls;
	int epoll;
	unsigned waiting;   /* connections at the gate */
	unsigned closed;    /* slots that will not be used again */
	uint64_t begun;     /* operations */
	uint64_t done;      /* operations */
	uint64_t opened;    /* connections */
	uint64_t bytes;     /* read since the gate */
	uint64_t rows_seen; /* since the gate */
	uint64_t random;
	int64_t start_us;
	uint32_t *latency_us; /* of each operation that is done; owned */
};

/*
 * What a protocol does with bytes: take whole answers from c->in, call
 * load_answer() for each, and leave the rest. It may discard what only
 * fills an answer.
 */
typedef void load_consume(struct load *l, struct conn *c);

/* Put the command text (without CRLF) into c->out as the protocol wants. */
typedef void load_send(struct conn *c, struct slice text);

struct load_protocol {
	const char *name;
	load_consume *consume;
	load_send *send;
};

/* One answer to a command, or the greeting, has come. */
void load_answer(struct load *l, struct conn *c);

/* Say what is wrong and end the program. */
_Noreturn void load_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* die unless rc is 0: for buffers, which fail without memory only. */
void load_must(int rc);

/* The whole program. */
int load_main(int argc, char **argv, const struct load_protocol *p);

/* -- script.c ------------------------------------------------------------- */

/*
 * Append a step with {n} the number of the operation, {u} the number of
 * the user, {r} a random number and {m} the message put in, its length in
 * {l}. In the message, "@@@@@@@@" is the number of the operation.
 */
void script_expand(
    struct load *l, const struct conn *c, const char *step, struct buf *to);

/* Read the options; ends the program with a usage text if they are wrong. */
void script_options(
    struct load_options *o, int argc, char **argv, const char *name);

/* -- net.c ---------------------------------------------------------------- */

/* Start to connect; the result shows when the descriptor is writable. */
void net_open(struct load *l, struct conn *c);

/*
 * Do what the descriptor is ready for: the handshake, reading into c->in,
 * writing c->out. Returns false at end of file.
 */
bool net_step(struct load *l, struct conn *c);

/* Write from c->out what the connection takes now. */
void net_flush(struct conn *c);

/* Ask epoll for what is needed now. */
void net_arm(struct load *l, struct conn *c);

/* Close and free what belongs to the connection. */
void net_close(struct conn *c);

/* A client's TLS 1.3 that trusts anyone; sessions are not resumed. */
SSL_CTX *net_tls(void);

#endif
