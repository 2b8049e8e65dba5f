#include "queue/remove.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "queue/old.h"
#include "queue/queue.h"
#include "queue/segments.h"

struct removal_sync {
	struct worker_sync sync; /* first member */
	struct queue *q;
	uint64_t upto;
};

static void
sync_done(struct worker_job *j)
{
	struct removal_sync *u = (struct removal_sync *)j;
	struct queue *q = u->q;

	q->removals.syncing = false;
	/* What was removed may come back; it is known to be over then. */
	if (j->error != 0)
		log_error("event=sync-failed what=removals error=%s",
		    strerror(j->error));
	q->removals.synced = u->upto;
	free(u);
	segments_maintain(&q->log);
}

bool
remove_may_free(void *arg, struct seg *s)
{
	struct queue *q = arg;
	struct removals *r = &q->removals;
	struct removal_sync *u;

	if (s->unlinks == 0)
		s->unlinks = r->count + 1;
	if (r->synced + 1 >= s->unlinks)
		return true;
	if (r->syncing)
		return false;
	u = xcalloc(1, sizeof(*u));
	u->sync.job.done = sync_done;
	u->sync.fds[0] = q->root;
	u->sync.count = 1;
	u->q = q;
	u->upto = r->count;
	r->syncing = true;
	worker_add_sync(q->slow, &u->sync);
	return false;
}

void
remove_file(struct queue *q, struct qid id, const char *suffix)
{
	char text[QID_TEXT];

	q->removals.count++;
	if (old_remove(q->deferred_dir, id, suffix) == 0)
		return;
	qid_text(id, text);
	/* After a restart it would be a mail once more. */
	log_error("event=not-removed id=%s suffix=%s error=%s", text, suffix,
	    strerror(errno));
}

void
remove_files(struct queue *q, const struct mail *m)
{
	char id[QID_TEXT];

	if ((m->flags & MAIL_LARGE) != 0)
		large_remove(q, m->id);
	if ((m->flags & (MAIL_IN_FILE | MAIL_FOLDING | MAIL_CORRUPT)) == 0)
		return;
	qid_text(m->id, id);
	if ((m->flags & MAIL_CORRUPT) != 0)
		(void)unlinkat(q->corrupt_dir, id, 0);
	/* While it is folded, nobody knows under which name it stands. */
	remove_file(q, m->id, ".new");
	remove_file(q, m->id, "");
}
