/* Memory that forked children do not have. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/apart.h"
#include "common/base/mem.h"
#include "common/base/slice.h"
#include "tests/unit/cmocka.h"

#define BLOCKS 500

static unsigned random_state = 1;

static size_t
some_size(void)
{
	random_state = random_state * 1103515245 + 12345;
	return (size_t)1 << (random_state >> 16) % 13 |
	       (random_state >> 8) % 100;
}

static void
blocks_are_aligned_and_do_not_overlap(void **state)
{
	static struct {
		unsigned char *p;
		size_t n;
	} all[BLOCKS];

	(void)state;
	for (size_t i = 0; i < (size_t)20 * BLOCKS; i++) {
		size_t k = i * 7919 % BLOCKS;

		if (all[k].p != NULL) {
			for (size_t b = 0; b < all[k].n; b++)
				assert_int_equal(all[k].p[b], k & 255);
			apart_free(all[k].p);
		}
		all[k].n = some_size();
		all[k].p = apart_alloc(all[k].n);
		assert_non_null(all[k].p);
		assert_true(apart_has(all[k].p));
		assert_int_equal((uintptr_t)all[k].p % 16, 0);
		assert_in_range(apart_size(all[k].p), all[k].n, SIZE_MAX);
		memset(all[k].p, (int)(k & 255), apart_size(all[k].p));
		all[k].n = apart_size(all[k].p);
	}
	for (size_t k = 0; k < BLOCKS; k++)
		apart_free(all[k].p);
}

static void
what_was_freed_is_given_again(void **state)
{
	static const size_t sizes[] = { 0, 1, 16, 17, 1024, 1025, 65536,
		1048576 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		void *p = apart_alloc(sizes[i]);

		assert_non_null(p);
		for (size_t k = 0; k < 1000; k++) {
			apart_free(p);
			assert_ptr_equal(apart_alloc(sizes[i]), p);
		}
		apart_free(p);
	}
}

static void
too_much_is_refused_and_harms_nothing(void **state)
{
	static void *all[200];
	size_t n = 0;

	(void)state;
	assert_null(apart_alloc((1 << 20) + 1));
	assert_null(apart_alloc(SIZE_MAX));
	while (n < ARRAY_LEN(all) && (all[n] = apart_alloc(1 << 20)) != NULL)
		n++;
	assert_in_range(n, 32, 64); /* 64 MiB, heads included */
	assert_null(apart_alloc(1 << 20));
	while (n > 0)
		apart_free(all[--n]);
	all[0] = apart_alloc(1 << 20);
	assert_non_null(all[0]);
	apart_free(all[0]);
}

/* The end of a child that has read *p, or written what is not apart. */
static int
child_status(const volatile char *p)
{
	int status = 0;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		_exit(*p == 'x' ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
a_child_has_none_of_it(void **state)
{
	char *own = apart_alloc(100);
	char *common = xcalloc(1, 100);
	int status;

	(void)state;
	assert_non_null(own);
	own[0] = 'x';
	common[0] = 'x';
	assert_false(apart_has(common));
	assert_int_equal(child_status(common), 0);
	status = child_status(own);
#ifdef WM_SAN
	assert_int_not_equal(status, 0);
#else
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
#endif
	free(common);
	apart_free(own);
}

/* A child's own memory may come to lie where the area was. */
static void
what_a_child_has_in_its_place_is_the_childs(void **state)
{
	char *own = apart_alloc(100);
	int status = -1;
	pid_t pid;

	(void)state;
	assert_non_null(own);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		char *page = own - (uintptr_t)own % 4096;

		mem_forked();
		if (mmap(page, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			0) != page)
			_exit(2);
		_exit(apart_has(own) || apart_alloc(1) != NULL ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(apart_has(own));
	apart_free(own);
}

static void
it_is_switched_on_and_off(void **state)
{
	(void)state;
	assert_false(apart_is_on());
	assert_false(mem_apart(true));
	assert_true(apart_is_on());
	assert_true(mem_apart(false));
	assert_false(apart_is_on());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_aligned_and_do_not_overlap),
		cmocka_unit_test(what_was_freed_is_given_again),
		cmocka_unit_test(too_much_is_refused_and_harms_nothing),
		cmocka_unit_test(a_child_has_none_of_it),
		cmocka_unit_test(what_a_child_has_in_its_place_is_the_childs),
		cmocka_unit_test(it_is_switched_on_and_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
