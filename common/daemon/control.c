/* What master tells a daemon: the receiving half of the control channel. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/daemon/state.h"

#define CONFIG_MAX ((size_t)4 * 1024 * 1024)

NORETURN static void
bad_frame(const char *name)
{
	log_die("event=control-message-bad name=%s", name);
}

static struct config *
read_config(int fd)
{
	struct buf text = BUF_INIT(CONFIG_MAX);
	struct buf problems = BUF_INIT(65536);
	bool apart = mem_apart(false); /* sessions read it */
	struct config *c = NULL;

	if (fd != -1 && file_pread(fd, &text) == 0)
		c = config_parse(buf_slice(&text), &problems);
	if (c == NULL)
		log_die(
		    "event=configuration-bad problems=%s", buf_str(&problems));
	buf_free(&text);
	buf_free(&problems);
	(void)mem_apart(apart);
	return c;
}

static void
set_log(const struct daemon *d, bool with_time)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	log_open(proc_name(d->proc), 2, with_time);
	if (!d->started) /* what ps and the kernel call us */
		(void)prctl(PR_SET_NAME, proc_name(d->proc), 0, 0, 0);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(d->next_config->log_level, names[i]) == 0)
			log_level((enum log_level)i);
}

static void
on_start(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct ipc_ctl_start m;

	(void)c;
	if (ipc_ctl_start_decode(&m, f->payload) == -1 || f->fd == -1)
		bad_frame("start");
	config_free(d->next_config);
	d->next_config = read_config(f->fd);
	if (!d->started) {
		d->proc = (enum proc)m.proc;
		d->instance = m.instance;
		d->uid = m.uid;
		d->gid = m.gid;
		d->may = m.may;
	}
	set_log(d, m.log_time != 0);
}

static void
on_root(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;

	(void)c;
	if (d->started || f->fd == -1)
		return;
	fd_close(d->root_fd);
	d->root_fd = f->fd;
	f->fd = -1;
}

static void
on_listener(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct daemon_listener *l;
	struct ipc_ctl_listener m;

	(void)c;
	if (ipc_ctl_listener_decode(&m, f->payload) == -1 || f->fd == -1 ||
	    m.service == 0 || m.service >= LISTEN_COUNT)
		bad_frame("listener");
	if (d->started)
		return; /* a daemon that reloads in place keeps its own */
	if (d->listener_count == LISTENERS_MAX)
		log_die("event=too-many-listeners");
	l = &d->listeners[d->listener_count++];
	l->service = (enum daemon_service)m.service;
	if (slice_copy(l->address, sizeof(l->address), m.address) == -1 ||
	    fd_nonblock(f->fd) == -1)
		bad_frame("listener");
	l->fd = f->fd;
	f->fd = -1;
}

static struct daemon_file *
find_file(struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->file_count; i++)
		if (strcmp(d->files[i].name, name) == 0)
			return &d->files[i];
	return NULL;
}

static void
on_file(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct daemon_file *file = NULL;
	struct ipc_ctl_file m;
	char name[sizeof(file->name)];

	(void)c;
	if (ipc_ctl_file_decode(&m, f->payload) == -1 ||
	    slice_copy(name, sizeof(name), m.name) == -1)
		bad_frame("file");
	if (strcmp(name, "log") == 0 && f->fd != -1) { /* rotated */
		log_flush();
		if (dup2(f->fd, 2) == -1)
			log_die("event=log-lost");
		return;
	}
	file = find_file(d, name);
	if (file == NULL) {
		if (f->fd == -1)
			return;
		if (d->file_count == FILES_MAX)
			log_die("event=too-many-files");
		file = &d->files[d->file_count++];
		file->fd = -1;
		memcpy(file->name, name, sizeof(name));
	}
	fd_close(file->fd);
	file->fd = f->fd;
	f->fd = -1;
}

static void
on_peer(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct ipc_ctl_peer m;

	(void)c;
	if (ipc_ctl_peer_decode(&m, f->payload) == -1 || m.proc >= PROC_COUNT)
		bad_frame("peer");
	peers_set(d, (enum proc)m.proc, m.instance, m.epoch, f->fd);
	f->fd = -1;
}

/* What came is in force from here on; -1: what was still is. */
static int
take_config(struct daemon *d)
{
	struct config *old = d->config;

	if (d->next_config == NULL)
		return 0;
	d->config = d->next_config;
	d->next_config = NULL;
	if (!d->started || d->spec->reload == NULL) {
		config_free(old);
		return 0;
	}
	if (d->spec->reload(d) == -1) {
		log_error("event=reload-failed keeps=\"what was\"");
		config_free(d->config);
		d->config = old;
		return -1;
	}
	config_free(old);
	log_info("event=reloaded");
	return 0;
}

static void
on_go(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct ipc_ctl_ready ready = { .reload = 1 };

	(void)f;
	ready.refused = take_config(d) == -1;
	if (d->config == NULL)
		bad_frame("go");
	d->going = true;
	if (!d->started)
		(void)event_base_loopbreak(d->base);
	else if (ipc_send_msg(c, ctl_ready, 0, 0, &ready) == -1)
		log_die("event=control-lost");
}

static void
on_stop(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct ipc_ctl_stop m;

	(void)c;
	if (ipc_ctl_stop_decode(&m, f->payload) == -1)
		bad_frame("stop");
	if (d->started && d->spec->stop != NULL && m.grace_ms > 0)
		d->spec->stop(d, m.grace_ms);
	else
		daemon_exit(d);
}

static void
on_ping(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct daemon *d = arg;
	struct ipc_ctl_pong pong = { 0 };
	struct ipc_ctl_ping m;
	char text[256] = "";

	if (ipc_ctl_ping_decode(&m, f->payload) == -1)
		bad_frame("ping");
	if (d->started && d->spec->status != NULL)
		d->spec->status(d, text, sizeof(text));
	pong.number = m.number;
	pong.heap_kib = (uint32_t)(mem_in_use() / 1024);
	pong.status = slice_of(text, strnlen(text, sizeof(text) - 1));
	if (ipc_send_msg(c, ctl_pong, 0, 0, &pong) == -1)
		log_die("event=control-lost");
}

static void
on_master_gone(void *arg, struct ipc_chan *c)
{
	struct daemon *d = arg;

	(void)c;
	if (!d->leaving)
		log_warn("event=master-gone");
	_exit(0); /* what must survive is on the disk already */
}

static const struct ipc_handler handlers[] = {
	{ IPC_CTL_START, on_start },
	{ IPC_CTL_ROOT, on_root },
	{ IPC_CTL_LISTENER, on_listener },
	{ IPC_CTL_FILE, on_file },
	{ IPC_CTL_PEER, on_peer },
	{ IPC_CTL_GO, on_go },
	{ IPC_CTL_STOP, on_stop },
	{ IPC_CTL_PING, on_ping },
	{ 0, NULL },
};

static const struct ipc_ops ops = { .handlers = handlers,
	.closed = on_master_gone };

void
control_open(struct daemon *d)
{
	if (fd_cloexec(CONTROL_FD, 1) == -1)
		log_die("event=start-failed what=\"descriptor 3 is no control "
			"channel: daemons are started by master\"");
	/* Until CTL_START tells who we are, any daemon's mask fits. */
	d->proc = d->spec->procs[0];
	d->control = ipc_chan_new(d->base, CONTROL_FD, d->proc, PROC_MASTER, 0);
	ipc_chan_ops(d->control, &ops, d);
}
