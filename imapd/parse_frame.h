#ifndef IMAPD_PARSE_FRAME_H
#define IMAPD_PARSE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * frame - where a command ends: lines, and literals between them (RFC 3501
 * §4.3, RFC 7888). Pure and incremental: it remembers how far it looked, so
 * a client that sends single bytes costs no more than one that does not.
 */
#define PARSE_LINE_MAX    65536  /* bytes of one line of a command */
#define PARSE_COMMAND_MAX 262144 /* of all its lines and literals */
#define PARSE_LITERAL_MAX 65536  /* of one literal (but APPEND's) */

enum parse_step {
	PARSE_MORE,     /* read more */
	PARSE_COMMAND,  /* f->end bytes are a command, CRLF included */
	PARSE_LITERAL,  /* a line ends in {n}: see below */
	PARSE_BARE_LF,  /* f->end bytes are a line that no CRLF ends */
	PARSE_LONG,     /* over PARSE_LINE_MAX, no end in sight */
	PARSE_TOO_MUCH, /* over PARSE_COMMAND_MAX */
};

struct parse_frame {
	size_t seen; /* bytes looked at */
	size_t line; /* start of the line that is being looked at */
	size_t end;  /* see PARSE_COMMAND */

	/* With PARSE_LITERAL, at the `end`: */
	uint64_t literal; /* its size */
	bool sync;        /* the client waits for "+" */
};

/*
 * Look at the bytes of the command received so far; in begins where the
 * command does. After PARSE_LITERAL the caller either gives the command up
 * or calls parse_frame_take_literal(), and then goes on.
 */
enum parse_step parse_frame_look(struct parse_frame *f, struct slice in);

/* The literal shall be part of the command. */
void parse_frame_take_literal(struct parse_frame *f);

/* The next command begins. */
void parse_frame_reset(struct parse_frame *f);

/*
 * Does a line (without CRLF) end in a literal's announcement? False for
 * anything malformed, as "{01x}" and numbers over 63 bits.
 */
bool parse_frame_literal(struct slice line, uint64_t *n, bool *sync);

#endif
