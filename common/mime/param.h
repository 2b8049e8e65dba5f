#ifndef COMMON_MIME_PARAM_H
#define COMMON_MIME_PARAM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * param - `value; name=value; ...` of Content-Type and its kin (RFC 2045
 * §5.1), continuations put together (RFC 2231 §3). Comments and folding may
 * stand anywhere. Malformed parameters are left out.
 */
#define MIME_PARAM_MAX      64    /* parameters of one field; rest left out */
#define MIME_PARAM_TEXT_MAX 65536 /* bytes of all their values; then cut */
#define MIME_BOUNDARY_MAX   998   /* RFC 2046 says 70; a line holds no more */

/* "type/subtype". Either is empty where it is malformed. */
struct mime_type {
	struct slice type;
	struct slice subtype;
	struct slice rest; /* what stands behind: the parameters */
};

/* Slices are borrowed from value. */
struct mime_type mime_type_parse(struct slice value);

/* The first token ("inline", "base64"); behind it in *rest unless NULL. */
struct slice mime_token_parse(struct slice value, struct slice *rest);

struct mime_param {
	struct slice name; /* borrowed from the field */
	bool extended;     /* value is charset'language'%-encoded (RFC 2231) */
	size_t at;         /* of the value in the text of the list */
	size_t len;
};

struct mime_params {
	struct mime_param list[MIME_PARAM_MAX];
	size_t count;
	struct buf text;
};

/*
 * Read the parameters behind a value. The pieces of a continued parameter
 * (name*0, name*1*) are joined in their order; a gap ends it. The first of
 * two of the same name wins. The caller calls mime_params_free().
 */
void mime_params_parse(struct mime_params *p, struct slice rest);
void mime_params_free(struct mime_params *p);

/* The value of a parameter, borrowed from p. */
struct slice mime_param_value(
    const struct mime_params *p, const struct mime_param *param);

/*
 * Copy the value of one plain parameter to dst with a NUL. Returns its
 * length; 0 when it is missing, empty, holds NUL or does not fit.
 */
size_t mime_param_get(
    struct slice rest, struct slice name, char *dst, size_t cap);

/*
 * Append an extended value (RFC 2231 §4) in UTF-8, what cannot be decoded
 * as U+FFFD. Errors as buf_append().
 */
int mime_param_decode(struct buf *b, struct slice value) MUST_USE;

#endif
