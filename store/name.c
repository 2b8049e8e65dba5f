#include "store/name.h"

#include <errno.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"

/*
 * Modified UTF-7, RFC 3501 §5.1.3: printable ASCII stands for itself, "&-"
 * for "&", all else is UTF-16 in base64 with "," for "/", unpadded, between
 * "&" and "-".
 */
static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
invalid(void)
{
	errno = EINVAL;
	return -1;
}

static int
digit_value(char c)
{
	const char *p = c == '\0' ? NULL : strchr(digits, c);

	return p == NULL ? -1 : (int)(p - digits);
}

/* UTF-16 units out of base64, bit by bit. */
struct unshift {
	uint32_t bits;  /* not used yet, in the low bits */
	unsigned have;  /* how many */
	uint32_t high;  /* a high surrogate that waits for its other half */
	uint32_t extra; /* the one printable character in base64, or 0 */
};

static int
unshift_unit(struct unshift *u, uint32_t unit, struct buf *out)
{
	if (u->high != 0) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return invalid();
		unit = 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00);
		u->high = 0;
		return utf8_put(out, unit);
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		u->high = unit;
		return 0;
	}
	/* What can stand for itself must: a name has one spelling only. */
	if (unit >= 0x20 && unit < 0x7f && unit != u->extra)
		return invalid();
	return utf8_put(out, unit);
}

/* What stands after "&" up to "-", which is not part of s. */
static int
unshift(struct slice s, char extra, struct buf *out)
{
	struct unshift u = { .extra = (unsigned char)extra };
	int v;

	for (size_t i = 0; i < s.len; i++) {
		v = digit_value(s.p[i]);
		if (v == -1)
			return invalid();
		u.bits = (u.bits << 6 | (uint32_t)v) & 0x3fffff;
		u.have += 6;
		if (u.have < 16)
			continue;
		u.have -= 16;
		if (unshift_unit(&u, u.bits >> u.have & 0xffff, out) == -1)
			return -1;
	}
	/* Less than a digit of padding may be left, and only zero bits. */
	if (u.high != 0 || u.have >= 6 || (u.bits & ((1U << u.have) - 1)) != 0)
		return invalid();
	return 0;
}

static int
decode(struct slice wire, char extra, struct buf *out)
{
	struct slice part;
	size_t end;
	size_t i = 0;

	while (i < wire.len) {
		if (!ascii_print(wire.p[i]))
			return invalid();
		if (wire.p[i] != '&') {
			if (buf_append_byte(out, wire.p[i++]) == -1)
				return -1;
			continue;
		}
		for (end = i + 1; end < wire.len && wire.p[end] != '-'; end++)
			continue;
		if (end == wire.len)
			return invalid();
		part = slice_sub(wire, i + 1, end - i - 1);
		if (part.len == 0 ? buf_append_byte(out, '&') == -1
				  : unshift(part, extra, out) == -1)
			return -1;
		i = end + 1;
		/* "&…-&…-" is one run written as two. */
		if (part.len > 0 && i + 1 < wire.len && wire.p[i] == '&' &&
		    wire.p[i + 1] != '-')
			return invalid();
	}
	return 0;
}

int
name_from_utf7(struct slice wire, struct buf *out)
{
	return decode(wire, '\0', out);
}

/* Base64 out of UTF-16 units. */
struct shift {
	uint32_t bits;
	unsigned have;
	bool open; /* "&" is written and "-" is not */
};

static int
shift_unit(struct shift *s, uint32_t unit, struct buf *out)
{
	if (!s->open && buf_append_byte(out, '&') == -1)
		return -1;
	s->open = true;
	s->bits = s->bits << 16 | unit;
	s->have += 16;
	while (s->have >= 6) {
		s->have -= 6;
		if (buf_append_byte(out, digits[s->bits >> s->have & 63]) == -1)
			return -1;
	}
	return 0;
}

static int
shift_close(struct shift *s, struct buf *out)
{
	uint32_t last = s->bits << (6 - s->have) & 63;

	if (!s->open)
		return 0;
	if (s->have > 0 && buf_append_byte(out, digits[last]) == -1)
		return -1;
	*s = (struct shift){ 0, 0, false };
	return buf_append_byte(out, '-');
}

/* extra: one more ASCII byte to be written in base64, or NUL. */
static int
encode(struct slice name, char extra, struct buf *out)
{
	struct shift s = { 0, 0, false };
	int32_t code;
	size_t len;

	while (name.len > 0) {
		code = utf8_next(name, &len);
		if (code < 0)
			return invalid();
		name = slice_sub(name, len, name.len);
		if (code >= 0x10000) {
			code -= 0x10000;
			if (shift_unit(
				&s, 0xd800 + ((uint32_t)code >> 10), out) == -1)
				return -1;
			code = 0xdc00 + (code & 0x3ff);
		} else if (code >= 0x20 && code < 0x7f &&
			   (extra == '\0' || code != extra)) {
			if (shift_close(&s, out) == -1 ||
			    buf_append_byte(out, (char)code) == -1 ||
			    (code == '&' && buf_append_byte(out, '-') == -1))
				return -1;
			continue;
		}
		if (shift_unit(&s, (uint32_t)code, out) == -1)
			return -1;
	}
	return shift_close(&s, out);
}

int
name_to_utf7(struct slice name, struct buf *out)
{
	return encode(name, '\0', out);
}

int
name_to_disk(struct slice name, struct buf *out)
{
	struct slice level;
	size_t start = out->len;

	if (slice_eq(name, SLICE("INBOX")))
		return 0;
	while (name.len > 0) {
		name = slice_cut(name, '/', &level);
		if (buf_append_byte(out, '.') == -1 ||
		    encode(level, '.', out) == -1)
			return -1;
	}
	if (out->len - start > NAME_MAX_DISK) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

int
name_from_disk(struct slice disk, struct buf *out)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);
	struct buf again = BUF_INIT(2 * NAME_MAX_DISK);
	struct slice level;
	int rc = -1;

	if (disk.len < 2 || disk.len > NAME_MAX_DISK || disk.p[0] != '.')
		return invalid();
	disk = slice_sub(disk, 1, disk.len);
	for (struct slice rest = disk; rest.len > 0;) {
		rest = slice_cut(rest, '.', &level);
		if ((name.len > 0 && buf_append_byte(&name, '/') == -1) ||
		    decode(level, '.', &name) == -1)
			goto out;
	}
	/* Only what our own spelling gives: one name, one directory. */
	rc = name_canonical(buf_slice(&name), &again);
	if (rc == 0 && !slice_eq(buf_slice(&name), buf_slice(&again)))
		rc = invalid();
	buf_truncate(&again, 0);
	if (rc == 0)
		rc = name_to_disk(buf_slice(&name), &again);
	if (rc == 0 && (again.len != disk.len + 1 ||
			   memcmp(again.data + 1, disk.p, disk.len) != 0))
		rc = invalid();
	if (rc == 0)
		rc = buf_append_slice(out, buf_slice(&name));
out:
	buf_free(&name);
	buf_free(&again);
	return rc;
}

static bool
level_valid(struct slice level)
{
	int32_t code;
	size_t len;

	if (level.len == 0)
		return false;
	while (level.len > 0) {
		code = utf8_next(level, &len);
		if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
		    code == '*' || code == '%')
			return false;
		level = slice_sub(level, len, level.len);
	}
	return true;
}

int
name_canonical(struct slice name, struct buf *out)
{
	struct buf disk = BUF_INIT(4 * NAME_MAX_BYTES);
	struct slice level;
	size_t start = out->len;
	unsigned levels = 0;
	int rc = -1;

	if (name.len > 0 && name.p[name.len - 1] == '/')
		name.len--;
	if (name.len == 0)
		return invalid();
	if (name.len > NAME_MAX_BYTES) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (struct slice rest = name; rest.p != NULL;) {
		rest = slice_cut(rest, '/', &level);
		if (!level_valid(level))
			goto out_invalid;
		levels++;
		if (rest.len == 0)
			break;
	}
	if (levels > NAME_MAX_LEVELS) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (name.p[name.len - 1] == '/')
		goto out_invalid;
	if (buf_append_slice(out, name) == -1)
		return -1;
	slice_cut(name, '/', &level);
	if (slice_ieq(level, SLICE("INBOX")))
		memcpy(out->data + start, "INBOX", 5);
	rc = name_to_disk(slice_of(out->data + start, name.len), &disk);
	if (rc == -1)
		buf_truncate(out, start);
	buf_free(&disk);
	return rc;

out_invalid:
	return invalid();
}
