/* Directories, uids, files that are handed over, and the log. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/identity.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/owner.h"
#include "master/master.h"

int
places_ids(const struct master *m, const struct service *s, uint32_t *uid,
    uint32_t *gid)
{
	const struct passwd *pw;

	if (m->config->base_uid != 0) {
		*uid = (uint32_t)m->config->base_uid + (uint32_t)s->proc;
		*gid = *uid;
		return 0;
	}
	errno = 0;
	pw = getpwnam(s->user);
	if (pw == NULL) {
		log_error(
		    "event=no-user name=%s mend=\"create the system users "
		    "of etc/sysusers.d/wemmick.conf, or set base-uid\"",
		    s->user);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static const struct service *
service_of(enum proc p)
{
	const struct service *s;

	for (size_t i = 0; (s = service_at(i)) != NULL; i++)
		if (s->proc == p)
			return s;
	return NULL;
}

/* As its owner: not even its mode is root's to change. */
static int
set_mode(int fd, const struct stat *st, mode_t mode)
{
	int rc;

	if ((st->st_mode & 07777) == mode)
		return 0;
	if (owner_enter(st->st_uid, st->st_gid) == -1)
		return -1;
	rc = fchmod(fd, mode);
	owner_leave();
	return rc;
}

/* A directory of that owner and mode, made where it is missing. */
static int
make_dir(const char *path, uint32_t uid, uint32_t gid, mode_t mode)
{
	struct stat st;
	int fd = -1;
	int rc = -1;

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		fd = owner_open_dir(path, true, &st);
	if (fd != -1 && set_mode(fd, &st, mode) == 0 &&
	    ((st.st_uid == uid && st.st_gid == gid) ||
		fchown(fd, uid, gid) == 0))
		rc = 0;
	if (rc == -1)
		log_error("event=no-directory path=%s error=%s", path,
		    strerror(errno));
	fd_close(fd);
	return rc;
}

static char *
root_path(const struct master *m, enum root_kind kind)
{
	switch (kind) {
	case ROOT_SPOOL:
		return config_state_path(m->config, "spool");
	case ROOT_TABLES:
		return xstrdup(m->config->table_directory);
	case ROOT_MAIL:
		return config_state_path(m->config, "mail");
	case ROOT_AUTH:
		return config_state_path(m->config, "auth");
	case ROOT_EMPTY:
		break;
	}
	return xasprintf("%s/empty", m->config->run_directory);
}

int
places_root(const struct master *m, enum root_kind kind)
{
	char *path = root_path(m, kind);
	struct stat st;
	int fd = owner_open_dir(path, false, &st);

	if (fd == -1)
		log_error(
		    "event=no-root path=%s error=%s", path, strerror(errno));
	free(path);
	return fd;
}

static int
make_root(const struct master *m, enum root_kind kind, uint32_t uid,
    uint32_t gid, mode_t mode)
{
	char *path = root_path(m, kind);
	int rc = make_dir(path, uid, gid, mode);

	free(path);
	return rc;
}

static int
run_mkcert(const struct master *m, const char *cert, const char *key)
{
	char *program = xasprintf("%s/mkcert", m->config->program_directory);
	char *argv[] = { program, m->config->hostname, xstrdup(cert),
		xstrdup(key), NULL };
	char *env[] = { NULL };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execve(program, argv, env);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid || status != 0)
		log_error("event=no-certificate mend=\"mkcert failed; set "
			  "tls-certificate and tls-key\"");
	free(argv[2]);
	free(argv[3]);
	free(program);
	return status == 0 ? 0 : -1;
}

static char *
tls_path(const struct master *m, bool key)
{
	const char *given =
	    key ? m->config->tls_key : m->config->tls_certificate;

	if (given[0] != '\0')
		return xstrdup(given);
	return config_state_path(
	    m->config, key ? "tls/key.pem" : "tls/cert.pem");
}

static int
make_certificate(const struct master *m)
{
	char *cert = tls_path(m, false);
	char *key = tls_path(m, true);
	int rc = 0;

	if (m->config->tls_certificate[0] == '\0' && access(key, F_OK) == -1 &&
	    errno == ENOENT)
		rc = run_mkcert(m, cert, key);
	free(cert);
	free(key);
	return rc;
}

/*
 * A mount that is absent must not be taken for a new host: mail would go
 * where nobody finds it afterwards.
 */
static int
check_identities(const struct master *m)
{
	const char *state = m->config->state_directory;

	return identity_check(state, "spool") == 0 &&
		       identity_check(state, "mail") == 0
		   ? 0
		   : -1;
}

static int
settle_identities(const struct master *m)
{
	const char *state = m->config->state_directory;

	return identity_settle(state, "spool") == 0 &&
		       identity_settle(state, "mail") == 0
		   ? 0
		   : -1;
}

int
places_prepare(const struct master *m)
{
	char *tls = config_state_path(m->config, "tls");
	uint32_t queue[2]; /* uid, gid */
	uint32_t auth[2];
	int rc = -1;

	if (places_ids(m, service_of(PROC_QUEUE), &queue[0], &queue[1]) == 0 &&
	    places_ids(m, service_of(PROC_AUTH), &auth[0], &auth[1]) == 0 &&
	    make_dir(m->config->state_directory, 0, 0, 0711) == 0 &&
	    make_dir(m->config->run_directory, 0, 0, 0711) == 0 &&
	    make_dir(m->config->table_directory, 0, 0, 0755) == 0 &&
	    check_identities(m) == 0 &&
	    make_root(m, ROOT_EMPTY, 0, 0, 0555) == 0 &&
	    make_root(m, ROOT_SPOOL, queue[0], queue[1], 0700) == 0 &&
	    make_root(m, ROOT_AUTH, 0, auth[1], 0750) == 0 &&
	    make_root(m, ROOT_MAIL, 0, 0, 0711) == 0 &&
	    settle_identities(m) == 0 && make_dir(tls, 0, 0, 0700) == 0 &&
	    make_certificate(m) == 0)
		rc = 0;
	free(tls);
	return rc;
}

int
places_file(const struct master *m, const char *name)
{
	const struct config *c = m->config;
	char *path = NULL;
	int saved = 0;
	int fd = -1;

	if (strcmp(name, "tls-cert") == 0)
		path = tls_path(m, false);
	else if (strcmp(name, "tls-key") == 0)
		path = tls_path(m, true);
	else if (strcmp(name, "relay-password") == 0)
		path = xstrdup(c->relay_host_password_file);
	else if (strcmp(name, "trust-anchor") == 0)
		path = xstrdup(c->dns_trust_anchor);
	else if (strcmp(name, "clock-shift") == 0)
		path = xstrdup(c->clock_shift_file);
	if (path != NULL && path[0] != '\0') {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		saved = fd == -1 ? errno : 0;
		if (fd == -1)
			log_error("event=no-file name=%s path=%s error=%s",
			    name, path, strerror(errno));
	}
	free(path);
	errno = saved;
	return fd;
}

static int
open_syslog(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	fd_close(fd);
	return -1;
}

/*
 * Whoever reads our pipe or terminal may stop reading, and mail must go on.
 * The description we were given is others' too, so it is not changed: this
 * is one of our own, which the daemons inherit.
 */
int
places_stderr(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(2, &st) == 0 && (S_ISFIFO(st.st_mode) || isatty(2) != 0))
		fd = open("/proc/self/fd/2",
		    O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd == -1 ? fcntl(2, F_DUPFD_CLOEXEC, 0) : fd;
}

int
places_log(const struct master *m)
{
	const char *log = m->config->log;
	int fd;

	if (strcmp(log, "stderr") == 0)
		fd = fcntl(m->stderr_fd, F_DUPFD_CLOEXEC, 0);
	else if (strcmp(log, "syslog") == 0)
		fd = open_syslog();
	else
		fd = open(log,
		    O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC,
		    0640);
	if (fd == -1)
		log_error(
		    "event=no-log path=%s error=%s", log, strerror(errno));
	return fd;
}

void
places_log_to(struct master *m, int fd)
{
	const char *log = m->config->log;

	if (dup2(fd, 2) == -1)
		log_die("event=no-log path=%s error=%s", log, strerror(errno));
	fd_close(fd);
	m->log_time = strcmp(log, "stderr") == 0
			  ? getenv("JOURNAL_STREAM") == NULL
			  : strcmp(log, "syslog") != 0;
	log_open("master", 2, m->log_time);
}
