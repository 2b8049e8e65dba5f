#include "store/fname.h"
#include "store/name.h"
#include "tests/unit/store/fixture.h"

/* Names of mailboxes, of drops and of message files, hostile ones included. */

static const char *
apply(int (*fn)(struct slice, struct buf *), struct slice in)
{
	static char text[2048];
	struct buf b = BUF_INIT(2000);
	const char *out = NULL;

	if (fn(in, &b) == 0) {
		snprintf(text, sizeof(text), "%s", buf_str(&b));
		out = text;
	}
	buf_free(&b);
	return out;
}

static void
canonical_names(void **state)
{
	static const char *const refused[] = { "", "/", "//", "a//b", "/a",
		"a\nb", "a\x7f", "a*", "%", "a\xff", "a\xc0\xaf", "a//",
		"a\xc2\x85" };

	(void)state;
	assert_string_equal(apply(name_canonical, SLICE("inbox")), "INBOX");
	assert_string_equal(apply(name_canonical, SLICE("InBox/x")), "INBOX/x");
	assert_string_equal(apply(name_canonical, SLICE("inboxes")), "inboxes");
	assert_string_equal(apply(name_canonical, SLICE("a/INbox")), "a/INbox");
	assert_string_equal(apply(name_canonical, SLICE("a/b/")), "a/b");
	assert_string_equal(
	    apply(name_canonical, SLICE("../../etc")), "../../etc");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		errno = 0;
		assert_null(apply(name_canonical, slice_str(refused[i])));
		assert_int_equal(errno, EINVAL);
	}
	assert_null(apply(name_canonical, SLICE("a\0b")));
}

static void
long_names_are_refused(void **state)
{
	char name[NAME_MAX_BYTES + 2];

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_non_null(apply(name_canonical, slice_of(name, 254)));
	assert_null(apply(name_canonical, slice_of(name, 255)));
	assert_int_equal(errno, ENAMETOOLONG);
	assert_null(apply(name_canonical, slice_of(name, sizeof(name))));
	assert_int_equal(errno, ENAMETOOLONG);
}

static void
disk_names_go_both_ways(void **state)
{
	static const char *const pairs[][2] = {
		{ "INBOX", "" },
		{ "Lists/linux", ".Lists.linux" },
		{ "INBOX/a", ".INBOX.a" },
		{ "Entw\xc3\xbcrfe", ".Entw&APw-rfe" },
		{ "a.b/c", ".a&AC4-b.c" },
		{ "..", ".&AC4ALg-" },
		{ "\xc3\xbc.", ".&APwALg-" },
		{ "a&b", ".a&-b" },
		{ "\xf0\x9f\x93\xab", ".&2D3c6w-" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		assert_string_equal(
		    apply(name_to_disk, slice_str(pairs[i][0])), pairs[i][1]);
		if (*pairs[i][1] != '\0')
			assert_string_equal(
			    apply(name_from_disk, slice_str(pairs[i][1])),
			    pairs[i][0]);
	}
}

static void
foreign_disk_names_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "..", "cur", ".a..b",
		"..a", ".a.", ".a/b", ".&", ".&AC4", ".&AC8-", ".&AGE-",
		".a\xff", ".a\nb", ".inbox", ".&2D0-", ".&-&AC4-&AC4-" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_null(apply(name_from_disk, slice_str(names[i])));
}

static void
utf7_is_strict(void **state)
{
	static const char *const refused[] = { "&", "&AOk", "&AGE-", "&A-",
		"&AO-", "&AOl-", "\x80", "a\tb", "&2D0-", "&3Es-", "&2D0AYQ-",
		"&AOk-&AOk-", "&//8-", "&AOk=-" };

	(void)state;
	assert_string_equal(apply(name_from_utf7, SLICE("a&-b")), "a&b");
	/* The example of RFC 3501 §5.1.3. */
	assert_string_equal(
	    apply(name_from_utf7, SLICE("~peter/mail/&U,BTFw-/&ZeVnLIqe-")),
	    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e");
	assert_string_equal(
	    apply(name_to_utf7, SLICE("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
				      "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e")),
	    "~peter/mail/&U,BTFw-/&ZeVnLIqe-");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (apply(name_from_utf7, slice_str(refused[i])) != NULL)
			fail_msg("%s", refused[i]);
}

static void
drop_names_go_both_ways(void **state)
{
	struct drop_name d = { .queue_id = "4kQ-z_9",
		.recipient = 3,
		.folder = 7,
		.size = 12345,
		.date_s = 1700000000,
		.low = "4kA",
		.retry = true };
	struct drop_name e;
	char name[DROP_NAME_MAX + 1];
	uint64_t token = drop_token(&d);

	(void)state;
	assert_int_equal(drop_name_format(&d, name), 0);
	assert_string_equal(name, "4kQ-z_9.3.7.12345.1700000000.L4kA.R");
	assert_int_equal(drop_name_parse(slice_str(name), &e), 0);
	assert_string_equal(e.queue_id, d.queue_id);
	assert_string_equal(e.low, d.low);
	assert_int_equal(e.size, d.size);
	assert_true(e.retry);
	/* The token is queue id and recipient, nothing else. */
	e.retry = false;
	e.size++;
	assert_true(drop_token(&e) == token);
	e.recipient++;
	assert_false(drop_token(&e) == token);
	d = (struct drop_name){ .queue_id = "a" };
	assert_int_equal(drop_name_format(&d, name), 0);
	assert_string_equal(name, "a.0.0.0.0");
	memset(&d, 0xff, sizeof(d));
	memset(d.queue_id, 'z', DROP_TOKEN_MAX);
	d.queue_id[DROP_TOKEN_MAX] = '\0';
	memcpy(d.low, d.queue_id, sizeof(d.low));
	d.date_s = INT64_MAX;
	d.retry = true;
	assert_int_equal(drop_name_format(&d, name), 0);
	*d.low = '.';
	assert_int_equal(drop_name_format(&d, name), -1);
}

static void
other_drop_names_are_refused(void **state)
{
	static const char *const names[] = { "", ".", "a", "a.1", "a.1.2.3",
		"a.1.2.3.4.", "a.1.2.3.4.R.", "a.1.2.3.4.r", "a.1.2.3.4.L",
		"a.1.2.3.4.Lx.", "a.1.2.3.4.R.Lx", "a.01.2.3.4", "a.+1.2.3.4",
		"a.1.2.3.-4", "a.4294967296.2.3.4",
		"a.1.2.3.99999999999999999999", "a/b.1.2.3.4", "a b.1.2.3.4",
		".1.2.3.4", "a.1.2.3.4.L..R", "a.1.2.3.4\n", "../a.1.2.3.4",
		"a.1.2.3.4.Lx.R.R" };
	struct drop_name d;
	char longer[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(drop_name_parse(slice_str(names[i]), &d), -1);
	assert_int_equal(drop_name_parse(SLICE("a.1.2.3.4\0"), &d), -1);
	memset(longer, 'a', sizeof(longer));
	assert_int_equal(drop_name_parse(slice_of(longer, 400), &d), -1);
}

static void
file_names_go_both_ways(void **state)
{
	struct fname f = { .date_s = -5,
		.zone_min = -720,
		.id = 0xabc,
		.size = UINT64_C(1) << 40,
		.uid = UINT32_MAX,
		.uidvalidity = 9,
		.flags = MESSAGE_SEEN | MESSAGE_DRAFT };
	struct fname g;
	char name[FNAME_MAX + 1];

	(void)state;
	fname_format(&f, name);
	assert_string_equal(name,
	    "-5.Z-720W0000000000000abc.wm,S=1099511627776,"
	    "U=4294967295.9:2,DS");
	assert_int_equal(fname_parse(slice_str(name), &g), 0);
	assert_int_equal(g.date_s, -5);
	assert_int_equal(g.zone_min, -720);
	assert_int_equal(g.id, f.id);
	assert_int_equal(g.size, f.size);
	assert_int_equal(g.uid, f.uid);
	assert_int_equal(g.uidvalidity, 9);
	assert_int_equal(g.flags, f.flags);
	f.date_s = INT64_MIN + 1;
	f.size = INT64_MAX;
	f.flags = MESSAGE_FLAGS;
	f.zone_min = -1440;
	f.uidvalidity = UINT32_MAX;
	fname_format(&f, name);
	assert_int_equal(fname_parse(slice_str(name), &g), 0);
	assert_int_equal(g.date_s, f.date_s);
}

static void
other_file_names_are_refused(void **state)
{
	static const char *const names[] = { "", ":2,S",
		"1.Z0W0000000000000abc.wm,S=1,U=0.9:2,",
		"1.Z0W0000000000000abc.wm,S=1,U=1.0:2,",
		"1.Z0W0000000000000abc.wm,S=1,U=1.9",
		"1.Z0W0000000000000abcd.wm,S=1,U=1.9:2,",
		"1.Z0Wg000000000000abc.wm,S=1,U=1.9:2,",
		"1.Z9999W0000000000000abc.wm,S=1,U=1.9:2,",
		"1.Z0W0000000000000abc.wm,S=-1,U=1.9:2,",
		"1.Z0W0000000000000abc.wm,S=1,U=4294967296.9:2,",
		".Z0W0000000000000abc.wm,S=1,U=1.9:2,",
		"1700000000.M1P2.host,S=3:2,S" };
	struct fname f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(fname_parse(slice_str(names[i]), &f), -1);
	assert_int_equal(
	    fname_flags(SLICE("x:2,FSabc")), MESSAGE_FLAGGED | MESSAGE_SEEN);
	assert_int_equal(fname_flags(SLICE("x:1,FS")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical_names),
		cmocka_unit_test(long_names_are_refused),
		cmocka_unit_test(disk_names_go_both_ways),
		cmocka_unit_test(foreign_disk_names_are_refused),
		cmocka_unit_test(utf7_is_strict),
		cmocka_unit_test(drop_names_go_both_ways),
		cmocka_unit_test(other_drop_names_are_refused),
		cmocka_unit_test(file_names_go_both_ways),
		cmocka_unit_test(other_file_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
