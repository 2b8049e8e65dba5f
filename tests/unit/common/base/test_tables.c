/* map and heap against a plain model. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/heap.h"
#include "common/base/map.h"
#include "tests/unit/cmocka.h"

#define KEYS 500

static unsigned
next_random(unsigned *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 8;
}

static uint64_t
hash_of_a_child(void)
{
	uint64_t hash = 0;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		hash = map_hash(SLICE("flood"));
		_exit(write(fds[1], &hash, sizeof(hash)) != sizeof(hash));
	}
	assert_true(pid > 0);
	assert_int_equal(
	    read(fds[0], &hash, sizeof(hash)), (ssize_t)sizeof(hash));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
	return hash;
}

/* Nobody can know which keys collide. Runs first: the key is made once. */
static void
each_process_hashes_in_its_own_way(void **state)
{
	(void)state;
	assert_true(hash_of_a_child() != hash_of_a_child());
}

static void
map_agrees_with_an_array(void **state)
{
	struct map m = MAP_INIT;
	int values[KEYS];
	int *model[KEYS] = { NULL };
	unsigned seed = 1;
	size_t count = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		unsigned k = next_random(&seed) % KEYS;

		if (next_random(&seed) % 2 == 0) {
			count += model[k] == NULL;
			assert_ptr_equal(
			    map_put_u64(&m, k, &values[k]), model[k]);
			model[k] = &values[k];
		} else {
			count -= model[k] != NULL;
			assert_ptr_equal(map_del_u64(&m, k), model[k]);
			model[k] = NULL;
		}
		assert_int_equal(m.count, count);
	}
	for (unsigned k = 0; k < KEYS; k++)
		assert_ptr_equal(map_get_u64(&m, k), model[k]);
	map_free(&m);
}

static void
map_walk_meets_each_entry_once(void **state)
{
	struct map m = MAP_INIT;
	char seen[KEYS] = { 0 };
	size_t at = 0;
	struct slice key;
	void *value;

	(void)state;
	for (size_t i = 0; i < KEYS; i++)
		(void)map_put_u64(&m, i, &seen[i]);
	while (map_next(&m, &at, &key, &value)) {
		(*(char *)value)++;
		assert_ptr_equal(map_del(&m, key), value);
	}
	for (size_t i = 0; i < KEYS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(m.count, 0);
	map_free(&m);
}

static void
heap_gives_the_smallest_whatever_moved(void **state)
{
	struct heap_node nodes[KEYS];
	struct heap h = HEAP_INIT;
	unsigned seed = 7;
	int64_t last = -1;
	size_t taken = 0;

	(void)state;
	memset(nodes, 0, sizeof(nodes));
	for (size_t i = 0; i < KEYS; i++)
		heap_set(&h, &nodes[i], next_random(&seed) % 1000);
	for (size_t i = 0; i < KEYS; i += 3)
		heap_set(&h, &nodes[i], next_random(&seed) % 1000);
	for (size_t i = 1; i < KEYS; i += 5)
		heap_remove(&h, &nodes[i]);
	while (heap_first(&h) != NULL) {
		struct heap_node *n = heap_first(&h);

		assert_true(n->due >= last);
		last = n->due;
		heap_remove(&h, n);
		heap_remove(&h, n); /* harmless */
		taken++;
	}
	assert_int_equal(taken, KEYS - KEYS / 5);
	heap_free(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_hashes_in_its_own_way),
		cmocka_unit_test(map_agrees_with_an_array),
		cmocka_unit_test(map_walk_meets_each_entry_once),
		cmocka_unit_test(heap_gives_the_smallest_whatever_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
