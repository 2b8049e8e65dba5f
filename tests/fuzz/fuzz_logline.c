/*
 * libFuzzer: what the administrator's command reads: log lines and JSON.
 * What the log writes, whatever it is given, is read back as it was.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/logline.h"
#include "common/base/log.h"
#include "common/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_line(struct slice line)
{
	struct buf value = BUF_INIT(1 << 20);
	struct logline l;
	struct slice rest;
	struct slice key;

	if (!logline_parse(line, &l))
		return;
	rest = l.text;
	while (logline_next(&rest, &key, &value)) {
		if (key.len == 0 || value.len > line.len)
			abort();
		buf_truncate(&value, 0);
	}
	buf_free(&value);
}

/* One line, and in it the value; no stranger adds a line or a key. */
static void
write_line(struct slice in)
{
	static int fd = -1;
	static char text[65536];
	struct buf value = BUF_INIT(1 << 20);
	char given[1001];
	struct logline l;
	struct slice rest;
	struct slice key;
	unsigned keys = 0;
	ssize_t n;

	if (fd == -1) {
		fd = memfd_create("log", 0);
		log_open("fuzz", fd, true);
	}
	n = (ssize_t)MIN(in.len, (size_t)200);
	memcpy(given, in.p, (size_t)n);
	given[n] = '\0';
	if (ftruncate(fd, 0) == -1 || lseek(fd, 0, SEEK_SET) == -1)
		abort();
	log_info("event=fuzz user=%s last=yes", given);
	n = pread(fd, text, sizeof(text), 0);
	if (n < 2 || text[n - 1] != '\n' ||
	    memchr(text, '\n', (size_t)n - 1) != NULL ||
	    !logline_parse(slice_of(text, (size_t)n - 1), &l))
		abort();
	rest = l.text;
	while (logline_next(&rest, &key, &value)) {
		keys++;
		if (slice_eq(key, SLICE("user")) &&
		    !slice_eq(buf_slice(&value), slice_str(given)))
			abort();
		buf_truncate(&value, 0);
	}
	if (keys != 3)
		abort();
	buf_free(&value);
}

static void
check_json(struct slice in)
{
	struct buf text = BUF_INIT(1 << 20);
	struct json_reader r;

	if (json_begin(&r, in))
		while (json_next(&r) == JSON_PAIR)
			;
	json_free(&r);
	if (buf_append_str(&text, "{\"k\": ") == -1 ||
	    json_put_string(&text, in) == -1 ||
	    buf_append_str(&text, "}") == -1)
		abort();
	if (!json_begin(&r, buf_slice(&text)) || json_next(&r) != JSON_PAIR ||
	    !r.is_string || !utf8_valid(buf_slice(&r.value)) ||
	    (utf8_valid(in) && !slice_eq(buf_slice(&r.value), in)) ||
	    json_next(&r) != JSON_END)
		abort();
	json_free(&r);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size > 4096)
		return 0;
	read_line(in);
	if (size > 0)
		write_line(in);
	check_json(in);
	return 0;
}
