#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "pop3d/session.h"
#include "store/account.h"
#include "store/mailbox.h"

#define INBOX SLICE("INBOX")

bool
maildrop_bit_get(const uint8_t *bits, uint32_t msg)
{
	return (bits[(msg - 1) / 8] >> ((msg - 1) % 8) & 1) != 0;
}

void
maildrop_bit_set(uint8_t *bits, uint32_t msg)
{
	bits[(msg - 1) / 8] |= (uint8_t)(1U << ((msg - 1) % 8));
}

/*
 * One POP3 session a maildrop (RFC 1939 §4); IMAP sessions of the same user
 * do not mind it. The lock goes when its descriptor does, however the
 * process ends. 0, or -1 with EAGAIN when somebody has it.
 */
static int
lock_drop(struct pop3_session *s, int home)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	s->lock = openat(
	    home, "pop3.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock == -1)
		return -1;
	if (fcntl(s->lock, F_OFD_SETLK, &whole) == 0)
		return 0;
	if (errno == EACCES)
		errno = EAGAIN;
	return -1;
}

static int
open_box(struct pop3_session *s, int home)
{
	struct account_config config = {
		.retention_s = (uint32_t)s->login->config->expunge_retention,
		.wait = {
			.most_ms = s->login->config->mailbox_lock_timeout * 1000,
			.wanted = pop3_wanted,
			.ctx = s,
		},
	};
	struct mailbox_status status;

	memcpy(config.boot_id, s->login->boot_id, sizeof(config.boot_id));
	s->account = account_open(home, &config);
	if (s->account == NULL)
		return -1;
	/* Read-only: \Recent is for those who show mail. */
	s->box = mailbox_open(s->account, INBOX, true);
	if (s->box == NULL)
		return -1;
	mailbox_status(s->box, &status);
	s->count = status.exists;
	s->uidvalidity = status.uidvalidity;
	s->total_bytes = status.bytes;
	s->bytes = status.bytes;
	s->deleted = xcalloc(s->count / 8 + 1, 1);
	s->retrieved = xcalloc(s->count / 8 + 1, 1);
	return 0;
}

/* What the client hears of errno, if it is still there. */
static void
refuse(struct pop3_session *s)
{
	bool busy = errno == EBUSY;

	if (s->end != POP3_GOES_ON)
		return;
	log_error("event=maildrop-failed user=%s error=%s session=%08x",
	    s->login->user, strerror(errno), s->login->number);
	pop3_say(s, busy ? "-ERR [IN-USE] Another session is at it\r\n"
			 : "-ERR [SYS/TEMP] Maildrop not available\r\n");
	s->end = POP3_FAILED;
}

void
maildrop_open(struct pop3_session *s, int home)
{
	if (lock_drop(s, home) == -1 && errno == EAGAIN) {
		pop3_say(
		    s, "-ERR [IN-USE] Another session has this maildrop\r\n");
		log_info("event=maildrop-in-use user=%s session=%08x",
		    s->login->user, s->login->number);
		s->end = POP3_FAILED;
		return;
	}
	if (s->lock == -1 || open_box(s, home) == -1) {
		refuse(s);
		return;
	}
	pop3_printf(s, "+OK %u messages (%llu octets)\r\n", s->count,
	    (unsigned long long)s->bytes);
}

void
maildrop_close(struct pop3_session *s)
{
	mailbox_close(s->box);
	s->box = NULL;
	account_close(s->account);
	s->account = NULL;
	fd_close(s->lock);
	s->lock = -1;
	free(s->deleted);
	s->deleted = NULL;
	free(s->retrieved);
	s->retrieved = NULL;
}

/* The UIDs of the messages deleted, and of those to be marked as seen. */
static int
collect(
    const struct pop3_session *s, struct uidset *remove, struct uidset *seen)
{
	struct message m;
	uint32_t i;

	for (i = 1; i <= s->count; i++) {
		bool gone = maildrop_bit_get(s->deleted, i);

		if (!gone && !maildrop_bit_get(s->retrieved, i))
			continue;
		if (mailbox_message(s->box, i, &m) == -1 ||
		    uidset_add(gone ? remove : seen, m.uid, m.uid) == -1)
			return -1;
	}
	return 0;
}

static int
change(struct pop3_session *s, const struct uidset *remove,
    const struct uidset *seen)
{
	const struct store_request request = {
		.how = STORE_ADD,
		.flags = MESSAGE_SEEN,
	};
	struct mailbox_status status;

	mailbox_close(s->box);
	s->box = mailbox_open(s->account, INBOX, true);
	if (s->box == NULL)
		return -1;
	/* what came meanwhile stays \Recent: nobody was shown it */
	mailbox_make_writable(s->box);
	mailbox_status(s->box, &status);
	if (status.uidvalidity != s->uidvalidity) {
		errno = ESTALE;
		return -1;
	}
	/* That it was read is a courtesy; what was deleted is a promise. */
	if (seen->count > 0 &&
	    mailbox_store(s->box, seen, &request, NULL, NULL) == -1)
		log_warn("event=seen-lost user=%s error=%s session=%08x",
		    s->login->user, strerror(errno), s->login->number);
	if (remove->count == 0)
		return 0;
	return mailbox_remove(s->box, remove, NULL);
}

int
maildrop_update(struct pop3_session *s)
{
	struct uidset remove = UIDSET_INIT;
	struct uidset seen = UIDSET_INIT;
	int rc;

	rc = collect(s, &remove, &seen);
	if (rc == 0 && (remove.count > 0 || seen.count > 0))
		rc = change(s, &remove, &seen);
	if (rc == -1)
		log_error("event=update-failed user=%s error=%s session=%08x",
		    s->login->user, strerror(errno), s->login->number);
	uidset_free(&remove);
	uidset_free(&seen);
	return rc;
}
