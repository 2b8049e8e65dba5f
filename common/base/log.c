#include "common/base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/clock.h"

#define LINE_MAX_BYTES  4096
#define VALUE_MAX_BYTES 512
#define HELD_MAX_BYTES  4096 /* PIPE_BUF: written whole even to a pipe */
#define MAIL_FACILITY   (2 * 8)
#define DUE_MS          10000

static struct {
	const char *program;
	int fd;
	int pid; /* kept: asking the kernel at each line costs */
	bool with_time;
	bool is_socket;
	int facility; /* without time: for syslog */
	enum log_level least;
	/* Threads write lines, too. */
	_Atomic uint64_t dropped; /* since the last that was written */
	_Atomic bool torn;        /* half a line stands at the end */
} out = {
	.program = "wemmick", .fd = 2, .with_time = true, .least = LOG_INFORM
};

/* Lines that wait for log_flush(), of the one thread that has a loop. */
static struct {
	size_t len;
	char text[HELD_MAX_BYTES];
} held;
static _Thread_local bool holding;

/* The second of the last line, formatted: most lines share it. */
struct stamp {
	time_t second; /* 0: none yet */
	char text[24];
};
static _Thread_local struct stamp stamp;

/* The line under construction; len never exceeds cap - 1. */
struct line {
	char *dst;
	size_t cap;
	size_t len;
};

static void
put(struct line *l, const char *s, size_t n)
{
	size_t room = l->cap - 1 - l->len;

	if (n > room)
		n = room;
	memcpy(l->dst + l->len, s, n);
	l->len += n;
}

static bool
needs_quotes(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!ascii_print(s[i]) || s[i] == ' ' || s[i] == '"' ||
		    s[i] == '=' || s[i] == '\\')
			return true;
	return n == 0;
}

static void
put_value(struct line *l, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	bool cut = n > VALUE_MAX_BYTES;

	if (cut)
		n = VALUE_MAX_BYTES;
	if (!needs_quotes(s, n)) {
		put(l, s, n);
		return;
	}
	put(l, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char esc[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

		if (c == '"' || c == '\\') {
			esc[1] = (char)c;
			put(l, esc, 2);
		} else if (!ascii_print((char)c)) {
			put(l, esc, 4);
		} else {
			put(l, (const char *)&c, 1);
		}
	}
	put(l, cut ? "...\"" : "\"", cut ? 4 : 1);
}

/* One conversion, as far as the format got. */
struct conversion {
	int precision; /* -1 when none */
	int width;     /* at most 30 */
	unsigned base; /* 10 or 16 */
	bool zero;
	int longs; /* 0 int, 1 long and size_t, 2 long long and intmax_t */
};

/* Digits of v in this base, padded to the width; at least one digit. */
static void
put_digits(struct line *l, const struct conversion *c, unsigned long long v,
    bool minus)
{
	unsigned base = c->base;
	char tmp[64];
	size_t n = sizeof(tmp);
	size_t width = (size_t)c->width;

	do {
		tmp[--n] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v > 0);
	while (c->zero && sizeof(tmp) - n + minus < width)
		tmp[--n] = '0';
	if (minus)
		tmp[--n] = '-';
	while (sizeof(tmp) - n < width)
		tmp[--n] = ' ';
	put(l, tmp + n, sizeof(tmp) - n);
}

struct args {
	va_list ap;
};

static const char *
parse_conversion(const char *f, struct conversion *c, struct args *a)
{
	*c = (struct conversion){ .precision = -1 };
	if (*f == '0') {
		c->zero = true;
		f++;
	}
	for (; ascii_digit(*f); f++)
		c->width = MIN(c->width * 10 + (*f - '0'), 30);
	if (*f == '.') {
		f++;
		if (*f == '*') {
			c->precision = va_arg(a->ap, int);
			f++;
		} else {
			for (c->precision = 0; ascii_digit(*f); f++)
				c->precision = c->precision * 10 + (*f - '0');
		}
	}
	for (;; f++) {
		if (*f != 'l' && *f != 'z' && *f != 'j')
			return f;
		c->longs += *f == 'j' ? 2 : 1;
	}
}

static void
put_integer(struct line *l, struct conversion *c, char type, struct args *a)
{
	bool is_signed = type == 'd' || type == 'i';
	long long d;

	c->base = type == 'x' ? 16 : 10;
	if (c->longs > 0) /* long is as long as long long here */
		d = va_arg(a->ap, long long);
	else if (is_signed)
		d = va_arg(a->ap, int);
	else
		d = (long long)va_arg(a->ap, unsigned);
	if (is_signed && d < 0)
		put_digits(l, c, 0ULL - (unsigned long long)d, true);
	else
		put_digits(l, c, (unsigned long long)d, false);
}

static void
put_string(struct line *l, const struct conversion *c, const char *s)
{
	size_t n;

	if (s == NULL) {
		put(l, "-", 1);
		return;
	}
	n = c->precision >= 0 ? strnlen(s, (size_t)c->precision) : strlen(s);
	if (c->precision >= 0)
		n = (size_t)c->precision; /* a slice may hold NULs */
	put_value(l, s, n);
}

size_t
log_format(char *dst, size_t cap, const char *fmt, va_list ap)
{
	struct line l = { dst, cap, 0 };
	struct conversion c;
	int saved = errno;
	struct args a;

	va_copy(a.ap, ap);
	for (const char *f = fmt; *f != '\0'; f++) {
		if (*f != '%') {
			put(&l, f, 1);
			continue;
		}
		f = parse_conversion(f + 1, &c, &a);
		if (*f == 's') {
			put_string(&l, &c, va_arg(a.ap, const char *));
		} else if (*f == 'c') {
			char ch = (char)va_arg(a.ap, int);

			put_value(&l, &ch, 1);
		} else if (*f == '%') {
			put(&l, "%", 1);
		} else if (*f == '\0') {
			break;
		} else {
			put_integer(&l, &c, *f, &a);
		}
	}
	va_end(a.ap);
	dst[l.len] = '\0';
	errno = saved;
	return l.len;
}

static void
put_text(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void
put_time(struct line *l)
{
	const struct conversion three = {
		.base = 10, .zero = true, .width = 3
	};
	struct timespec ts;
	struct tm tm;

	clock_wall(&ts);
	if (ts.tv_sec != stamp.second || stamp.second == 0) {
		(void)gmtime_r(&ts.tv_sec, &tm);
		(void)strftime(
		    stamp.text, sizeof(stamp.text), "%Y-%m-%dT%H:%M:%S.", &tm);
		stamp.second = ts.tv_sec;
	}
	put_text(l, stamp.text);
	put_digits(
	    l, &three, (unsigned long long)(ts.tv_nsec / 1000000), false);
	put(l, "Z ", 2);
}

static size_t
log_prefix(char *dst, size_t cap, enum log_level level)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static const int priorities[] = { 7, 6, 4, 3 };
	const struct conversion plain = { .base = 10 };
	struct line l = { dst, cap, 0 };

	if (out.pid == 0)
		out.pid = (int)getpid();
	if (out.with_time) {
		put_time(&l);
		put_text(&l, names[level]);
		put(&l, " ", 1);
	} else {
		put(&l, "<", 1);
		put_digits(&l, &plain,
		    (unsigned)(out.facility + priorities[level]), false);
		put(&l, ">", 1);
	}
	put_text(&l, out.program);
	put(&l, "[", 1);
	put_digits(&l, &plain, (unsigned)out.pid, false);
	put(&l, "]: ", 3);
	dst[l.len] = '\0';
	return l.len;
}

/*
 * A log that is full, or that nobody reads, must not stop the mail: master
 * has made pipes non-blocking, and sockets are written to without waiting.
 */
static size_t
log_write(const char *text, size_t n)
{
	ssize_t k;

	do
		k = out.is_socket
			? send(out.fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL)
			: write(out.fd, text, n);
	while (k == -1 && errno == EINTR);
	if (k > 0 && (size_t)k < n)
		out.torn = true;
	return k < 0 ? 0 : (size_t)k;
}

/* What nobody heard is counted, and said as soon as it can be. */
static bool
tell_dropped(void)
{
	uint64_t lines = atomic_exchange(&out.dropped, 0);
	char line[300] = "\n";
	bool torn = out.torn;
	size_t n = torn;

	if (lines == 0)
		return true;
	n += log_prefix(line + n, 256, LOG_WARN);
	n += (size_t)snprintf(line + n, sizeof(line) - n,
	    "event=log-dropped lines=%llu\n", (unsigned long long)lines);
	out.torn = false;
	if (log_write(line, n) == n)
		return true;
	out.torn = out.torn || torn;
	out.dropped += lines;
	return false;
}

/* Whole lines; those that do not get through are counted. */
static void
write_lines(const char *text, size_t n)
{
	int saved = errno;
	size_t done = tell_dropped() ? log_write(text, n) : 0;

	for (; done < n; done++)
		out.dropped += text[done] == '\n';
	errno = saved;
}

void
log_flush(void)
{
	size_t n = held.len;

	if (!holding || n == 0)
		return;
	held.len = 0;
	write_lines(held.text, n);
}

void
log_hold(bool on)
{
	log_flush();
	holding = on && out.facility == 0;
}

void
log_forked(void)
{
	log_flush();
	out.pid = (int)getpid();
	holding = false;
}

PRINTF(2, 0)
static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	size_t n;

	if (level < out.least)
		return;
	n = log_prefix(line, 256, level);
	errno = saved;
	n += log_format(line + n, sizeof(line) - 1 - n, fmt, ap);
	line[n++] = '\n';
	if (!holding) {
		write_lines(line, n);
		return;
	}
	if (n > sizeof(held.text) - held.len)
		log_flush();
	memcpy(held.text + held.len, line, n);
	held.len += n;
	if (level >= LOG_WARN)
		log_flush();
}

/*
 * syslog's socket takes datagrams; the journal's stream knows a priority
 * without facility only (sd-daemon(3)).
 */
static int
facility_of(int fd, bool *is_socket)
{
	int type = 0;
	socklen_t len = sizeof(type);

	*is_socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	return *is_socket && type == SOCK_DGRAM ? MAIL_FACILITY : 0;
}

void
log_open(const char *program, int fd, bool with_time)
{
	bool was_holding = holding;

	log_flush();
	out.pid = (int)getpid();
	out.program = program;
	out.fd = fd;
	out.with_time = with_time;
	out.facility = facility_of(fd, &out.is_socket);
	if (with_time)
		out.facility = 0;
	log_hold(was_holding);
}

void
log_level(enum log_level least)
{
	out.least = least;
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_DEBUGGING, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_INFORM, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_WARN, fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_FAIL, fmt, ap);
	va_end(ap);
}

bool
log_due(int64_t *said_ms)
{
	int64_t now = clock_boot_ms();

	if (*said_ms != 0 && now - *said_ms < DUE_MS)
		return false;
	*said_ms = now;
	return true;
}

NORETURN void
log_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_FAIL, fmt, ap);
	va_end(ap);
	exit(1);
}
