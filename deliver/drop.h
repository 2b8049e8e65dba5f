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
	char home[513]; /* beneath the mail root */
	int fd;         /* the file, for its sync, owned; or -1 */
	int tmp;        /* O_PATH of drop/tmp, owned; -1 when done with */
	int new;        /* O_PATH of drop/new */
	dev_t device;
	bool damaged; /* the content is not what queue said: no fault of ours */
};

/*
 * Write recipient i of w into root/home/drop/tmp. The file is left open in
 * d->fd for the sync. Returns NULL, or why not in a few words, with the
 * enhanced status in *enhanced ("4.2.2" …); nothing is left behind then, and
 * d->damaged tells whether the content behind the descriptor is to blame.
 */
const char *drop_write(struct drop *d, int root, const struct work *w, size_t i,
    const char **enhanced) MUST_USE;

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
