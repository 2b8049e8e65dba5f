/*
 * sendmail - what other programs call to send mail: reads it from standard
 * input and hands it to this host's SMTP port.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli/mail_in.h"
#include "cli/mail_out.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"

#define DEFAULT_CONFIG "/etc/wemmick/wemmick.conf"

struct options {
	const char *config;
	const char *sender; /* NULL: who calls */
	bool collect;       /* -t */
	bool dots;          /* -i: a dot alone ends nothing */
};

NORETURN static void
fail(int code, const char *text)
{
	(void)fprintf(stderr, "sendmail: %s\n", text);
	exit(code);
}

NORETURN static void
usage(int code)
{
	(void)fprintf(code == EX_OK ? stdout : stderr,
	    "usage: sendmail [-ti] [-f sender] [-C config] [recipient...]\n"
	    "Send the mail on standard input. -t: to those in To, Cc and Bcc,\n"
	    "too. -i: a line with a dot alone does not end it. -bp lists the\n"
	    "queue. Other options of sendmail are taken and ignored.\n");
	exit(code);
}

/* -bp: what is queued; -bi and -bs and the like are others' programs. */
NORETURN static void
mode(const struct options *o, const char *which)
{
	if (*which == 'p') {
		(void)execlp("wemmick", "wemmick", "-c", o->config, "queue",
		    "list", (char *)NULL);
		fail(EX_OSERR, "cannot run wemmick");
	}
	fail(EX_USAGE, "only -bm and -bp are known");
}

static int
read_options(struct options *o, int argc, char **argv)
{
	int c;

	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		usage(EX_OK);
	while (
	    (c = getopt(argc, argv, "+b:C:F:f:h:iN:no:R:r:tUV:vX:B:")) != -1) {
		if (c == 'C')
			o->config = optarg;
		else if (c == 'f' || c == 'r')
			o->sender = optarg;
		else if (c == 't')
			o->collect = true;
		else if (c == 'i' || (c == 'o' && strcmp(optarg, "i") == 0))
			o->dots = true;
		else if (c == 'b' && *optarg != 'm')
			mode(o, optarg);
		else if (c == '?')
			usage(EX_USAGE);
	}
	return optind;
}

static struct config *
read_config(const char *path)
{
	struct buf problems = BUF_INIT(1 << 20);
	struct config *c = config_read(path, &problems);

	if (c == NULL) {
		(void)fprintf(stderr, "%s", buf_str(&problems));
		exit(EX_CONFIG);
	}
	buf_free(&problems);
	if (c->listen_smtp.count == 0)
		fail(EX_CONFIG, "listen-smtp is empty: nobody takes mail");
	return c;
}

/* Without -i a line with a dot alone is the end, as people typed it. */
static struct slice
until_dot(struct slice text)
{
	struct slice rest = text;
	struct slice line;

	while (rest.len > 0) {
		const char *start = rest.p;

		rest = slice_cut(rest, '\n', &line);
		if (slice_eq(line, SLICE(".")) || slice_eq(line, SLICE(".\r")))
			return slice_of(text.p, (size_t)(start - text.p));
	}
	return text;
}

static char *
caller(const char *host)
{
	const struct passwd *pw = getpwuid(getuid());

	if (pw == NULL)
		fail(EX_NOUSER, "who are you? Say it with -f");
	return xasprintf("%s@%s", pw->pw_name, host);
}

static int
deliver(const struct mail_in *m, const struct config *c, const char *sender)
{
	struct buf why = BUF_INIT(65536);
	enum mail_out rc =
	    mail_out_send(m, c->listen_smtp.items[0], sender, &why);

	if (rc != MAIL_OUT_TAKEN)
		(void)fprintf(stderr, "sendmail: %s\n", buf_str(&why));
	buf_free(&why);
	if (rc == MAIL_OUT_TAKEN)
		return EX_OK;
	return rc == MAIL_OUT_LATER ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

int
main(int argc, char **argv)
{
	struct options o = { .config = DEFAULT_CONFIG };
	struct mail_in_how how = { .host = "localhost" };
	struct mail_in m;
	struct config *c;
	struct buf text;
	struct slice all;
	char *me = NULL;
	int first;
	int rc;

	log_open("sendmail", 2, false);
	(void)signal(SIGPIPE, SIG_IGN);
	first = read_options(&o, argc, argv);
	c = read_config(o.config);
	if (c->hostname[0] != '\0')
		how.host = c->hostname;
	how.sender = o.sender;
	if (how.sender == NULL) {
		me = caller(how.host);
		how.sender = me;
	}
	how.collect = o.collect;
	mail_in_init(&m, (size_t)c->message_size_limit);
	buf_init(&text, (size_t)c->message_size_limit);
	if (file_read(STDIN_FILENO, &text) == -1)
		fail(errno == ENOBUFS ? EX_DATAERR : EX_IOERR, strerror(errno));
	for (int i = first; i < argc; i++)
		if (mail_in_rcpt(&m, slice_str(argv[i]), how.host) == -1)
			fail(EX_USAGE, "too many recipients");
	all = o.dots ? buf_slice(&text) : until_dot(buf_slice(&text));
	if (mail_in_take(&m, all, &how) == -1)
		fail(EX_DATAERR, strerror(errno));
	if (m.count == 0)
		fail(EX_USAGE, "no recipients");
	rc = deliver(&m, c, strcmp(how.sender, "<>") == 0 ? "" : how.sender);
	buf_free(&text);
	mail_in_free(&m);
	config_free(c);
	free(me);
	return rc;
}
