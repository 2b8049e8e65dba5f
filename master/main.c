/* master: starts every other process of Wemmick and keeps them running. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/daemon/sandbox.h"
#include "master/master.h"

#define PING_S 10

static struct master master;

static const char usage[] =
    "usage: master [-c FILE] [--ready-fd N]\n"
    "\n"
    "Starts Wemmick and stays in the foreground until SIGTERM.\n"
    "  -c, --config FILE   default /etc/wemmick/wemmick.conf\n"
    "      --ready-fd N    write READY to descriptor N when all is up\n"
    "  -h, --help          this text\n"
    "  -V, --version       the version\n"
    "SIGHUP reloads the configuration; see also `wemmick --help`.\n";

static void
parse_options(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument,
						     NULL, 'c' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 } };
	uint64_t fd;
	int c;

	while ((c = getopt_long(argc, argv, "c:fhV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			master.config_path = optarg;
			break;
		case 'r':
			if (num_parse(slice_str(optarg), INT_MAX, &fd) == -1)
				log_die("event=usage what=--ready-fd");
			master.ready_fd = (int)fd;
			break;
		case 'f':
			break;
		case 'h':
			(void)fputs(usage, stdout);
			exit(0);
		case 'V':
			(void)puts("wemmick " WM_VERSION);
			exit(0);
		default:
			(void)fputs(usage, stderr);
			exit(2);
		}
	}
}

/* The daemons lie beside master unless the configuration says where. */
static void
find_programs(struct config *c)
{
	char self[PATH_MAX];
	ssize_t n;
	char *slash;

	if (c->program_directory[0] != '\0')
		return;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		log_die("event=no-programs mend=\"set program-directory\"");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	free(c->program_directory);
	c->program_directory = xstrdup(self);
}

static void
read_configuration(void)
{
	struct buf problems = BUF_INIT(65536);

	master.config = config_read(master.config_path, &problems);
	if (master.config == NULL) {
		(void)fputs(buf_str(&problems), stderr);
		log_die("event=configuration-bad file=%s", master.config_path);
	}
	buf_free(&problems);
	find_programs(master.config);
}

static void
start_log(void)
{
	int fd;

	master.stderr_fd = places_stderr();
	fd = places_log(&master);
	if (fd == -1)
		exit(1);
	places_log_to(&master, fd);
}

/*
 * Root without most of root: what the table of the house names, and
 * SETPCAP, with which the children drop even the bounds of these.
 */
static void
drop_capabilities(void)
{
	static const cap_value_t kept[] = { CAP_SETUID, CAP_SETGID,
		CAP_SYS_CHROOT, CAP_NET_BIND_SERVICE, CAP_SETPCAP };
	cap_t caps = cap_init();
	cap_value_t c = 0;

	for (; cap_get_bound(c) >= 0; c++) {
		bool keep = false;

		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			keep = keep || kept[i] == c;
		/* A unit that gives less may give no right to drop, either. */
		if (!keep && cap_drop_bound(c) == -1 &&
		    cap_get_bound(CAP_SETPCAP) == 1)
			log_die("event=start-failed what=\"bounding set\" "
				"error=%s",
			    strerror(errno));
	}
	if (c == 0 || errno != EINVAL) /* which the first unknown one is */
		log_die("event=start-failed what=\"bounding set\"");
	for (size_t i = 0; caps != NULL && i < ARRAY_LEN(kept); i++) {
		cap_flag_value_t has = CAP_CLEAR;

		if (cap_get_bound(kept[i]) != 1)
			continue; /* a unit that gives less */
		has = CAP_SET;
		if (cap_set_flag(caps, CAP_PERMITTED, 1, &kept[i], has) == -1 ||
		    cap_set_flag(caps, CAP_EFFECTIVE, 1, &kept[i], has) == -1)
			log_die("event=start-failed what=capabilities");
	}
	if (caps == NULL || cap_set_proc(caps) == -1)
		log_die("event=start-failed what=capabilities error=%s",
		    strerror(errno));
	(void)cap_free(caps);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		log_die("event=start-failed what=no_new_privs");
#ifndef WM_SAN
	if (sandbox_seccomp_master() == -1)
		log_die("event=start-failed what=seccomp");
#endif
}

static void
reload_ready(evutil_socket_t fd, short what, void *arg)
{
	struct buf problems = BUF_INIT(65536);
	const char *why;

	(void)fd;
	(void)what;
	(void)arg;
	if (master.stopping)
		return;
	(void)sd_notify(0, "RELOADING=1");
	why = lifecycle_reload(&master, &problems);
	if (why != NULL) {
		log_error("event=reload-refused why=%s problems=%s", why,
		    buf_str(&problems));
		(void)sd_notify(0, "READY=1\nSTATUS=reload refused");
	}
	buf_free(&problems);
}

/*
 * libevent calls it once for every signal that came. All SIGHUPs together ask
 * for one reload, or a storm of them would keep a SIGTERM waiting.
 */
static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)what;
	(void)arg;
	if (sig == SIGCHLD)
		slots_reap(&master);
	else if (sig == SIGHUP)
		event_active(master.reload, 0, 0);
	else
		lifecycle_stop(&master);
}

static void
watch_signals(void)
{
	static const int signals[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT };

	master.reload = event_new(master.base, -1, 0, reload_ready, NULL);
	if (master.reload == NULL)
		log_die("event=start-failed what=reload");
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct event *e =
		    evsignal_new(master.base, signals[i], on_signal, NULL);

		if (e == NULL || event_add(e, NULL) == -1)
			log_die("event=start-failed what=signals");
	}
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
ping_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	slots_reap(&master); /* whose end no signal told */
	slots_ping(&master);
	(void)sd_notify(0, "WATCHDOG=1");
}

static void
start_pings(void)
{
	const struct timeval every = { PING_S, 0 };

	master.ping_timer =
	    event_new(master.base, -1, EV_PERSIST, ping_ready, NULL);
	if (master.ping_timer == NULL ||
	    event_add(master.ping_timer, &every) == -1)
		log_die("event=start-failed what=timer");
}

int
main(int argc, char **argv)
{
	log_open("master", 2, getenv("JOURNAL_STREAM") == NULL);
	master.config_path = "/etc/wemmick/wemmick.conf";
	master.config_fd = -1;
	master.ready_fd = -1;
	parse_options(argc, argv);
	if (geteuid() != 0)
		log_die("event=start-failed what=\"master must be started as "
			"root; it gives every process a user of its own\"");
	(void)umask(077);
	/* Sessions of an usher that was renewed become our children. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		log_die("event=start-failed what=subreaper");
	read_configuration();
	start_log();
	if (places_prepare(&master) == -1)
		return 1;
	if (pipe2(master.alive, O_CLOEXEC) == -1)
		log_die(
		    "event=start-failed what=pipe error=%s", strerror(errno));
	master.base = event_base_new();
	if (master.base == NULL)
		log_die("event=start-failed what=event_base");
	if (listeners_open(&master) == -1 || lifecycle_config(&master) == -1)
		return 1;
	drop_capabilities();
	watch_signals();
	admin_listen(&master);
	lifecycle_start(&master);
	start_pings();
	/* Who started us starts us again, for this is no end that was asked. */
	if (event_base_dispatch(master.base) != 0)
		log_die("event=loop-failed error=%s", strerror(errno));
	log_info("event=stopped");
	return master.exit_code;
}
