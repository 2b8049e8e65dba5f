#include "queue/large.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "queue/queue.h"

void
larges_init(struct larges *ls)
{
	*ls = (struct larges){ .by_number = MAP_INIT, .next = rand_u64() >> 1 };
	TAILQ_INIT(&ls->syncing);
}

void
larges_free(struct larges *ls)
{
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&ls->by_number, &at, &key, &value)) {
		struct large *l = value;

		large_discard(l->q, l);
	}
	map_free(&ls->by_number);
}

static int
large_create(struct queue *q, struct qid id)
{
	char name[QID_TEXT];

	qid_text(id, name);
	return openat(q->large_dir, name,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void
answer(struct ipc_chan *c, uint32_t request, const struct space_answer *a)
{
	const struct ipc_large_file m = { .code = a->code,
		.enhanced = slice_str(a->enhanced),
		.text = slice_str(a->text) };

	if (ipc_send_msg(c, large_file, IPC_REPLY, request, &m) == -1)
		log_warn(
		    "event=peer-gone peer=%s", proc_name(ipc_chan_peer(c)));
}

static bool
is_stranger(const struct ipc_chan *c)
{
	return ipc_chan_peer(c) == PROC_SMTPD;
}

/* Why no file is made: told apart for the sender's reply. */
static const struct space_answer *
refuse(struct queue *q, const struct ipc_chan *c, uint64_t expected)
{
	static const struct space_answer no_room = { 452, "4.3.1",
		"Insufficient system storage" };
	static const struct space_answer too_many = { 451, "4.3.2",
		"Too many large mails at once" };
	static const struct space_answer too_big = { 552, "5.3.4",
		"Message too big" };
	const struct space_answer *a = space_now(q);

	if (a->code != 250)
		return a;
	if (expected > (uint64_t)q->config->message_size_limit)
		return &too_big;
	if (q->larges.alive >= LARGES_MAX ||
	    (is_stranger(c) && q->larges.strangers >= LARGES_STRANGERS_MAX))
		return &too_many;
	return space_for(q, expected) ? NULL : &no_room;
}

static struct large *
large_new(struct queue *q, struct ipc_chan *c)
{
	struct large *l = xcalloc(1, sizeof(*l));

	l->q = q;
	l->id = qid_next(&q->ids);
	l->chan = c;
	l->dir = q->large_dir;
	l->fd = large_create(q, l->id);
	if (l->fd == -1) {
		free(l);
		return NULL;
	}
	l->number = ++q->larges.next; /* never 0, which means none */
	q->larges.alive++;
	l->stranger = is_stranger(c);
	q->larges.strangers += l->stranger;
	(void)map_put_u64(&q->larges.by_number, l->number, l);
	return l;
}

void
large_ask(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	static const struct space_answer failed = { 451, "4.3.0",
		"Cannot make a file for this mail" };
	const struct space_answer *no;
	struct ipc_large_file m = { .code = 250 };
	struct ipc_large_ask ask;
	struct large *l = NULL;
	int fd = -1;

	if (ipc_large_ask_decode(&ask, f->payload) == -1) {
		ipc_chan_fail(c, "large_ask");
		return;
	}
	no = refuse(q, c, ask.expected);
	if (no == NULL && (l = large_new(q, c)) != NULL)
		fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	if (fd == -1) {
		if (no == NULL)
			log_error("event=large-failed errno=%d", errno);
		if (l != NULL)
			large_discard(
			    q, map_del_u64(&q->larges.by_number, l->number));
		answer(c, f->request, no == NULL ? &failed : no);
		return;
	}
	m.large = l->number;
	if (ipc_send_msg_fd(c, large_file, IPC_REPLY, f->request, &m, fd) == -1)
		log_warn(
		    "event=peer-gone peer=%s", proc_name(ipc_chan_peer(c)));
}

struct large *
large_take(struct queue *q, struct ipc_chan *c, uint64_t number)
{
	struct large *l = map_get_u64(&q->larges.by_number, number);

	if (l == NULL || l->chan != c)
		return NULL;
	return map_del_u64(&q->larges.by_number, number);
}

void
large_drop(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_large_drop m;
	struct large *l;

	if (ipc_large_drop_decode(&m, f->payload) == -1) {
		ipc_chan_fail(c, "large_drop");
		return;
	}
	l = large_take(q, c, m.large);
	if (l != NULL)
		large_discard(q, l);
}

void
large_peer_down(struct queue *q, struct ipc_chan *c)
{
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&q->larges.by_number, &at, &key, &value)) {
		struct large *l = value;

		if (l->chan != c)
			continue;
		(void)map_del(&q->larges.by_number, key);
		large_discard(q, l);
	}
}

/* In the worker's thread. */
static int
rename_for_mail(struct large *l)
{
	char from[QID_TEXT];
	char to[QID_TEXT];

	qid_text(l->id, from);
	qid_text(l->mail_id, to);
	if (renameat(l->dir, from, l->dir, to) == -1)
		return -1;
	l->renamed = true;
	return 0;
}

/* In the worker's thread. */
static void
sync_run(struct worker_job *j)
{
	struct large *l = (struct large *)j;
	struct stat st;

	if (fsync(l->fd) == -1 || rename_for_mail(l) == -1 ||
	    fsync(l->dir) == -1 || fstat(l->fd, &st) == -1)
		j->error = errno;
	else if ((uint64_t)st.st_size != l->length)
		j->error = EBADMSG;
}

static void
sync_done(struct worker_job *j)
{
	struct large *l = (struct large *)j;

	if (l->renamed)
		l->id = l->mail_id;
	l->synced(l, j->error);
}

void
large_sync(struct queue *q, struct large *l)
{
	l->mail_id = qid_next(&q->ids);
	TAILQ_INSERT_TAIL(&q->larges.syncing, l, age);
	l->job.run = sync_run;
	l->job.done = sync_done;
	worker_add(q->sync, &l->job);
}

bool
large_oldest(const struct queue *q, struct qid *id)
{
	const struct large *l = TAILQ_FIRST(&q->larges.syncing);

	if (l == NULL)
		return false;
	*id = l->mail_id;
	return true;
}

void
large_keep(struct queue *q, struct large *l)
{
	if (l->job.run != NULL)
		TAILQ_REMOVE(&q->larges.syncing, l, age);
	q->larges.alive--;
	q->larges.strangers -= l->stranger;
	fd_close(l->fd);
	free(l);
}

void
large_discard(struct queue *q, struct large *l)
{
	large_remove(q, l->id);
	large_keep(q, l);
}

int
large_open(const struct queue *q, struct qid id)
{
	char name[QID_TEXT];

	qid_text(id, name);
	return openat(
	    q->large_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

void
large_remove(const struct queue *q, struct qid id)
{
	char name[QID_TEXT];

	qid_text(id, name);
	if (unlinkat(q->large_dir, name, 0) == -1 && errno != ENOENT)
		log_error(
		    "event=large-not-removed id=%s errno=%d", name, errno);
}
