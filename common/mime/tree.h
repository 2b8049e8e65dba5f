#ifndef COMMON_MIME_TREE_H
#define COMMON_MIME_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * tree - the parts of a message (RFC 2045, 2046) as offsets into it, from
 * one pass over its bytes. Every input has a tree. Nothing recurses; time
 * and memory are bounded by the message and by these limits:
 */
#define MIME_DEPTH_MAX 100   /* a part deeper than this is opaque */
#define MIME_PARTS_MAX 10000 /* what follows belongs to the last part */

/*
 * Number of the rules by which messages are taken apart and rendered; a
 * change of any answer increases it, so that caches know theirs is old.
 */
#define MIME_PARSER_VERSION 2

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART, /* at least one child */
	MIME_MESSAGE,   /* message/rfc822, exactly one child: the message */
};

/* Indices of parts; 0 (the root, nobody's child) stands for none. */
struct mime_part {
	enum mime_kind kind;
	uint32_t depth; /* 0 for the root */
	uint32_t parent;
	uint32_t child; /* first */
	uint32_t next;  /* sibling */
	uint32_t last;  /* last child, while parsing */

	/* Bytes of the message; the header ends with its empty line. */
	size_t header;
	size_t header_len;
	size_t body;
	size_t body_len;
	size_t lines; /* line ends in the body */

	/* What the part is, by its Content-Type or the default for it. */
	struct slice type;
	struct slice subtype;
	struct slice params;

	/* Raw values of the first such field; p == NULL when missing. */
	struct slice encoding;
	struct slice id;
	struct slice description;
	struct slice md5;
	struct slice disposition;
	struct slice language;
	struct slice location;
};

struct mime_tree {
	struct slice message; /* borrowed */
	struct mime_part *parts;
	size_t count; /* parts[0] is the message itself */
	size_t cap;
};

#define MIME_TREE_INIT                                                         \
	{                                                                      \
		.parts = NULL                                                  \
	}

/*
 * Take message apart into t, which may hold an earlier tree, whose memory
 * is used again. The message must stay where it is while t is used.
 */
void mime_tree_parse(struct mime_tree *t, struct slice message);
void mime_tree_free(struct mime_tree *t);

/*
 * The part an IMAP section number names (RFC 3501 §6.4.5), such as 2.1 in
 * path[0..n); NULL when there is none. Without numbers the root.
 */
const struct mime_part *mime_tree_find(
    const struct mime_tree *t, const uint32_t *path, size_t n);

/* The message inside a MIME_MESSAGE part, else NULL. */
const struct mime_part *mime_part_message(
    const struct mime_tree *t, const struct mime_part *part);

/* Bytes of a part. */
static inline struct slice
mime_part_header(const struct mime_tree *t, const struct mime_part *p)
{
	return slice_sub(t->message, p->header, p->header_len);
}

static inline struct slice
mime_part_body(const struct mime_tree *t, const struct mime_part *p)
{
	return slice_sub(t->message, p->body, p->body_len);
}

#endif
