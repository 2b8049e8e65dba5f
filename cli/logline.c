#include "cli/logline.h"

#include "common/base/ascii.h"

static bool
is_name(char c)
{
	return ascii_alnum(c) || c == '-' || c == '_' || c == '.';
}

bool
logline_parse(struct slice line, struct logline *l)
{
	size_t open, close, start;

	for (close = 0; close + 2 < line.len; close++)
		if (memcmp(line.p + close, "]: ", 3) == 0)
			break;
	if (close + 2 >= line.len)
		return false;
	open = close;
	while (open > 0 && ascii_digit(line.p[open - 1]))
		open--;
	if (open == close || open < 2 || line.p[open - 1] != '[')
		return false;
	start = open - 1;
	while (start > 0 && is_name(line.p[start - 1]))
		start--;
	if (start == open - 1)
		return false;
	l->head = slice_trim(slice_sub(line, 0, start));
	l->program = slice_sub(line, start, open - 1 - start);
	l->pid = slice_sub(line, open, close - open);
	l->text = slice_sub(line, close + 3, line.len);
	return true;
}

/* Behind the opening quote; what follows the closing one stays in *rest. */
static bool
read_quoted(struct slice *rest, struct buf *value)
{
	size_t i = 0;

	for (; i < rest->len && rest->p[i] != '"'; i++) {
		char c = rest->p[i];

		if (c == '\\' && i + 3 < rest->len && rest->p[i + 1] == 'x' &&
		    ascii_hex(rest->p[i + 2]) >= 0 &&
		    ascii_hex(rest->p[i + 3]) >= 0) {
			c = (char)(ascii_hex(rest->p[i + 2]) * 16 +
				   ascii_hex(rest->p[i + 3]));
			i += 3;
		} else if (c == '\\' && i + 1 < rest->len) {
			c = rest->p[++i];
		}
		if (buf_append_byte(value, c) == -1)
			return false;
	}
	*rest = slice_sub(*rest, i + 1, rest->len);
	return true;
}

bool
logline_next(struct slice *rest, struct slice *key, struct buf *value)
{
	buf_truncate(value, 0);
	while (rest->len > 0) {
		size_t n = 0;

		*rest = slice_trim(*rest);
		while (n < rest->len && rest->p[n] != '=' && rest->p[n] != ' ')
			n++;
		*key = slice_sub(*rest, 0, n);
		if (n == 0) /* a value of nothing */
			while (n < rest->len && rest->p[n] != ' ')
				n++;
		if (n == rest->len || rest->p[n] == ' ') {
			*rest = slice_sub(*rest, n, rest->len);
			continue;
		}
		*rest = slice_sub(*rest, n + 1, rest->len);
		if (rest->len > 0 && rest->p[0] == '"') {
			*rest = slice_sub(*rest, 1, rest->len);
			return read_quoted(rest, value);
		}
		for (n = 0; n < rest->len && rest->p[n] != ' ';)
			n++;
		if (buf_append(value, rest->p, n) == -1)
			return false;
		*rest = slice_sub(*rest, n, rest->len);
		return true;
	}
	return false;
}
