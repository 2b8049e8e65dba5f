/*
 * libFuzzer: every file of a mailbox, damaged: journal, lock page, snapshot,
 * records, cache, message and drop names.
 *
 * Byte 0: bit 0 checksums fit whatever the bytes are (crc32c() is wrapped,
 * module.mk), bit 1 the machine has been started anew since. The rest are
 * damages: file, kind, place, length, bytes. Whatever the files hold, an
 * account opens or fails with an errno; what it shows keeps IMAP's promises
 * (UIDs ascend, below UIDNEXT), and who opens it again sees the same.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "store/box.h"
#include "store/cache.h"
#include "tests/fuzz/home.h"
#include "tests/fuzz/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint32_t __real_crc32c(uint32_t crc, const void *p, size_t n);
uint32_t __wrap_crc32c(uint32_t crc, const void *p, size_t n);

#define DROP_NAME "2v8k1s0000a0000000000000.1.0.12.1700000000"

static struct tree trees[2];
static bool checksums_fit;

uint32_t
__wrap_crc32c(uint32_t crc, const void *p, size_t n)
{
	return checksums_fit ? 0x5eed5eed : __real_crc32c(crc, p, n);
}

/* -- the home before ------------------------------------------------------ */

static void
fold(struct account *a, struct mailbox *mb)
{
	while (box_move_expunged(mb) == 1)
		;
	if (box_fold(mb) == -1)
		abort();
	if (account_lock(a) == -1 || snapshot_write(a) == -1)
		abort();
	account_unlock(a);
}

static void
flag(struct mailbox *mb, uint32_t uid, unsigned flags, const char *keyword)
{
	struct slice name = slice_str(keyword);
	struct store_request q = { .how = STORE_ADD,
		.flags = flags,
		.keywords = &name,
		.keyword_count = keyword != NULL };
	struct uidset s = UIDSET_INIT;

	if (uidset_add(&s, uid, uid) == -1 ||
	    mailbox_store(mb, &s, &q, NULL, NULL) == -1)
		abort();
	uidset_free(&s);
}

static void
use(struct account *a)
{
	struct copy_result r = COPY_RESULT_INIT;
	struct uidset s = UIDSET_INIT;
	struct mailbox *mb;

	if (account_create(a, SLICE("A"), 0) == -1)
		abort();
	for (int i = 0; i < 5; i++)
		home_append(a, SLICE("Subject: x\r\n\r\nHello\r\n"), 0);
	mb = mailbox_open(a, SLICE("INBOX"), false);
	if (mb == NULL || uidset_add(&s, 2, 3) == -1 ||
	    mailbox_copy(mb, &s, SLICE("A"), &r) == -1)
		abort();
	flag(mb, 1, MESSAGE_SEEN, "Key");
	flag(mb, 4, MESSAGE_DELETED, NULL);
	cache_put(mb, 1, 1, 1, SLICE("something to remember"));
	cache_flush(mb);
	fold(a, mb);
	if (mailbox_expunge(mb, NULL, NULL) == -1)
		abort();
	fold(a, mb); /* now there is a `records.1`, and another snapshot */
	flag(mb, 5, MESSAGE_FLAGGED, "Other");
	home_append(a, SLICE("Subject: y\r\n\r\nlater\r\n"), MESSAGE_DRAFT);
	mailbox_close(mb);
	copy_result_free(&r);
	uidset_free(&s);
	if (account_rename(a, SLICE("A"), SLICE("B/c")) == -1 ||
	    account_subscribe(a, SLICE("gone"), true) == -1)
		abort();
}

static void
make_tree(struct tree *t)
{
	char path[64];
	int home = home_make();
	struct account *a = home_account(home);
	int fd;

	if (a == NULL)
		abort();
	use(a);
	account_close(a);
	fd = openat(home, "drop/new/" DROP_NAME, O_WRONLY | O_CREAT, 0600);
	if (fd == -1 || write_all(fd, "A: b\r\n\r\nhi\r\n", 12) == -1)
		abort();
	close(fd);
	home_path(path);
	tree_keep(t, AT_FDCWD, path, ".");
	home_remove(home);
}

/* -- looking -------------------------------------------------------------- */

/* Something was found to be damaged: who comes later finds it mended. */
static bool damage_found;

/* A number that stands for all an account shows. */
static uint64_t
look_at_box(struct account *a, struct slice name, bool busy)
{
	struct mailbox *mb = mailbox_open(a, name, true);
	struct mailbox_status st;
	struct slice entry;
	uint64_t sum = 7;
	uint32_t last = 0;

	if (mb == NULL) {
		damage_found = damage_found || errno != ENOENT;
		return 0;
	}
	mailbox_status(mb, &st);
	for (uint32_t seq = 1; seq <= st.exists; seq++) {
		struct message m;
		uint64_t size;
		int fd;

		if (mailbox_message(mb, seq, &m) == -1) {
			damage_found = true;
			mailbox_close(mb);
			return 0;
		}
		assert(m.uid > last && m.uid < st.uidnext && m.seq == seq);
		last = m.uid;
		sum = sum * 31 + m.uid * 64U + (m.flags & 63U);
		if (!busy)
			continue;
		fd = mailbox_content(mb, m.uid, &size);
		fd_close(fd);
		(void)!cache_get(mb, m.uid, 1, 1, &entry);
	}
	mailbox_close(mb);
	return sum * 31 + st.uidnext;
}

static uint64_t
look(struct account *a, bool busy)
{
	struct folder_list list;
	uint64_t sum = 0;

	if (account_folders(a, &list) == -1)
		return 0;
	for (size_t i = 0; i < list.count; i++)
		if (list.entries[i].id != 0)
			sum += look_at_box(
			    a, slice_str(list.entries[i].name), busy);
	folder_list_free(&list);
	return sum;
}

/* Go on with it as a session would. False: it was found to be damaged. */
static bool
work_with(struct account *a)
{
	const struct append_about about = { .flags = MESSAGE_SEEN };
	const struct store_request q = { .how = STORE_REPLACE,
		.flags = MESSAGE_DELETED };
	struct copy_result r = COPY_RESULT_INIT;
	struct uidset s = UIDSET_INIT;
	struct append *ap;
	struct mailbox *mb;
	bool well = true;

	ap = append_begin(a, SLICE("INBOX"));
	if (ap == NULL || append_message(ap, &about) == -1 ||
	    append_write(ap, "A: b\r\n\r\n", 8) == -1 ||
	    append_commit(ap, NULL, NULL) == -1)
		well = false;
	append_free(ap);
	mb = well ? mailbox_open(a, SLICE("INBOX"), false) : NULL;
	if (mb == NULL || uidset_add(&s, 1, 3) == -1 ||
	    mailbox_store(mb, &s, &q, NULL, NULL) == -1 ||
	    mailbox_copy(mb, &s, SLICE("B/c"), &r) == -1 ||
	    mailbox_expunge(mb, NULL, NULL) == -1)
		well = false;
	copy_result_free(&r);
	uidset_free(&s);
	for (int i = 0; mb != NULL && i < 8 && account_due_ms(a) == 0; i++)
		account_work(a);
	if (mb != NULL && well && box_fold(mb) == -1)
		well = false;
	mailbox_close(mb);
	return well;
}

static void
open_and_use(int home, const uint8_t *boot_id, bool busy)
{
	struct account_config c = { .retention_s = 0 };
	uint64_t epoch;
	uint64_t before;
	uint64_t after;
	struct account *a;
	bool well;

	memcpy(c.boot_id, boot_id, sizeof(c.boot_id));
	a = account_open(home, &c);
	if (a == NULL)
		return;
	damage_found = false;
	epoch = a->epoch;
	before = look(a, true);
	well = !busy || work_with(a);
	/* Where one mailbox knew more than the journal, UIDNEXT of all jumps.
	 */
	if (busy || a->epoch != epoch)
		before = look(a, false);
	well = well && !damage_found;
	account_close(a);
	a = account_open(home, &c);
	if (a == NULL)
		return;
	after = look(a, false);
	if (well && before != after)
		abort(); /* who comes later sees another mailbox */
	account_close(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t other_boot[16] = "another";
	const struct tree *t;
	char path[64];
	int home;

	if (size < 2 || size > 4096)
		return 0;
	checksums_fit = (data[0] & 1) != 0;
	if (trees[checksums_fit].count == 0)
		make_tree(&trees[checksums_fit]);
	t = &trees[checksums_fit];
	home_claim(path);
	home = tree_restore(t, path);
	tree_damage_all(home, t, data + 2, size - 2);
	open_and_use(home, (data[0] & 2) != 0 ? other_boot : home_boot_id,
	    (data[0] & 4) != 0);
	home_remove(home);
	return 0;
}
