/* Every message of the list, without naming one: cut, stretched, flipped. */
#include <errno.h>
#include <string.h>

#include "common/ipc/chan.h"
#include "common/ipc/messages.h"
#include "tests/unit/cmocka.h"

/* Fields filled with something, one encoder a row. */
/* clang-format off */
#define FILL_U8(f)         m.f = 1;
#define FILL_U16(f)        m.f = 0x1234;
#define FILL_U32(f)        m.f = 0x12345678;
#define FILL_U64(f)        m.f = 0x123456789abcdef0ULL;
#define FILL_STR(f, max)   m.f = slice_of(text, MIN((size_t)(max), (size_t)7));
#define FILL_BYTES(f, max) m.f = slice_of("\0\1\2", 3);
#define SAME_NUM(f)        assert_true(m.f == back.f);
#define SAME_TEXT(f, max)  assert_true(slice_eq(m.f, back.f));
#define X(number, NAME, name, from, to, flags)                                  \
	static void                                                          \
	round_trip_##name(struct buf *b)                                     \
	{                                                                    \
		static const char text[] = "abcdefg";                        \
		struct ipc_##name m;                                         \
		struct ipc_##name back;                                      \
		(void)text;                                                  \
		memset(&m, 0, sizeof(m));                                    \
		memset(&back, 0, sizeof(back));                              \
		IPC_FIELDS_##name(FILL_U8, FILL_U16, FILL_U32, FILL_U64,     \
		    FILL_STR, FILL_BYTES)                                    \
		assert_int_equal(ipc_##name##_encode(&m, b), 0);             \
		assert_int_equal(ipc_##name##_decode(&back, buf_slice(b)), 0); \
		IPC_FIELDS_##name(SAME_NUM, SAME_NUM, SAME_NUM, SAME_NUM,    \
		    SAME_TEXT, SAME_TEXT)                                    \
	}
IPC_MESSAGES(X)
#undef X

static const struct {
	uint16_t type;
	void (*run)(struct buf *b);
} rows[] = {
#define X(number, NAME, name, from, to, flags) { number, round_trip_##name },
	IPC_MESSAGES(X)
#undef X
};
/* clang-format on */

static void
every_message_comes_back_as_it_went(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = BUF_INIT(IPC_MAX_PAYLOAD);

		rows[i].run(&b);
		assert_true(b.len <= ipc_rule_of(rows[i].type)->max);
		buf_free(&b);
	}
}

static void
no_message_decodes_when_cut_or_stretched(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct ipc_rule *r = ipc_rule_of(rows[i].type);
		struct buf b = BUF_INIT(IPC_MAX_PAYLOAD);

		rows[i].run(&b);
		assert_true(r->valid(buf_slice(&b)));
		for (size_t cut = 0; cut < b.len; cut++)
			assert_false(r->valid(slice_of(b.data, cut)));
		assert_int_equal(buf_append_byte(&b, 0), 0);
		assert_false(r->valid(buf_slice(&b)));
		buf_free(&b);
	}
}

static void
a_nul_in_a_string_is_refused(void **state)
{
	struct ipc_ctl_file m = { .name = slice_of("a\0b", 3) };
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(ipc_ctl_file_encode(&m, &b), 0);
	assert_int_equal(ipc_ctl_file_decode(&m, buf_slice(&b)), -1);
	buf_free(&b);
}

static void
a_field_over_its_maximum_is_not_sent(void **state)
{
	char name[65];
	const struct ipc_ctl_file m = { .name = slice_of(name, sizeof(name)) };
	struct buf b = BUF_INIT(1000);

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_int_equal(ipc_ctl_file_encode(&m, &b), -1);
	assert_int_equal(errno, EMSGSIZE);
	buf_free(&b);
}

static void
numbers_are_used_once(void **state)
{
	(void)state;
	for (size_t i = 0; ipc_rule_at(i) != NULL; i++)
		assert_ptr_equal(
		    ipc_rule_of(ipc_rule_at(i)->type), ipc_rule_at(i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_as_it_went),
		cmocka_unit_test(no_message_decodes_when_cut_or_stretched),
		cmocka_unit_test(a_nul_in_a_string_is_refused),
		cmocka_unit_test(a_field_over_its_maximum_is_not_sent),
		cmocka_unit_test(numbers_are_used_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
