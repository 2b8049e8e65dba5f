#include "common/base/ascii.h"
#include "common/base/num.h"
#include "common/mime/date.h"
#include "imapd/parse.h"

/* Between min and max digits with a value up to limit. */
static bool
read_digits(struct parse *p, size_t min, size_t max, int limit, int *v)
{
	size_t start = p->at;
	uint64_t n;

	while (p->at - start < max && parse_peek(p) != -1 &&
	       ascii_digit(p->in.p[p->at]))
		p->at++;
	if (p->at - start < min ||
	    num_parse(slice_sub(p->in, start, p->at - start), (uint64_t)limit,
		&n) == -1)
		return parse_fail(p, "Bad date");
	*v = (int)n;
	return true;
}

/* "-Feb-1994", behind the day. */
static bool
read_month_year(struct parse *p, struct mime_date *d)
{
	if (!parse_byte(p, '-'))
		return false;
	d->month = mime_month(slice_sub(p->in, p->at, 3));
	if (d->month == 0)
		return parse_fail(p, "Bad date");
	p->at += 3;
	if (!parse_byte(p, '-') || !read_digits(p, 4, 4, 9999, &d->year))
		return false;
	if (d->year == 0 || d->day == 0 ||
	    d->day > mime_month_days(d->year, d->month))
		return parse_fail(p, "No such day");
	return true;
}

bool
parse_date(struct parse *p, int64_t *day)
{
	struct mime_date d = { .year = 0 };
	bool quoted = parse_skip(p, '"');

	if (!read_digits(p, 1, 2, 31, &d.day) || !read_month_year(p, &d))
		return false;
	if (quoted && !parse_byte(p, '"'))
		return false;
	*day = mime_date_days(d.year, d.month, d.day);
	return true;
}

static bool
read_time(struct parse *p, struct mime_date *d)
{
	return read_digits(p, 2, 2, 23, &d->hour) && parse_byte(p, ':') &&
	       read_digits(p, 2, 2, 59, &d->minute) && parse_byte(p, ':') &&
	       read_digits(p, 2, 2, 60, &d->second);
}

static bool
read_zone(struct parse *p, struct mime_date *d)
{
	bool west = parse_peek(p) == '-';
	int hours;
	int minutes;

	if (!west && parse_peek(p) != '+')
		return parse_fail(p, "Bad time zone");
	p->at++;
	if (!read_digits(p, 2, 2, 23, &hours) ||
	    !read_digits(p, 2, 2, 59, &minutes))
		return false;
	d->zone_m = hours * 60 + minutes;
	if (west)
		d->zone_m = -d->zone_m;
	return true;
}

bool
parse_date_time(struct parse *p, int64_t *unix_s, int16_t *zone_min)
{
	struct mime_date d = { .year = 0 };

	if (!parse_byte(p, '"'))
		return false;
	/* date-day-fixed: " 1" or "01" */
	if (parse_skip(p, ' ') ? !read_digits(p, 1, 1, 9, &d.day)
			       : !read_digits(p, 2, 2, 31, &d.day))
		return false;
	if (!read_month_year(p, &d) || !parse_space(p) || !read_time(p, &d) ||
	    !parse_space(p) || !read_zone(p, &d) || !parse_byte(p, '"'))
		return false;
	*unix_s = mime_date_unix(&d);
	*zone_min = (int16_t)d.zone_m;
	return true;
}
