#include "queue/space.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/statvfs.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "queue/queue.h"

#define LOOK_MS     1000
#define FILES_LEAST 256U
#define WINDOW      (16U * 1024 * 1024)
#define STUB_BYTES  160U /* of memory for a mail that waits */

static const struct space_answer takes = { 250, "2.0.0", "OK" };
static const struct space_answer starting = { 451, "4.3.2",
	"Queue is starting, try again shortly" };
static const struct space_answer stopping = { 421, "4.3.2",
	"Service is shutting down" };
static const struct space_answer disk_full = { 452, "4.3.1",
	"Insufficient system storage" };
static const struct space_answer log_full = { 452, "4.3.1",
	"Queue is full, try again later" };
static const struct space_answer disk_bad = { 451, "4.3.0",
	"Queue cannot write, try again later" };
static const struct space_answer memory_full = { 452, "4.3.1",
	"Too many mails queued, try again later" };

static void
look(struct queue *q)
{
	struct statvfs st;

	q->space.looked_ms = clock_boot_ms();
	if (fstatvfs(q->root, &st) == -1) {
		log_error("event=statvfs-failed errno=%d", errno);
		return; /* what was known stays */
	}
	q->space.free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	/* Some file systems make inodes as they go and count none. */
	q->space.free_files = st.f_files == 0 ? UINT64_MAX : st.f_favail;
}

static void
look_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	space_update(arg);
}

int
space_init(struct queue *q)
{
	q->space.now = starting;
	q->space.on_look = event_new(q->base, -1, 0, look_event, q);
	look(q);
	return q->space.on_look == NULL ? -1 : 0;
}

void
space_free(struct queue *q)
{
	if (q->space.on_look != NULL)
		event_free(q->space.on_look);
	q->space.on_look = NULL;
}

bool
space_for(struct queue *q, uint64_t bytes)
{
	uint64_t reserve = (uint64_t)q->config->queue_disk_reserve;

	if (clock_boot_ms() - q->space.looked_ms >= LOOK_MS)
		look(q);
	return q->space.free_files >= FILES_LEAST &&
	       q->space.free_bytes >= reserve &&
	       q->space.free_bytes - reserve >= bytes;
}

static const struct space_answer *
judge(struct queue *q)
{
	uint64_t memory = (uint64_t)q->config->queue_memory;

	if (q->stopping)
		return &stopping;
	if (!q->ready)
		return &starting;
	if (!space_for(q, 0))
		return &disk_full;
	if (q->mails.count > memory / STUB_BYTES * 4)
		return &memory_full;
	switch (log_takes_mail(&q->log)) {
	case 0:
		return &takes;
	case ENOSPC:
		return &log_full;
	default:
		return &disk_bad;
	}
}

void
space_tell(struct queue *q, struct ipc_chan *c)
{
	const struct space_answer *a = &q->space.now;
	const struct ipc_intake_state m = { .code = a->code,
		.window = WINDOW,
		.enhanced = slice_str(a->enhanced),
		.text = slice_str(a->text) };

	if (ipc_send_msg(c, intake_state, 0, 0, &m) == -1)
		log_warn(
		    "event=peer-gone peer=%s", proc_name(ipc_chan_peer(c)));
}

static void
tell_all(struct queue *q)
{
	for (unsigned i = 0; i < q->chan_count; i++)
		if ((PROC_BIT(ipc_chan_peer(q->chans[i])) & SENDERS) != 0)
			space_tell(q, q->chans[i]);
}

void
space_update(struct queue *q)
{
	const struct space_answer *a = judge(q);

	if (a->code != 250 && !q->stopping)
		(void)event_add(
		    q->space.on_look, &(struct timeval){ LOOK_MS / 1000, 0 });
	if (a->text == q->space.now.text)
		return;
	if (a->code == 250)
		log_info("event=intake state=open");
	else
		log_warn("event=intake state=closed code=%u reason=%s", a->code,
		    a->text);
	q->space.now = *a;
	tell_all(q);
}

const struct space_answer *
space_now(struct queue *q)
{
	if (q->space.now.code == 250 &&
	    clock_boot_ms() - q->space.looked_ms >= LOOK_MS)
		space_update(q);
	return &q->space.now;
}
