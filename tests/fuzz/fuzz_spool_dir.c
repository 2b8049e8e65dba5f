/*
 * libFuzzer: a damaged spool, and a queue that starts on it.
 *
 * Byte 0: bit 0 checksums fit whatever the bytes are (crc32c() is wrapped,
 * module.mk), bit 1 the mails go out. The rest are damages, as in tree.h.
 * Whatever the files hold, queue starts or says why not, and a second start
 * knows as many mails as the first had at its end.
 */
#include "tests/unit/queue/harness.h"

#include "common/base/crc32c.h"
#include "tests/fuzz/home.h"
#include "tests/fuzz/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
uint32_t __real_crc32c(uint32_t crc, const void *p, size_t n);
uint32_t __wrap_crc32c(uint32_t crc, const void *p, size_t n);

static struct tree trees[2];
static struct harness *house;
static bool checksums_fit;

uint32_t
__wrap_crc32c(uint32_t crc, const void *p, size_t n)
{
	return checksums_fit ? 0x5eed5eed : __real_crc32c(crc, p, n);
}

/* Only the buckets that are looked for: 256 directories take their time. */
static void
remove_buckets(int root)
{
	char name[32];

	for (unsigned i = 1; i < 255; i++) {
		(void)snprintf(name, sizeof(name), "deferred/%02x", i);
		(void)unlinkat(root, name, AT_REMOVEDIR);
	}
}

/* A spool with mails in all states but the last, and a large one's file. */
static void
make_tree(struct tree *t)
{
	const struct h_mail mail = { .from = "a@b", .to = "u@far", .size = 99 };
	void *state;
	struct harness *h;
	struct given *g;
	int fd;

	if (h_setup(&state) == -1)
		abort();
	h = state;
	h_submit_ok(h, "a@b", "a@here x@far y@far");
	h_submit_ok(h, "", "list@here alias@here");
	H_UNTIL(h, h_last(h, PROC_DELIVER) != NULL);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	g = h_last(h, PROC_RELAY);
	if (g != NULL)
		h_answer(h, g, STATUS_DEFERRED);
	(void)h_submit(h, &mail);
	h_settle(h);
	h_stop(h);
	remove_buckets(h->dir);
	fd = openat(
	    h->dir, "large/2v8k1s0000a0000000000000", O_WRONLY | O_CREAT, 0600);
	if (fd == -1 || write_all(fd, "A: b\r\n\r\n", 8) == -1)
		abort();
	close(fd);
	tree_keep(t, AT_FDCWD, h->path, ".");
	(void)h_teardown(&state);
}

static void
turn(struct harness *h, unsigned times)
{
	const struct timeval most = { 0, 1000 };

	while (times-- > 0) {
		(void)event_base_loopexit(h->base, &most);
		(void)event_base_loop(h->base, EVLOOP_ONCE);
	}
}

/* Start; how many mails there are at the end, or -1 where it could not. */
static long
start(struct harness *h, bool busy)
{
	const struct queue_setup setup = {
		.base = h->base, .config = &h->config, .root = h->dir
	};
	long mails = -1;

	h->q = calloc(1, sizeof(*h->q));
	h->auto_status = STATUS_DONE;
	if (queue_open(h->q, &setup) == -1) {
		free(h->q);
		h->q = NULL;
		return -1;
	}
	if (busy)
		h_connect_all(h);
	turn(h, busy ? 16 : 4);
	for (int i = 0; i < 200 && !log_idle(&h->q->log); i++)
		turn(h, 1);
	if (h->q->ready)
		mails = (long)h->q->mails.count;
	h_stop(h);
	return mails;
}

static struct harness *
make_house(void)
{
	static struct harness h;

	log_level(LOG_FAIL + 1);
	h.base = event_base_new();
	h.large_fd = -1;
	h.config.clock_shift_file = strdup("");
	h.config.queue_concurrency = 1000;
	h.config.queue_retry_min = 1000;
	h.config.queue_retry_max = 2000;
	h.config.queue_lifetime = 1000;
	h.config.queue_memory_mails = 10000;
	h.config.queue_memory = 1 << 28;
	h.config.queue_segment_size = SEG_SIZE_MIN;
	h.config.queue_disk_reserve = 1 << 20;
	h.config.message_size_limit = 1 << 26;
	return &h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tree *t;
	char path[64];
	long before;
	long after;

	if (size < 1 || size > 4096)
		return 0;
	if (house == NULL) {
		house = make_house();
		(void)atexit(home_forget);
	}
	checksums_fit = (data[0] & 1) != 0;
	if (trees[checksums_fit].count == 0)
		make_tree(&trees[checksums_fit]);
	t = &trees[checksums_fit];
	home_claim(path);
	house->dir = tree_restore(t, path);
	tree_damage_all(house->dir, t, data + 1, size - 1);
	before = start(house, (data[0] & 2) != 0);
	after = start(house, false);
	if (before != after)
		abort(); /* a mail is there at one start and not the next */
	home_remove(house->dir);
	return 0;
}
