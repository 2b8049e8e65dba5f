#include "deliver/pipeline.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/event/worker.h"
#include "deliver/drop.h"

#define IN_FLIGHT_MAX 256 /* recipients between write and report */
#define PACE_MS       20  /* from sync to sync, while mail keeps coming */

/* The sync of all devices that wait. The descriptors stay open. */
struct sync_job {
	struct worker_sync sync; /* first member */
	struct pipeline *pipeline;
};

struct job {
	TAILQ_ENTRY(job) link;
	struct work *w; /* owned */
	size_t next;    /* recipient to write next */
	size_t open;    /* recipients not reported */
};

TAILQ_HEAD(jobs, job);

struct item {
	TAILQ_ENTRY(item) link;
	struct job *job;
	size_t rcpt;
	struct drop drop;
};

TAILQ_HEAD(items, item);

struct pipeline {
	int root;
	struct drop_boxes boxes; /* of what is being written now */
	dev_t root_device;
	struct worker *worker;
	struct sync_job sync;
	struct event *pump;
	struct jobs waiting;     /* jobs with recipients not written */
	struct jobs all;         /* ... and those behind them */
	struct items written;    /* content not durable */
	struct items syncing;    /* content rides on the sync under way */
	struct items published;  /* renamed, not durable */
	struct items confirming; /* rename rides on the sync under way */
	size_t in_flight;
	size_t job_count;
	bool sync_running;
	int64_t sync_ms; /* when the last one was started; boot clock */
	void (*when_empty)(void *);
	void *when_empty_arg;
};

static void
job_check_done(struct pipeline *p, struct job *j)
{
	struct ipc_chan *c = j->w->c;
	const struct ipc_credit credit = { .jobs = 1 };

	if (j->open > 0)
		return;
	TAILQ_REMOVE(&p->all, j, link);
	p->job_count--;
	if (c != NULL && p->when_empty == NULL &&
	    ipc_send_msg(c, credit, 0, 0, &credit) == -1)
		log_warn("event=queue-gone");
	work_free(j->w);
	free(j);
	if (p->job_count == 0 && p->when_empty != NULL)
		p->when_empty(p->when_empty_arg);
}

/* Tell queue what became of one recipient. */
static void
report(struct job *j, size_t i, const char *why, const char *enhanced,
    enum ipc_blame blame)
{
	const struct work *w = j->w;
	const struct ipc_work_rcpt *r = &w->rcpts[i];
	const struct ipc_result m = {
		.job = w->m.job,
		.number = r->number,
		.status = why == NULL          ? STATUS_DONE
			  : enhanced[0] == '5' ? STATUS_FAILED
					       : STATUS_DEFERRED,
		.blame = (uint8_t)blame,
		.code = why == NULL          ? 250
			: enhanced[0] == '5' ? 554
					     : 451,
		.enhanced = slice_str(why == NULL ? "2.1.5" : enhanced),
		.text = slice_str(why == NULL ? "delivered to mailbox" : why),
	};

	if (why == NULL)
		log_info("event=delivered id=%.*s to=%.*s home=%.*s",
		    SLICE_FMT(w->m.id), SLICE_FMT(r->address),
		    SLICE_FMT(r->home));
	else
		log_warn("event=not-delivered id=%.*s to=%.*s status=%s why=%s",
		    SLICE_FMT(w->m.id), SLICE_FMT(r->address), enhanced, why);
	if (w->c != NULL && ipc_send_msg(w->c, result, 0, 0, &m) == -1)
		log_warn("event=queue-gone");
	j->open--;
}

static void
item_end(struct pipeline *p, struct item *it, const char *why,
    const char *enhanced, enum ipc_blame blame)
{
	struct job *j = it->job;

	report(j, it->rcpt, why, enhanced, blame);
	drop_close(&it->drop);
	free(it);
	p->in_flight--;
	job_check_done(p, j);
}

static void
write_one(struct pipeline *p, struct job *j, size_t i)
{
	struct item *it = xcalloc(1, sizeof(*it));
	const char *enhanced = "4.3.0";
	const char *why = drop_write(&it->drop, &p->boxes, j->w, i, &enhanced);

	if (why != NULL) {
		report(j, i, why, enhanced,
		    it->drop.damaged ? BLAME_CONTENT : BLAME_NONE);
		free(it);
		return;
	}
	it->job = j;
	it->rcpt = i;
	if (it->drop.device == p->root_device) {
		fd_close(it->drop.fd); /* the root's stands for it */
		it->drop.fd = -1;
	}
	p->in_flight++;
	TAILQ_INSERT_TAIL(&p->written, it, link);
}

/* A recipient of each job in turn: a mail for one waits for one of each. */
static void
write_waiting(struct pipeline *p)
{
	struct jobs *to;
	struct job *j;

	while (p->in_flight < IN_FLIGHT_MAX &&
	       (j = TAILQ_FIRST(&p->waiting)) != NULL) {
		TAILQ_REMOVE(&p->waiting, j, link);
		write_one(p, j, j->next++);
		to = j->next < j->w->rcpt_count ? &p->waiting : &p->all;
		TAILQ_INSERT_TAIL(to, j, link);
		job_check_done(p, j); /* each may have failed at once */
	}
	drop_boxes_shut(&p->boxes);
}

static bool
has_device(const dev_t *devices, size_t n, dev_t device)
{
	for (size_t i = 0; i < n; i++)
		if (devices[i] == device)
			return true;
	return false;
}

/* One descriptor a device, of those who wait in the list. */
static size_t
add_devices(const struct pipeline *p, const struct items *list, int *fds,
    dev_t *devices, size_t n)
{
	const struct item *it;

	TAILQ_FOREACH(it, list, link)
	{
		if (n == WORKER_SYNC_MAX ||
		    has_device(devices, n, it->drop.device))
			continue;
		devices[n] = it->drop.device;
		fds[n++] = it->drop.fd == -1 ? p->root : it->drop.fd;
	}
	return n;
}

/* Items of a device beyond WORKER_SYNC_MAX wait for the next sync. */
static void
move_synced(
    struct items *from, struct items *to, const dev_t *devices, size_t n)
{
	struct item *next;

	for (struct item *it = TAILQ_FIRST(from); it != NULL; it = next) {
		next = TAILQ_NEXT(it, link);
		if (!has_device(devices, n, it->drop.device))
			continue;
		TAILQ_REMOVE(from, it, link);
		TAILQ_INSERT_TAIL(to, it, link);
	}
}

/*
 * While mail keeps coming syncs keep their distance, so that each is for
 * many. Nobody waits for them: the senders have their 250. What has only
 * its last sync before it, and a pipeline that fills up, do not wait.
 * Returns how many ms.
 */
static int64_t
sync_wait_ms(const struct pipeline *p)
{
	int64_t wait = p->sync_ms + PACE_MS - clock_boot_ms();

	if (TAILQ_EMPTY(&p->written) || p->in_flight > IN_FLIGHT_MAX / 2 ||
	    p->when_empty != NULL)
		return 0;
	return MIN(MAX(wait, (int64_t)0), (int64_t)PACE_MS);
}

static void
start_sync(struct pipeline *p)
{
	dev_t devices[WORKER_SYNC_MAX];
	struct worker_sync *s = &p->sync.sync;
	int64_t wait;
	size_t n;

	if (p->sync_running)
		return;
	wait = sync_wait_ms(p);
	if (wait > 0) {
		const struct timeval tv = { 0, wait * 1000 };

		if (event_add(p->pump, &tv) == 0)
			return;
	}
	n = add_devices(p, &p->published, s->fds, devices, 0);
	n = add_devices(p, &p->written, s->fds, devices, n);
	if (n == 0)
		return;
	move_synced(&p->published, &p->confirming, devices, n);
	move_synced(&p->written, &p->syncing, devices, n);
	p->sync_running = true;
	p->sync_ms = clock_boot_ms();
	s->count = n;
	worker_add_sync(p->worker, s);
}

static void
pump_ready(evutil_socket_t fd, short what, void *arg)
{
	struct pipeline *p = arg;

	(void)fd;
	(void)what;
	write_waiting(p);
	start_sync(p);
}

/* The content is durable, or error says that it is not: the next step. */
static void
item_publish(struct pipeline *p, struct item *it, int error)
{
	if (error != 0) {
		drop_discard(&it->drop);
		item_end(p, it, "mailbox storage failed", "4.3.0", BLAME_NONE);
	} else if (drop_publish(&it->drop) == -1) {
		/* A rename that failed may have been done all the same. */
		item_end(p, it, "drop box may not be written", "4.3.5",
		    BLAME_UNSURE);
	} else {
		TAILQ_INSERT_TAIL(&p->published, it, link);
	}
}

static void
publish_synced(struct pipeline *p, int error)
{
	struct item *it;

	while ((it = TAILQ_FIRST(&p->syncing)) != NULL) {
		TAILQ_REMOVE(&p->syncing, it, link);
		item_publish(p, it, error);
	}
}

/*
 * A name whose sync failed is taken back. Where it is not there any more, or
 * cannot be removed, nobody knows whether it will be there after a power cut:
 * another attempt, marked as such, finds out.
 */
static void
report_confirmed(struct pipeline *p, int error)
{
	struct item *it;

	while ((it = TAILQ_FIRST(&p->confirming)) != NULL) {
		enum ipc_blame blame = BLAME_NONE;

		TAILQ_REMOVE(&p->confirming, it, link);
		if (error != 0 && !drop_take_back(&it->drop))
			blame = BLAME_UNSURE;
		item_end(p, it, error == 0 ? NULL : "mailbox storage failed",
		    error == 0 ? NULL : "4.3.0", blame);
	}
}

static void
synced(struct worker_job *j)
{
	struct pipeline *p = ((struct sync_job *)j)->pipeline;
	int error = j->error;

	p->sync_running = false;
	if (error != 0)
		log_error(
		    "event=sync-failed what=mail error=%s", strerror(error));
	report_confirmed(p, error);
	publish_synced(p, error);
	pump_ready(-1, 0, p);
}

struct pipeline *
pipeline_new(struct event_base *base, int root)
{
	struct pipeline *p = xcalloc(1, sizeof(*p));
	struct stat st;

	p->root = root;
	p->boxes.root = root;
	if (fstat(root, &st) == -1)
		log_die("event=start-failed what=\"mail root\"");
	p->root_device = st.st_dev;
	TAILQ_INIT(&p->waiting);
	TAILQ_INIT(&p->all);
	TAILQ_INIT(&p->written);
	TAILQ_INIT(&p->syncing);
	TAILQ_INIT(&p->published);
	TAILQ_INIT(&p->confirming);
	p->sync.pipeline = p;
	p->sync.sync.job.done = synced;
	p->worker = worker_new(base);
	if (p->worker == NULL)
		log_die(
		    "event=start-failed what=thread error=%s", strerror(errno));
	p->pump = event_new(base, -1, 0, pump_ready, p);
	if (p->pump == NULL)
		log_die("event=out-of-memory");
	return p;
}

void
pipeline_add(struct pipeline *p, struct work *w)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->w = w;
	j->open = w->rcpt_count;
	p->job_count++;
	TAILQ_INSERT_TAIL(&p->waiting, j, link);
	/* Behind all frames of this pass: they share the sync. */
	event_active(p->pump, EV_TIMEOUT, 1);
}

/*
 * Whoever takes the queue over gives them out again, as tried once: written
 * now they might come behind that, and be taken for other mails.
 */
static void
drop_unwritten(struct pipeline *p, struct job *j)
{
	j->open -= j->w->rcpt_count - j->next;
	TAILQ_REMOVE(&p->waiting, j, link);
	TAILQ_INSERT_TAIL(&p->all, j, link);
	job_check_done(p, j);
}

void
pipeline_forget(struct pipeline *p, struct ipc_chan *c)
{
	struct job *next;
	struct job *j;

	TAILQ_FOREACH(j, &p->all, link)
	if (j->w->c == c)
		j->w->c = NULL;
	for (j = TAILQ_FIRST(&p->waiting); j != NULL; j = next) {
		next = TAILQ_NEXT(j, link);
		if (j->w->c != c)
			continue;
		j->w->c = NULL;
		drop_unwritten(p, j);
	}
}

size_t
pipeline_jobs(const struct pipeline *p)
{
	return p->job_count;
}

void
pipeline_when_empty(struct pipeline *p, void (*run)(void *), void *arg)
{
	p->when_empty = run;
	p->when_empty_arg = arg;
	event_active(p->pump, EV_TIMEOUT, 1); /* no more waiting for others */
}
