#include "common/mime/date.h"

#include "common/address/token.h"
#include "common/base/ascii.h"
#include "common/base/num.h"

/* clang-format off */
static const struct {
	const char name[5];
	int zone_m;
} zones[] = { /* RFC 5322 §4.3; other letters mean -0000 */
	{ "ut", 0 }, { "gmt", 0 }, { "utc", 0 }, { "z", 0 },
	{ "est", -300 }, { "edt", -240 }, { "cst", -360 }, { "cdt", -300 },
	{ "mst", -420 }, { "mdt", -360 }, { "pst", -480 }, { "pdt", -420 },
};
/* clang-format on */

int
mime_month(struct slice name)
{
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (name.len != 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (slice_ieq(name, slice_of(months + 3 * i, 3)))
			return i + 1;
	return 0;
}

int
mime_month_days(int year, int month)
{
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month == 2)
		return leap ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int64_t
mime_date_days(int year, int month, int day)
{
	/* count from March of year 0, so that the leap day comes last */
	int64_t y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400;

	return days + (153 * m + 2) / 5 + day - 1 - 719468;
}

int64_t
mime_date_unix(const struct mime_date *d)
{
	int64_t s = mime_date_days(d->year, d->month, d->day) * 86400;

	return s + d->hour * 3600 + d->minute * 60 + d->second -
	       (int64_t)d->zone_m * 60;
}

/* The reverse of mime_date_days(): years of 400 repeat, from March on. */
static void
set_day(struct mime_date *d, int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t m = (5 * doy + 2) / 153;

	d->day = (int)(doy - (153 * m + 2) / 5 + 1);
	d->month = (int)(m < 10 ? m + 3 : m - 9);
	d->year = (int)(yoe + era * 400 + (d->month <= 2));
}

void
mime_date_from_unix(struct mime_date *d, int64_t unix_s, int zone_m)
{
	int64_t first = mime_date_days(1, 1, 2) * 86400;
	int64_t last = mime_date_days(9999, 12, 30) * 86400;
	int64_t s = MAX(first, MIN(last, unix_s)) + (int64_t)zone_m * 60;
	int64_t days = (s >= 0 ? s : s - 86399) / 86400;
	int left = (int)(s - days * 86400);

	set_day(d, days);
	d->hour = left / 3600;
	d->minute = left / 60 % 60;
	d->second = left % 60;
	d->zone_m = zone_m;
}

static struct slice
next_token(struct token_in *c)
{
	(void)token_cfws(c, NULL);
	return token_run(c, TOKEN_DATE);
}

static bool
number(struct token_in *c, int max, int *v, size_t *digits)
{
	struct slice s = next_token(c);
	uint64_t n;

	if (s.len > 4 || num_parse(s, (uint64_t)max, &n) == -1)
		return false;
	*v = (int)n;
	*digits = s.len;
	return true;
}

static bool
parse_day(struct token_in *c, struct mime_date *d)
{
	size_t start;
	size_t digits;

	(void)token_cfws(c, NULL);
	if (ascii_alpha((char)token_peek(c))) {
		(void)next_token(c);
		(void)token_cfws(c, NULL);
		(void)token_skip(c, ',');
	}
	start = c->at;
	if (!number(c, 31, &d->day, &digits)) {
		c->at = start;
		return false;
	}
	d->month = mime_month(next_token(c));
	if (d->month == 0 || !number(c, 9999, &d->year, &digits))
		return false;
	if (digits == 2) /* §4.3 */
		d->year += d->year < 50 ? 2000 : 1900;
	else if (digits == 3)
		d->year += 1900;
	return d->year > 0 && d->day > 0 &&
	       d->day <= mime_month_days(d->year, d->month);
}

static bool
parse_time(struct token_in *c, struct mime_date *d)
{
	size_t digits;

	if (!number(c, 23, &d->hour, &digits))
		return false;
	(void)token_cfws(c, NULL);
	if (!token_skip(c, ':') || !number(c, 59, &d->minute, &digits))
		return false;
	(void)token_cfws(c, NULL);
	if (token_skip(c, ':') && !number(c, 60, &d->second, &digits))
		return false;
	return true;
}

static void
parse_zone(struct token_in *c, struct mime_date *d)
{
	struct slice s = next_token(c);
	uint64_t n;

	if (s.len == 5 && (s.p[0] == '+' || s.p[0] == '-') &&
	    num_parse(slice_sub(s, 1, 4), 2359, &n) == 0 && n % 100 < 60) {
		d->zone_m = (int)(n / 100 * 60 + n % 100);
		if (s.p[0] == '-')
			d->zone_m = -d->zone_m;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(zones); i++)
		if (slice_ieq(s, slice_str(zones[i].name)))
			d->zone_m = zones[i].zone_m;
}

bool
mime_date_parse(struct mime_date *d, struct slice value)
{
	struct token_in c = { .in = value };

	*d = (struct mime_date){ .year = 0 };
	if (!parse_day(&c, d) || !parse_time(&c, d)) {
		*d = (struct mime_date){ .year = 0 };
		return false;
	}
	parse_zone(&c, d);
	return true;
}

int
mime_date_put(struct buf *b, int64_t unix_s)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct mime_date d;
	int64_t weekday;

	mime_date_from_unix(&d, unix_s, 0);
	/* 1970-01-01 was a Thursday. */
	weekday = (mime_date_days(d.year, d.month, d.day) % 7 + 11) % 7;
	return buf_printf(b, "%.3s, %02d %.3s %04d %02d:%02d:%02d +0000",
	    days + 3 * weekday, d.day, names + 3 * (d.month - 1), d.year,
	    d.hour, d.minute, d.second);
}
