#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "common/base/buf.h"

/*
 * json - the flat objects daemons print and we print: {"key": value, …}
 * with strings, numbers, true, false and null (RFC 8259). Pure.
 */
struct json_reader {
	struct slice rest;
	bool first;
	struct buf key;   /* of the pair last read, escapes undone */
	struct buf value; /* likewise; numbers and words as they stand */
	bool is_string;
};

enum json_result { JSON_PAIR = 0, JSON_END, JSON_BAD };

/* Begin to read one object. False: it is none. Free r in any case. */
bool json_begin(struct json_reader *r, struct slice text) MUST_USE;

/*
 * The next pair into r->key and r->value. END: the object was closed and
 * nothing but white space follows. BAD: anything else, nested values too.
 */
enum json_result json_next(struct json_reader *r) MUST_USE;
void json_free(struct json_reader *r);

/*
 * Append s as a JSON string with its quotes; bytes that are not UTF-8
 * become U+FFFD. Errors as buf_append().
 */
int json_put_string(struct buf *b, struct slice s) MUST_USE;

#endif
