#include "common/ipc/messages.h"

#include <errno.h>
#include <string.h>

/* A string on the wire holds no NUL, so that it can become a C string. */
static struct slice
read_str(struct wire_in *w, size_t max)
{
	struct slice s = wire_bytes(w, max);

	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)
		w->failed = true;
	return s;
}

/* A field over its maximum must not leave this process either. */
static int
write_bytes(struct buf *b, struct slice s, size_t max)
{
	if (s.len > max) {
		errno = EMSGSIZE;
		return -1;
	}
	return wire_put_bytes(b, s);
}

/* clang-format off */
#define PUT_U8(f)         || wire_put_u8(b, m->f) == -1
#define PUT_U16(f)        || wire_put_u16(b, m->f) == -1
#define PUT_U32(f)        || wire_put_u32(b, m->f) == -1
#define PUT_U64(f)        || wire_put_u64(b, m->f) == -1
#define PUT_STR(f, max)   || write_bytes(b, m->f, max) == -1
#define PUT_BYTES(f, max) || write_bytes(b, m->f, max) == -1

#define GET_U8(f)         m->f = wire_u8(w);
#define GET_U16(f)        m->f = wire_u16(w);
#define GET_U32(f)        m->f = wire_u32(w);
#define GET_U64(f)        m->f = wire_u64(w);
#define GET_STR(f, max)   m->f = read_str(w, max);
#define GET_BYTES(f, max) m->f = wire_bytes(w, max);

#define LEN_U8(f)         + 1
#define LEN_U16(f)        + 2
#define LEN_U32(f)        + 4
#define LEN_U64(f)        + 8
#define LEN_STR(f, max)   + 4 + (max)
#define LEN_BYTES(f, max) + 4 + (max)

#define PUT_ALL(name) \
	IPC_FIELDS_##name(PUT_U8, PUT_U16, PUT_U32, PUT_U64, PUT_STR, PUT_BYTES)
#define GET_ALL(name) \
	IPC_FIELDS_##name(GET_U8, GET_U16, GET_U32, GET_U64, GET_STR, GET_BYTES)
#define LEN_ALL(name) \
	(0 IPC_FIELDS_##name(LEN_U8, LEN_U16, LEN_U32, LEN_U64, LEN_STR, LEN_BYTES))

#define X(number, NAME, name, from, to, flags)                               \
	int                                                                  \
	ipc_##name##_encode(const struct ipc_##name *m, struct buf *b)       \
	{                                                                    \
		return (0 PUT_ALL(name)) ? -1 : 0;                           \
	}                                                                    \
	int                                                                  \
	ipc_##name##_decode(struct ipc_##name *m, struct slice payload)      \
	{                                                                    \
		struct wire_in in = wire_in(payload);                        \
		struct wire_in *w = &in;                                     \
		GET_ALL(name)                                                \
		return wire_done(w);                                         \
	}                                                                    \
	static bool                                                          \
	name##_valid(struct slice payload)                                   \
	{                                                                    \
		struct ipc_##name m;                                         \
		return ipc_##name##_decode(&m, payload) == 0;                \
	}                                                                    \
	_Static_assert(LEN_ALL(name) <= IPC_MAX_PAYLOAD, "frame too large");
IPC_MESSAGES(X)
#undef X

#define X(name)                                                              \
	int                                                                  \
	ipc_##name##_put(const struct ipc_##name *m, struct buf *b)          \
	{                                                                    \
		size_t before = b->len;                                      \
		if (0 PUT_ALL(name)) {                                       \
			buf_truncate(b, before);                             \
			return -1;                                           \
		}                                                            \
		return 0;                                                    \
	}                                                                    \
	int                                                                  \
	ipc_##name##_get(struct ipc_##name *m, struct wire_in *w)            \
	{                                                                    \
		GET_ALL(name)                                                \
		if (!w->failed)                                              \
			return 0;                                            \
		errno = EBADMSG;                                             \
		return -1;                                                   \
	}
IPC_RECORDS(X)
#undef X

static const struct ipc_rule rules[] = {
#define X(number, NAME, name, from, to, flags) \
	{ number, #NAME, from, to, LEN_ALL(name), flags, name##_valid },
	IPC_MESSAGES(X)
#undef X
};
/* clang-format on */

const struct ipc_rule *
ipc_rule_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

const struct ipc_rule *
ipc_rule_at(size_t i)
{
	return i < ARRAY_LEN(rules) ? &rules[i] : NULL;
}
