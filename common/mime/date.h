#ifndef COMMON_MIME_DATE_H
#define COMMON_MIME_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/* date - the Date field (RFC 5322 §3.3, obsolete forms of §4.3). */
struct mime_date {
	int year;   /* 1 to 9999 */
	int month;  /* 1 to 12 */
	int day;    /* 1 to the last of the month */
	int hour;   /* 0 to 23 */
	int minute; /* 0 to 59 */
	int second; /* 0 to 60 */
	int zone_m; /* minutes east of UTC, -1439 to 1439 */
};

/* Read a raw field value; false, *d zeroed, when it is no date. */
bool mime_date_parse(struct mime_date *d, struct slice value);

/* "jan" to "dec" without case: 1 to 12, or 0. */
int mime_month(struct slice name);

/* Days since 1970-01-01, in the Gregorian calendar for ever. */
int64_t mime_date_days(int year, int month, int day);

/* Seconds since the epoch, the zone taken into account. */
int64_t mime_date_unix(const struct mime_date *d);

/* What a clock in a zone shows; years beyond 1 to 9999 become those. */
void mime_date_from_unix(struct mime_date *d, int64_t unix_s, int zone_m);

/*
 * Append it as a Date field wants it, in UTC: "Mon, 23 Nov 2026 09:00:00
 * +0000" (RFC 5322 §3.3). Errors as buf_append().
 */
int mime_date_put(struct buf *b, int64_t unix_s) MUST_USE;

/* Days in this month. */
int mime_month_days(int year, int month);

#endif
