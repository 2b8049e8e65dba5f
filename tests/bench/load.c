#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, BUFFER_MAX = 64 << 20 };

void
load_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
load_must(int rc)
{
	if (rc == -1)
		load_die("no memory");
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Tell the caller something and wait until it says to go on. */
static void
gate(const char *line)
{
	char answer[16];

	if (printf("%s\n", line) < 0 || fflush(stdout) != 0)
		load_die("nobody reads: %s", strerror(errno));
	if (fgets(answer, sizeof(answer), stdin) == NULL)
		exit(0);
}

static void
open_next(struct load *l, struct conn *c)
{
	c->user = l->opt.user_first + l->opened++ % l->opt.users;
	c->part = PART_GREETING;
	c->step = c->answered = 0;
	c->under_way = c->first = 0;
	c->skip = 0;
	c->inside = false;
	if (!l->opt.keep) {
		c->op = ++l->begun;
		c->began_us = now_us();
	}
	net_open(l, c);
}

static void
send_step(struct load *l, struct conn *c, const struct load_protocol *p)
{
	struct buf text = BUF_INIT(BUFFER_MAX);

	script_expand(l, c, l->opt.part[c->part].steps[c->step], &text);
	p->send(c, buf_slice(&text));
	buf_free(&text);
	c->step++;
	c->under_way++;
}

/* Begin the next operation of a kept connection. Is there one? */
static bool
next_op(struct load *l, struct conn *c)
{
	if (c->step > 0 && c->step < l->opt.part[PART_OPS].count)
		return true;
	if (l->begun == l->opt.ops)
		return false;
	c->op = ++l->begun;
	c->began_us = now_us();
	c->step = 0;
	return true;
}

/* Is there a command to be sent now? Moves on from part to part. */
static bool
has_step(struct load *l, struct conn *c)
{
	unsigned depth = c->part == PART_OPS ? l->opt.depth : 1;

	if (c->part == PART_GREETING || c->part == PART_END || c->mute ||
	    c->under_way >= depth)
		return false;
	if (c->part == PART_OPS && l->opt.keep)
		return next_op(l, c);
	if (c->step < l->opt.part[c->part].count)
		return true;
	c->part++;
	c->step = 0;
	if (c->part == PART_OPS && l->opt.keep) {
		c->mute = true;
		l->waiting++;
	}
	return has_step(l, c);
}

static void
op_done(struct load *l, struct conn *c)
{
	l->latency_us[l->done++] = (uint32_t)(now_us() - c->began_us);
}

void
load_answer(struct load *l, struct conn *c)
{
	if (c->part == PART_GREETING) {
		c->part = PART_BEFORE;
		return;
	}
	if (c->under_way == 0)
		load_die("an answer that nobody asked for");
	c->under_way--;
	if (c->part != PART_OPS || !l->opt.keep)
		return;
	if (++c->answered == l->opt.part[PART_OPS].count) {
		c->answered = 0;
		op_done(l, c);
	}
}

/* A connection came to its end, by the server or because all is said. */
static void
ended(struct load *l, struct conn *c)
{
	if (c->part != PART_END)
		load_die("the server closed the connection");
	net_close(c);
	if (!l->opt.keep)
		op_done(l, c);
	if (!l->opt.keep && l->begun < l->opt.ops)
		open_next(l, c);
	else
		l->closed++;
}

static void
pump(struct load *l, struct conn *c, const struct load_protocol *p)
{
	while (has_step(l, c))
		send_step(l, c, p);
	/* After a last command the server closes; without one, we do. */
	if (c->part == PART_END && c->under_way == 0 &&
	    l->opt.part[PART_AFTER].count == 0)
		ended(l, c);
	if (c->fd != -1 && c->opened && c->out.len > 0)
		net_flush(c);
	net_arm(l, c);
}

static void
handle(struct load *l, struct conn *c, const struct load_protocol *p)
{
	bool alive = net_step(l, c);

	p->consume(l, c);
	if (!alive && c->part == PART_AFTER && c->under_way == 0)
		(void)has_step(l, c); /* to its end */
	if (!alive)
		ended(l, c);
	pump(l, c, p);
}

/* Until so many connections wait or are closed, or all work is done. */
static void
run(struct load *l, const struct load_protocol *p, bool (*until)(struct load *))
{
	struct epoll_event ev[EVENTS_MAX];
	int n;

	while (!until(l)) {
		n = epoll_wait(l->epoll, ev, EVENTS_MAX, 120000);
		if (n == -1 && errno != EINTR)
			load_die("epoll: %s", strerror(errno));
		if (n == 0)
			load_die("no answer for two minutes, %llu of %llu done",
			    (unsigned long long)l->done,
			    (unsigned long long)l->opt.ops);
		for (int i = 0; i < n; i++)
			handle(l, ev[i].data.ptr, p);
	}
}

static bool
all_wait(struct load *l)
{
	return l->waiting == l->opt.clients;
}

static bool
all_done(struct load *l)
{
	return l->done == l->opt.ops;
}

static bool
all_closed(struct load *l)
{
	return l->closed == l->opt.clients;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
report(struct load *l)
{
	double seconds = (double)(now_us() - l->start_us) / 1e6;
	size_t n = (size_t)l->done;
	char line[512];

	if (l->rows_seen < l->opt.rows)
		load_die("%llu rows of %llu", (unsigned long long)l->rows_seen,
		    (unsigned long long)l->opt.rows);
	qsort(l->latency_us, n, sizeof(l->latency_us[0]), by_size);
	snprintf(line, sizeof(line),
	    "{\"ops\": %zu, \"seconds\": %.6f, \"bytes\": %llu, "
	    "\"rows\": %llu, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}",
	    n, seconds, (unsigned long long)l->bytes,
	    (unsigned long long)l->rows_seen, l->latency_us[n / 2],
	    l->latency_us[n - 1 - n / 100], l->latency_us[n - 1]);
	gate(line);
}

static void
start_clock(struct load *l)
{
	gate("ready");
	l->bytes = l->rows_seen = 0;
	l->start_us = now_us();
}

/* Connections stay: log in, wait for the word, work, report, leave. */
static void
run_kept(struct load *l, const struct load_protocol *p)
{
	for (unsigned i = 0; i < l->opt.clients; i++)
		open_next(l, &l->conns[i]);
	run(l, p, all_wait);
	start_clock(l);
	for (unsigned i = 0; i < l->opt.clients; i++) {
		l->conns[i].mute = false;
		pump(l, &l->conns[i], p);
	}
	run(l, p, all_done);
	report(l);
	for (unsigned i = 0; i < l->opt.clients; i++) {
		l->conns[i].part = PART_AFTER;
		l->conns[i].step = 0;
		pump(l, &l->conns[i], p);
	}
	run(l, p, all_closed);
}

/* An operation is a connection from its beginning to its end. */
static void
run_sessions(struct load *l, const struct load_protocol *p)
{
	start_clock(l);
	for (unsigned i = 0; i < l->opt.clients; i++)
		open_next(l, &l->conns[i]);
	run(l, p, all_closed);
	report(l);
}

int
load_main(int argc, char **argv, const struct load_protocol *p)
{
	struct load l = { .random = 88172645463325252U };

	script_options(&l.opt, argc, argv, p->name);
	if (l.opt.clients > l.opt.ops)
		l.opt.clients = (unsigned)l.opt.ops;
	signal(SIGPIPE, SIG_IGN);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.conns = calloc(l.opt.clients, sizeof(l.conns[0]));
	l.latency_us = calloc((size_t)l.opt.ops, sizeof(l.latency_us[0]));
	if (l.epoll == -1 || l.conns == NULL || l.latency_us == NULL)
		load_die("no memory");
	l.tls = l.opt.tls ? net_tls() : NULL;
	for (unsigned i = 0; i < l.opt.clients; i++) {
		l.conns[i].fd = -1;
		buf_init(&l.conns[i].in, BUFFER_MAX);
		buf_init(&l.conns[i].out, BUFFER_MAX);
	}
	if (l.opt.keep)
		run_kept(&l, p);
	else
		run_sessions(&l, p);
	for (unsigned i = 0; i < l.opt.clients; i++) {
		net_close(&l.conns[i]);
		buf_free(&l.conns[i].in);
		buf_free(&l.conns[i].out);
	}
	SSL_CTX_free(l.tls);
	close(l.epoll);
	free(l.conns);
	free(l.latency_us);
	return 0;
}
