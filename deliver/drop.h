#ifndef DELIVER_DROP_H
#define DELIVER_DROP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ipc/work.h"
#include "store/drop.h"

/*
 * drop - one mail for one mailbox on its way through the drop box:
 * written aside, made durable by somebody's sync, published by a rename,
 * and reported after the next sync.
 */
struct drop {
	char name[DROP_NAME_MAX + 1];
	int fd;               /* the file, for its sync, owned; or -1 */
	struct drop_box *box; /* held; NULL when done with */
	dev_t device;
	bool damaged; /* the content is not what queue said: no fault of ours */
};

/* The directories of one mailbox, open for the mails under way to it. */
struct drop_box {
	struct drop_box *next;
	unsigned refs;
	int tmp;        /* O_PATH of drop/tmp, owned */
	int new;        /* O_PATH of drop/new, owned */
	char home[513]; /* beneath the mail root */
};

/*
 * Boxes that were opened just now, so that mails for one mailbox that come
 * together open it once. Owned; to be shut before the loop goes on waiting:
 * what the user makes of these directories later is found when they are
 * opened anew.
 */
struct drop_boxes {
	int root; /* the mail root, borrowed */
	unsigned count;
	struct drop_box *first;
};

void drop_boxes_shut(struct drop_boxes *boxes);

/* Files are for the session, too, which is in their group. */
#define DROP_UMASK 0007

/*
 * Write recipient i of w into root/home/drop/tmp; the umask is DROP_UMASK.
 * The file is left open in d->fd for the sync. Returns NULL, or why not in a
 * few words, with the enhanced status in *enhanced ("4.2.2" …); nothing is left
 * behind then, and d->damaged tells whether the content behind the descriptor
 * is to blame.
 */
const char *drop_write(struct drop *d, struct drop_boxes *boxes,
    const struct work *w, size_t i, const char **enhanced) MUST_USE;

/*
 * Publish what is durable: drop/tmp/NAME becomes drop/new/NAME. One that
 * is there already is the same mail. Returns 0, or -1 with errno, and the
 * file is gone then.
 */
int drop_publish(struct drop *d) MUST_USE;

/* Take back what was written and not published. */
void drop_discard(struct drop *d);

/*
 * A sync behind the rename failed. true: the mail is not there any more
 * and may be delivered again; false: a session has taken it, it counts.
 */
bool drop_take_back(struct drop *d);

/* Close what it holds, once or twice; the files stay as they are. */
void drop_close(struct drop *d);

#endif
