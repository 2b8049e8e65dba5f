/* The control socket: status, reload, stop for the administrator. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/event/acceptor.h"
#include "master/master.h"

#define ANSWER_MS 500   /* for daemons that are asked how they are */
#define RELOAD_MS 15000 /* for a reload; then it is said to take longer */

static void
done(struct ipc_chan *c, uint32_t request, bool ok, const char *text)
{
	const struct ipc_admin_done m = { .ok = ok,
		.text = slice_of(text, strnlen(text, 1000)) };

	if (ipc_send_msg(c, admin_done, IPC_REPLY, request, &m) == -1)
		log_warn("event=control-client-gone");
}

static const char *
state_name(const struct slot *s)
{
	switch (s->state) {
	case SLOT_STARTING:
		return "starting";
	case SLOT_RUNNING:
		return "running";
	case SLOT_DRAINING:
		return "draining";
	case SLOT_WAITING:
		return "waiting";
	case SLOT_EMPTY:
		break;
	}
	return "none";
}

/* status is the daemon's own text: no quote of its may end ours. */
static int
put_status_text(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++) {
		char c = *text;

		if (c == '"' || c == '\\' || (unsigned char)c < 0x20)
			c = ' ';
		if (buf_append_byte(b, c) == -1)
			return -1;
	}
	return 0;
}

static void
send_row(struct ipc_chan *c, uint32_t request, const struct slot *s)
{
	struct buf row = BUF_INIT(4096);
	struct ipc_admin_row m;
	int64_t up = s->pid > 0 ? clock_boot_ms() - s->started_ms : 0;

	if (buf_printf(&row,
		"{\"process\":\"%s\",\"instance\":%u,\"pid\":%d,"
		"\"state\":\"%s\",\"uptime\":%lld,\"restarts\":%u,"
		"\"heap_kib\":%u,\"status\":\"",
		proc_name(s->service->proc), s->instance, (int)s->pid,
		state_name(s), (long long)up / 1000, s->restarts,
		s->heap_kib) == 0 &&
	    put_status_text(&row, s->status) == 0 &&
	    buf_append_str(&row, "\"}") == 0) {
		m.text = buf_slice(&row);
		if (ipc_send_msg(
			c, admin_row, IPC_REPLY | IPC_MORE, request, &m) == -1)
			log_warn("event=control-client-gone");
	}
	buf_free(&row);
}

static void
send_status(struct master *m, struct ipc_chan *c, uint32_t request)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (m->slots[i].state != SLOT_EMPTY)
			send_row(c, request, &m->slots[i]);
	done(c, request, true, "");
}

static void
answer_askers(struct master *m)
{
	(void)event_del(m->answer_timer);
	while (m->asker_count > 0) {
		struct asker a = m->askers[--m->asker_count];

		send_status(m, a.c, a.request);
	}
}

void
admin_answered(struct master *m)
{
	if (m->asker_count > 0 && slots_answered(m))
		answer_askers(m);
}

static void
on_answer_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer_askers(arg);
}

/* What everybody says now; of who does not answer, what it said last. */
static void
ask_everybody(struct master *m, struct ipc_chan *c, uint32_t request)
{
	const struct timeval patience = { 0, ANSWER_MS * 1000 };

	if (m->asker_count == ASKERS_MAX)
		answer_askers(m);
	m->askers[m->asker_count++] = (struct asker){ c, request };
	slots_ping(m);
	if (slots_answered(m) || event_add(m->answer_timer, &patience) == -1)
		answer_askers(m);
}

static void
on_closed(void *arg, struct ipc_chan *c)
{
	struct master *m = arg;
	size_t kept = 0;

	for (size_t i = 0; i < m->asker_count; i++)
		if (m->askers[i].c != c)
			m->askers[kept++] = m->askers[i];
	m->asker_count = kept;
	kept = 0;
	for (size_t i = 0; i < m->reloader_count; i++)
		if (m->reloaders[i].c != c)
			m->reloaders[kept++] = m->reloaders[i];
	m->reloader_count = kept;
}

void
admin_reloaded(struct master *m, const char *why)
{
	(void)event_del(m->reload_timer);
	while (m->reloader_count > 0) {
		struct asker a = m->reloaders[--m->reloader_count];

		done(a.c, a.request, why == NULL, why == NULL ? "" : why);
	}
}

static void
on_reload_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	admin_reloaded(arg, "it is still under way; the log says why");
}

/* Whoever asked for it is told when all have the new configuration. */
static void
await_reload(struct master *m, struct ipc_chan *c, uint32_t request)
{
	const struct timeval patience = { RELOAD_MS / 1000, 0 };

	if (!m->reloading) {
		done(c, request, true, "");
		return;
	}
	m->reloaders[m->reloader_count++] = (struct asker){ c, request };
	if (m->reloader_count == ASKERS_MAX ||
	    event_add(m->reload_timer, &patience) == -1)
		on_reload_timer(-1, 0, m);
}

static void
reload(struct master *m, struct ipc_chan *c, uint32_t request)
{
	struct buf problems = BUF_INIT(65536);
	const char *why = lifecycle_reload(m, &problems);

	if (why == NULL) {
		await_reload(m, c, request);
	} else {
		(void)!buf_printf(&problems, "%s", why);
		done(c, request, false, buf_str(&problems));
	}
	buf_free(&problems);
}

static void
on_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct master *m = arg;
	struct ipc_admin_ask ask;

	if (ipc_admin_ask_decode(&ask, f->payload) == -1) {
		done(c, f->request, false, "malformed");
		return;
	}
	switch (ask.verb) {
	case ADMIN_STATUS:
		ask_everybody(m, c, f->request);
		break;
	case ADMIN_RELOAD:
		reload(m, c, f->request);
		break;
	case ADMIN_STOP:
		done(c, f->request, true, "");
		lifecycle_stop(m);
		break;
	default:
		done(c, f->request, false, "not a question for master");
	}
}

static const struct ipc_handler handlers[] = { { IPC_ADMIN_ASK, on_ask },
	{ 0, NULL } };
static const struct ipc_ops ops = { .handlers = handlers, .closed = on_closed };

static void
take_command(void *arg, int fd)
{
	struct master *m = arg;
	struct ipc_chan *c =
	    ipc_chan_new(m->base, fd, PROC_MASTER, PROC_CLI, 0);

	ipc_chan_ops(c, &ops, m);
}

void
admin_listen(struct master *m)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char *path = xasprintf("%s/master.sock", m->config->run_directory);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1 ||
	    slice_copy(sun.sun_path, sizeof(sun.sun_path), slice_str(path)) ==
		-1 ||
	    (unlink(path) == -1 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    chmod(path, 0600) == -1 || listen(fd, 16) == -1)
		log_die("event=cannot-listen address=%s error=%s", path,
		    strerror(errno));
	m->acceptor = acceptor_new(m->base, fd, take_command, m);
	m->answer_timer = evtimer_new(m->base, on_answer_timer, m);
	m->reload_timer = evtimer_new(m->base, on_reload_timer, m);
	if (m->acceptor == NULL || m->answer_timer == NULL ||
	    m->reload_timer == NULL)
		log_die("event=cannot-listen address=%s", path);
	free(path);
}
