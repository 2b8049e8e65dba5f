#ifndef COMMON_MIME_HEADER_H
#define COMMON_MIME_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * header - the fields of a message or part header (RFC 5322 §2.2), in
 * place. A line ends with LF, a CR before it belongs to the line end; the
 * header ends with an empty line or with the input. A line that is neither
 * field nor continuation (no colon; a continuation at the very start) is a
 * field without a name: it is part of the header and never found by name.
 */
struct mime_field {
	struct slice name;  /* white space before the colon left out */
	struct slice value; /* behind the colon, folding in it, no line end */
	struct slice whole; /* all of it with its line end */
};

struct mime_fields {
	struct slice in;
	size_t at; /* behind the last field; behind the empty line at the end */
};

static inline struct mime_fields
mime_fields(struct slice header)
{
	return (struct mime_fields){ .in = header, .at = 0 };
}

/* The next field, borrowed from the input; false at the end. */
bool mime_fields_next(struct mime_fields *it, struct mime_field *f);

/* Value of the first field of this name; p == NULL when there is none. */
struct slice mime_field_find(struct slice header, struct slice name);

/* Bytes of the header message begins with, the empty line included. */
size_t mime_header_size(struct slice message);

/*
 * Append a field value on one line: line breaks and white space around it
 * left out, NUL shown as '?'. Errors as buf_append().
 */
int mime_unfold(struct buf *b, struct slice value) MUST_USE;

#endif
