/*
 * replay - the main() of a fuzzer in the ordinary build, for the test
 * runner: every seed, every seed cut short at every byte (or at some, where
 * there are many), and for a second seeds with random changes. Slow
 * beside libFuzzer and blind, but it needs no other compiler, and what has
 * once been wrong stays found. Speaks TAP.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEEDS_MAX 512
#define SIZE_MAX_ 65536
#define CUTS_MAX  400 /* of one seed */

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;
static const char *program;
static uint64_t dice;
static uint8_t *now; /* what runs at the moment, for on_death() */
static size_t now_size;

static uint32_t
roll(uint32_t n)
{
	dice = dice * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(dice >> 33) % n;
}

static void
note(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) == -1)
		return;
}

/* Keep the input that did it, where libFuzzer would. */
static void
on_death(int number)
{
	char path[200];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/crash-%s-XXXXXX",
	    getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"), program);
	fd = mkstemp(path);
	if (fd != -1 && write(fd, now, now_size) == (ssize_t)now_size) {
		note("the input is kept: ");
		note(path);
		note("\n");
	}
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

/* In memory of exactly its size, so that a sanitizer sees its end. */
static void
run(const uint8_t *data, size_t size)
{
	now = malloc(size == 0 ? 1 : size);
	if (now == NULL)
		abort();
	now_size = size;
	if (size > 0)
		memcpy(now, data, size);
	(void)LLVMFuzzerTestOneInput(now, size);
	free(now);
	now = NULL;
}

static void
read_seed(int dir, const char *name)
{
	struct seed *s = &seeds[seed_count];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return;
	s->data = malloc(SIZE_MAX_);
	n = s->data == NULL ? -1 : read(fd, s->data, SIZE_MAX_);
	if (close(fd) == 0 && n >= 0) {
		s->size = (size_t)n;
		seed_count++;
	} else {
		free(s->data);
	}
}

static void
read_seeds(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && seed_count < SEEDS_MAX - 1)
			read_seed(dirfd(d), e->d_name);
	if (d != NULL)
		closedir(d);
	/* Nothing at all is an input, too. */
	seeds[seed_count++] = (struct seed){ .data = NULL };
}

static double
seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
run_cuts(double until)
{
	for (size_t i = 0; i < seed_count; i++) {
		size_t step = 1 + seeds[i].size / CUTS_MAX;

		for (size_t n = 0; n < seeds[i].size; n += step) {
			if (seconds() > until)
				return;
			run(seeds[i].data, n);
		}
	}
}

/* Change one or a few places, or splice two seeds. */
static size_t
change(uint8_t *to, const struct seed *a, const struct seed *b)
{
	size_t n = a->size;
	size_t at;

	if (n > 0)
		memcpy(to, a->data, n);
	if (roll(3) == 0 && b->size > 0) {
		size_t from = roll((uint32_t)b->size);
		size_t len = b->size - from;

		at = roll((uint32_t)n + 1);
		len = len < SIZE_MAX_ - at ? len : SIZE_MAX_ - at;
		memcpy(to + at, b->data + from, len);
		n = at + len;
	}
	for (uint32_t k = 1 + roll(6); k > 0; k--) {
		at = roll((uint32_t)n + 1);
		if (roll(4) == 0 && n < SIZE_MAX_) {
			memmove(to + at + 1, to + at, n - at);
			to[at] = (uint8_t)roll(256);
			n++;
		} else if (at < n && roll(4) == 0) {
			memmove(to + at, to + at + 1, n - at - 1);
			n--;
		} else if (at < n) {
			to[at] = (uint8_t)(roll(2) == 0 ? to[at] ^ 1U << roll(8)
							: roll(256));
		}
	}
	return n;
}

static unsigned long
run_changes(double until)
{
	uint8_t *to = malloc(SIZE_MAX_ + 1);
	unsigned long runs = 0;

	while (to != NULL && seconds() < until) {
		const struct seed *a = &seeds[roll((uint32_t)seed_count)];
		const struct seed *b = &seeds[roll((uint32_t)seed_count)];

		run(to, change(to, a, b));
		runs++;
	}
	free(to);
	return runs;
}

int
main(int argc, char **argv)
{
	const char *wanted = getenv("WM_TEST_SEED");
	const char *length = getenv("FUZZ_SECONDS");
	double each = length == NULL ? 2 : strtod(length, NULL);
	char path[200];

	program = strrchr(argv[0], '/');
	program = program == NULL ? argv[0] : program + 1;
	(void)signal(SIGABRT, on_death);
	(void)signal(SIGSEGV, on_death);
	(void)signal(SIGFPE, on_death);
	(void)snprintf(path, sizeof(path), "tests/fuzz/seeds/%s", program);
	read_seeds(argc > 1 ? argv[1] : path);
	dice =
	    wanted == NULL ? (uint64_t)time(NULL) : strtoull(wanted, NULL, 10);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)printf("1..3\n");
	for (size_t i = 0; i < seed_count; i++)
		run(seeds[i].data, seeds[i].size);
	(void)printf("ok 1 - holds_for_every_seed\n");
	run_cuts(seconds() + each / 2);
	(void)printf("ok 2 - holds_for_seeds_cut_short\n");
	(void)fprintf(stderr, "# WM_TEST_SEED=%llu, %zu seeds\n",
	    (unsigned long long)dice, seed_count);
	(void)fprintf(
	    stderr, "# %lu changed seeds\n", run_changes(seconds() + each / 2));
	(void)printf("ok 3 - holds_for_changed_seeds\n");
	return 0;
}
