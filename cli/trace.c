#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/groups.h"
#include "cli/json.h"
#include "cli/logline.h"
#include "common/base/file.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/config/config.h"

/*
 * A mail's story: the lines that name its id, and, for a line that names a
 * session too, the other lines of that session (of the same process) that
 * are not about another mail. The log is read twice.
 */
#define LINE_MAX_BYTES 8192

struct story {
	const char *id;
	bool json;
	struct map sessions; /* "PROGRAM[PID]SESSION" */
	size_t lines;
};

/* What a line says of itself. */
struct facts {
	bool names_id;
	bool names_other;  /* the line is about another mail */
	char session[128]; /* with its process; "" for none */
};

static void
read_facts(const struct story *s, const struct logline *l, struct facts *f)
{
	struct buf value = BUF_INIT(LINE_MAX_BYTES);
	struct slice rest = l->text;
	struct slice key;

	*f = (struct facts){ .names_id = false };
	while (logline_next(&rest, &key, &value)) {
		if (slice_eq(buf_slice(&value), slice_str(s->id)))
			f->names_id = true;
		else if (slice_eq(key, SLICE("id")))
			f->names_other = true;
		if (slice_eq(key, SLICE("session")))
			(void)snprintf(f->session, sizeof(f->session),
			    "%.*s[%.*s]%s", SLICE_FMT(l->program),
			    SLICE_FMT(l->pid), buf_str(&value));
	}
	buf_free(&value);
}

static void
note_session(struct story *s, const struct logline *l)
{
	struct facts f;

	read_facts(s, l, &f);
	if (f.names_id && f.session[0] != '\0')
		(void)map_put(&s->sessions, slice_str(f.session), s);
}

static void
print_json(const struct logline *l)
{
	struct buf out = BUF_INIT(16 * LINE_MAX_BYTES);
	struct buf value = BUF_INIT(LINE_MAX_BYTES);
	struct slice rest = l->text;
	struct slice key, time;
	int rc = buf_append_str(&out, "{\"time\": ");

	(void)slice_cut(l->head, ' ', &time);
	rc |= json_put_string(&out, time);
	rc |= buf_append_str(&out, ", \"program\": ");
	rc |= json_put_string(&out, l->program);
	rc |= buf_append_str(&out, ", \"pid\": ");
	rc |= buf_append_slice(&out, l->pid);
	while (logline_next(&rest, &key, &value)) {
		rc |= buf_append_str(&out, ", ");
		rc |= json_put_string(&out, key);
		rc |= buf_append_str(&out, ": ");
		rc |= json_put_string(&out, buf_slice(&value));
	}
	rc |= buf_append_byte(&out, '}');
	if (rc == 0)
		(void)puts(buf_str(&out));
	buf_free(&value);
	buf_free(&out);
}

static void
print_line(struct story *s, const struct logline *l, struct slice line)
{
	struct facts f;

	read_facts(s, l, &f);
	if (!f.names_id && map_get(&s->sessions, slice_str(f.session)) == NULL)
		return;
	s->lines++;
	if (s->json)
		print_json(l);
	else
		(void)printf("%.*s\n", SLICE_FMT(line));
}

/* One pass over the log. */
static void
read_log(struct story *s, FILE *f, bool print)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	rewind(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		struct slice text = slice_of(line, (size_t)n);
		struct logline l;

		if (text.p[text.len - 1] == '\n')
			text.len--;
		/* What cannot come from our log could trick a terminal. */
		for (size_t i = 0; i < text.len; i++)
			if ((unsigned char)line[i] < 0x20)
				line[i] = '?';
		if (text.len > LINE_MAX_BYTES || !logline_parse(text, &l))
			continue;
		if (print)
			print_line(s, &l, text);
		else
			note_session(s, &l);
	}
	free(line);
}

/* A copy that can be read twice. */
static FILE *
spool(FILE *from)
{
	FILE *to = tmpfile();
	char piece[65536];
	size_t n;

	if (to == NULL)
		return NULL;
	while ((n = fread(piece, 1, sizeof(piece), from)) > 0) {
		if (fwrite(piece, 1, n, to) != n) {
			(void)fclose(to);
			return NULL;
		}
	}
	return to;
}

static FILE *
run_journalctl(pid_t *pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		if (dup2(ends[1], STDOUT_FILENO) != -1)
			(void)execlp("journalctl", "journalctl", "-q", "-u",
			    "wemmick", "-o", "short-iso", (char *)NULL);
		_exit(127);
	}
	fd_close(ends[1]);
	if (*pid == -1) {
		fd_close(ends[0]);
		return NULL;
	}
	return fdopen(ends[0], "r");
}

static FILE *
open_journal(void)
{
	pid_t pid = -1;
	FILE *from = run_journalctl(&pid);
	FILE *copy = from == NULL ? NULL : spool(from);
	int status = 0;

	if (from != NULL)
		(void)fclose(from);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0)
		cli_fail("journalctl failed; give the log as FILE, or - for "
			 "standard input");
	return copy;
}

static FILE *
open_log(struct cli *cli, const char *name)
{
	FILE *f;

	if (name == NULL) {
		if (cli_config(cli) == NULL)
			return NULL;
		if (cli->config->log[0] != '/')
			return open_journal();
		name = cli->config->log;
	}
	f = strcmp(name, "-") == 0 ? spool(stdin) : fopen(name, "re");
	if (f == NULL)
		cli_fail("cannot read %s: %s", name, strerror(errno));
	return f;
}

static int
run_trace(struct cli *cli, const struct command_args *a)
{
	struct story s = { .id = a->args[0], .json = cli->json };
	size_t count = MAX(a->count - 1, 1);
	FILE *logs[COMMAND_ARGS_MAX] = { NULL };
	int rc = EXIT_DONE;

	for (size_t i = 0; i < count && rc == EXIT_DONE; i++) {
		logs[i] = open_log(cli, a->count > 1 ? a->args[i + 1] : NULL);
		if (logs[i] == NULL)
			rc = cli->config == NULL && a->count == 1 ? EXIT_MISUSED
								  : EXIT_FAILED;
	}
	for (size_t i = 0; i < count && rc == EXIT_DONE; i++)
		read_log(&s, logs[i], false);
	for (size_t i = 0; i < count && rc == EXIT_DONE; i++)
		read_log(&s, logs[i], true);
	for (size_t i = 0; i < count; i++)
		if (logs[i] != NULL)
			(void)fclose(logs[i]);
	map_free(&s.sessions);
	if (rc == EXIT_DONE && s.lines == 0)
		rc = cli_fail("the log says nothing of %s", s.id);
	return rc;
}

/* clang-format off */
const struct command trace_commands[] = {
	{ "trace", NULL, "ID [FILE...]", "tell a mail's whole story from the log",
	  "ID is a queue id. Without FILE the log of the configuration is read,\n"
	  "or the journal; - is standard input. Give rotated files oldest first.\n",
	  NULL, 1, COMMAND_ARGS_MAX, run_trace },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};
/* clang-format on */
