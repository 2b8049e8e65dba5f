#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <db.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/table/table.h"
#include "common/table/write.h"
#include "tests/unit/tmp.h"

static char dir[TMP_PATH];

static struct table_place
place(void)
{
	return (struct table_place){ .configured = dir, .seen = dir };
}

static int
make_dir(void **state)
{
	(void)state;
	return tmp_make(dir);
}

static int
remove_dir(void **state)
{
	(void)state;
	return tmp_remove(dir);
}

static void
write_file(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	char *tmp = xasprintf("%s/%s.tmp", dir, name);
	FILE *f = fopen(tmp, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(tmp, path), 0);
	free(path);
	free(tmp);
}

static void
build(const char *spec, int want)
{
	struct buf problems = BUF_INIT(65536);
	struct table_place p = place();
	size_t n;

	assert_int_equal(table_build(spec, &p, &problems, &n), want);
	buf_free(&problems);
}

static struct table *
open_table(const char *spec)
{
	char err[512] = "";
	struct table_place p = place();
	struct table *t = table_open(spec, &p, err, sizeof(err));

	assert_string_equal(err, "");
	assert_non_null(t);
	return t;
}

static void
expect(struct table *t, const char *key, const char *want)
{
	struct buf value = BUF_INIT(4096);

	assert_int_equal(table_lookup(t, slice_str(key), &value),
	    want == NULL ? TABLE_NOT_FOUND : TABLE_FOUND);
	assert_string_equal(buf_str(&value), want == NULL ? "" : want);
	buf_free(&value);
}

static void
expect_error(struct table *t, const char *key)
{
	struct buf value = BUF_INIT(16);

	assert_int_equal(table_lookup(t, slice_str(key), &value), TABLE_ERROR);
	assert_int_equal(value.len, 0);
	assert_string_not_equal(table_problem(t), "");
	buf_free(&value);
}

static void
specifications_are_understood_or_refused(void **state)
{
	static const char *const bad[] = { "", "hash", "hash:", ":a", "what:a",
		"hash:../a", "hash:a/../../b", "hash:/etc/passwd", "inline:x",
		"inline:{x}", "text:a\nb" };
	struct table_place p = place();
	char *inside = xasprintf("hash:%s/a", dir);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char err[512] = "";

		assert_null(table_open(bad[i], &p, err, sizeof(err)));
		assert_string_not_equal(err, "");
	}
	table_close(open_table(inside));
	free(inside);
}

static void
inline_table_answers(void **state)
{
	struct table *t =
	    open_table("inline:{Pip=one, {Estella = two, three}}");

	(void)state;
	expect(t, "pip", "one");
	expect(t, "ESTELLA", "two, three");
	expect(t, "joe", NULL);
	expect(t, "", NULL);
	table_close(t);
}

static void
text_file_is_read_again_after_a_change(void **state)
{
	struct table *t = open_table("text:a");

	(void)state;
	write_file("a", "pip one\n");
	expect(t, "Pip", "one");
	write_file("a", "pip two\njoe x\n");
	expect(t, "pip", "two");
	expect(t, "joe", "x");
	write_file("a", "pip\n");
	expect_error(t, "pip");
	write_file("a", "pip three\n");
	expect(t, "pip", "three");
	table_close(t);
}

static void
missing_file_is_an_error_and_not_an_empty_table(void **state)
{
	struct table *h = open_table("hash:a");
	struct table *x = open_table("text:a");

	(void)state;
	expect_error(h, "pip");
	expect_error(x, "pip");
	assert_int_equal(table_check(h), -1);
	write_file("a", "pip one\n");
	build("hash:a", 0);
	expect(h, "pip", "one");
	expect(x, "pip", "one");
	table_close(h);
	table_close(x);
}

static void
built_tables_answer_and_are_noticed_when_replaced(void **state)
{
	static const char *const specs[] = { "hash:a", "btree:a" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct table *t = open_table(specs[i]);
		unsigned before;

		write_file("a", "Pip: one\nroot: pip, estella\npip again\n");
		build(specs[i], 0);
		expect(t, "PIP", "one");
		expect(t, "root", "pip, estella");
		expect(t, "joe", NULL);
		before = table_generation(t);
		expect(t, "joe", NULL);
		assert_int_equal(table_generation(t), before);
		write_file("a", "pip two\n");
		build(specs[i], 0);
		expect(t, "pip", "two");
		expect(t, "root", NULL);
		assert_int_not_equal(table_generation(t), before);
		table_close(t);
	}
}

static void
failed_build_leaves_the_old_table(void **state)
{
	struct table *t = open_table("hash:a");

	(void)state;
	write_file("a", "pip one\n");
	build("hash:a", 0);
	write_file("a", "pip two\nbad\n");
	build("hash:a", -1);
	expect(t, "pip", "one");
	build("text:a", -1);
	build("hash:nothing", -1);
	table_close(t);
}

static void
garbage_instead_of_a_database_is_an_error(void **state)
{
	struct table *t = open_table("hash:a");
	char *path = xasprintf("%s/a.db", dir);

	(void)state;
	write_file("a.db", "this is no database at all, is it?");
	expect_error(t, "pip");
	write_file("a", "pip one\n");
	build("hash:a", 0);
	expect(t, "pip", "one");
	assert_int_equal(truncate(path, 4096), 0);
	expect_error(t, "pip");
	table_close(t);
	free(path);
}

/* As postmap and other programs write: with NULs, and without. */
static void
write_foreign(const char *key, size_t klen, const char *value, size_t vlen)
{
	char *path = xasprintf("%s/p.db", dir);
	char kcopy[64], vcopy[64];
	DBT k, v;
	DB *db;

	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(
	    db->open(db, NULL, path, NULL, DB_HASH, DB_CREATE, 0644), 0);
	memset(&k, 0, sizeof(k));
	memset(&v, 0, sizeof(v));
	memcpy(kcopy, key, klen);
	memcpy(vcopy, value, vlen);
	k.data = kcopy;
	k.size = (u_int32_t)klen;
	v.data = vcopy;
	v.size = (u_int32_t)vlen;
	assert_int_equal(db->put(db, NULL, &k, &v, 0), 0);
	assert_int_equal(db->close(db, 0), 0);
	free(path);
}

static void
foreign_databases_with_and_without_nul_are_read(void **state)
{
	struct table *t = open_table("hash:p");

	(void)state;
	write_foreign("pip", 4, "one", 4);
	write_foreign("joe", 3, "two", 3);
	write_foreign("evil", 4, "a\0b", 3);
	write_foreign("line", 4, "a\nb", 3);
	expect(t, "pip", "one");
	expect(t, "joe", "two");
	expect_error(t, "evil");
	expect_error(t, "line");
	expect(t, "pip", "one");
	table_close(t);
}

static void
value_over_the_limit_is_an_error(void **state)
{
	struct table *t = open_table("inline:{pip=0123456789abcdefg}");

	(void)state;
	expect_error(t, "pip");
	table_close(t);
}

static void
key_at_and_over_the_limit(void **state)
{
	struct table *t = open_table("inline:{a=b}");
	struct buf value = BUF_INIT(16);
	char key[TABLE_KEY_MAX + 1];

	(void)state;
	memset(key, 'k', sizeof(key));
	assert_int_equal(table_lookup(t, slice_of(key, TABLE_KEY_MAX), &value),
	    TABLE_NOT_FOUND);
	assert_int_equal(
	    table_lookup(t, slice_of(key, TABLE_KEY_MAX + 1), &value),
	    TABLE_ERROR);
	buf_free(&value);
	table_close(t);
}

static void
list_asks_in_order_and_stops_at_an_error(void **state)
{
	char *specs[] = { xstrdup("inline:{a=1}"), xstrdup("text:gone"),
		xstrdup("inline:{b=2}") };
	struct table_place p = place();
	struct table_list l;
	struct buf value = BUF_INIT(16);
	char err[512] = "";

	(void)state;
	assert_int_equal(table_list_open(&l, specs, 3, &p, err), 0);
	assert_int_equal(
	    table_list_lookup(&l, SLICE("a"), &value), TABLE_FOUND);
	assert_int_equal(
	    table_list_lookup(&l, SLICE("b"), &value), TABLE_ERROR);
	assert_string_equal(table_spec(l.failed), "text:gone");
	table_list_close(&l);
	buf_free(&value);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		free(specs[i]);
}

static int
count_entry(void *arg, struct slice key, struct slice value)
{
	size_t *n = arg;

	assert_true(key.len > 0 && value.len > 0);
	(*n)++;
	return 0;
}

static void
each_walks_all_entries(void **state)
{
	char *path = xasprintf("%s/a.db", dir);
	char err[512] = "";
	size_t n = 0;

	(void)state;
	write_file("a", "a b\nc d\ne f\n");
	build("hash:a", 0);
	assert_int_equal(table_each(path, count_entry, &n, err), 0);
	assert_int_equal(n, 3);
	free(path);
}

/* Berkeley DB would wait for ever for whoever made the latter. */
static void
remains_of_a_killed_build_do_not_matter(void **state)
{
	(void)state;
	write_file("a", "a b\n");
	write_file("a.db.new", "half");
	write_file("__db.a.db.new", "less");
	(void)alarm(20);
	build("hash:a", 0);
	(void)alarm(0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		T(specifications_are_understood_or_refused),
		T(inline_table_answers),
		T(text_file_is_read_again_after_a_change),
		T(missing_file_is_an_error_and_not_an_empty_table),
		T(built_tables_answer_and_are_noticed_when_replaced),
		T(failed_build_leaves_the_old_table),
		T(garbage_instead_of_a_database_is_an_error),
		T(foreign_databases_with_and_without_nul_are_read),
		T(value_over_the_limit_is_an_error),
		T(key_at_and_over_the_limit),
		T(list_asks_in_order_and_stops_at_an_error),
		T(each_walks_all_entries),
		T(remains_of_a_killed_build_do_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
