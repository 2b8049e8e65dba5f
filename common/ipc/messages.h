#ifndef COMMON_IPC_MESSAGES_H
#define COMMON_IPC_MESSAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/base/wire.h"
#include "common/ipc/message_list.h"
#include "common/ipc/proc.h"

/*
 * What message_list.h declares, made into C: for each message NAME
 *
 *	IPC_NAME                      its number
 *	struct ipc_name               its fields; strings are slices borrowed
 *	                              from the frame
 *	ipc_name_encode(m, b)         append the payload to b: 0 or -1/errno
 *	ipc_name_decode(m, payload)   0, or -1 with errno EBADMSG: too short,
 *	                              too long, a field over its maximum, or
 *	                              a NUL in a string
 *
 * and for each record (a row of a list inside a BYTES field)
 *
 *	struct ipc_name, ipc_name_put(m, b), ipc_name_get(m, w)
 */
#define IPC_MAX_PAYLOAD (128 * 1024) /* hard end of any frame */
#define IPC_CHUNK       (60 * 1024)  /* content bytes sent in one frame */
#define IPC_INLINE_MAX  (512 * 1024) /* of a SUBMIT: more goes in a file */

/* Flags of a frame. */
#define IPC_MORE  1U /* more frames of this request follow */
#define IPC_REPLY 2U /* answers the request of that number */
#define IPC_FD    4U /* carries a descriptor; set by the sender's chan */

enum ipc_type {
#define X(number, NAME, name, from, to, flags) IPC_##NAME = (number),
	IPC_MESSAGES(X)
#undef X
};

#define IPC_F_U8(f)         uint8_t f;
#define IPC_F_U16(f)        uint16_t f;
#define IPC_F_U32(f)        uint32_t f;
#define IPC_F_U64(f)        uint64_t f;
#define IPC_F_STR(f, max)   struct slice f;
#define IPC_F_BYTES(f, max) struct slice f;

#define X(number, NAME, name, from, to, flags)                                 \
	struct ipc_##name {                                                    \
		IPC_FIELDS_##name(IPC_F_U8, IPC_F_U16, IPC_F_U32, IPC_F_U64,   \
		    IPC_F_STR, IPC_F_BYTES)                                    \
	};                                                                     \
	int ipc_##name##_encode(const struct ipc_##name *m, struct buf *b)     \
	    MUST_USE;                                                          \
	int ipc_##name##_decode(struct ipc_##name *m, struct slice payload)    \
	    MUST_USE;
IPC_MESSAGES(X)
#undef X

#define X(name)                                                                \
	struct ipc_##name {                                                    \
		IPC_FIELDS_##name(IPC_F_U8, IPC_F_U16, IPC_F_U32, IPC_F_U64,   \
		    IPC_F_STR, IPC_F_BYTES)                                    \
	};                                                                     \
	int ipc_##name##_put(const struct ipc_##name *m, struct buf *b)        \
	    MUST_USE;                                                          \
	int ipc_##name##_get(struct ipc_##name *m, struct wire_in *w) MUST_USE;
IPC_RECORDS(X)
#undef X

/* What may travel where; one row a message. */
struct ipc_rule {
	uint16_t type;
	const char *name;
	unsigned from; /* PROC_BIT()s */
	unsigned to;
	uint32_t max;   /* payload bytes */
	unsigned flags; /* that it may carry */
	/* Does the payload decode? For fuzzers and --trace-ipc. */
	bool (*valid)(struct slice payload);
};

/* The row of a number, or NULL. */
const struct ipc_rule *ipc_rule_of(uint16_t type);

/* Walk all rows: i from 0 until NULL. */
const struct ipc_rule *ipc_rule_at(size_t i);

#endif
