#include "common/daemon/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/log.h"

static int
failed(const char *what)
{
	log_error(
	    "event=sandbox-failed what=%s error=%s", what, strerror(errno));
	return -1;
}

/* Root directory becomes the one behind fd. Needs CAP_SYS_CHROOT. */
static int
enter_root(int fd)
{
	if (fchdir(fd) == -1 || chroot(".") == -1 || chdir("/") == -1)
		return failed("chroot");
	return 0;
}

/* Exactly these in permitted and effective, none inheritable. */
static int
set_caps(const cap_value_t *list, int n)
{
	cap_t caps = cap_init();
	int rc = -1;

	if (caps != NULL &&
	    (n == 0 ||
		(cap_set_flag(caps, CAP_PERMITTED, n, list, CAP_SET) == 0 &&
		    cap_set_flag(caps, CAP_EFFECTIVE, n, list, CAP_SET) ==
			0)) &&
	    cap_set_proc(caps) == 0)
		rc = 0;
	(void)cap_free(caps);
	return rc;
}

/* May we take from the bounding set? Doubt counts as yes. */
static bool
may_drop_bounding(void)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t has = CAP_SET;

	if (caps != NULL)
		(void)cap_get_flag(caps, CAP_SETPCAP, CAP_EFFECTIVE, &has);
	(void)cap_free(caps);
	return has == CAP_SET;
}

/*
 * What an exec could give back is dropped too, where we may: without
 * SETPCAP (a unit that bounds its capabilities) no_new_privs does as much.
 */
static int
drop_bounding(void)
{
	bool may = may_drop_bounding();
	cap_value_t c = 0;

	for (; cap_get_bound(c) >= 0; c++)
		if (cap_drop_bound(c) == -1 && may)
			return -1;
	/* The first that the kernel does not know is EINVAL. */
	return c > 0 && errno == EINVAL ? 0 : -1;
}

static int
check_dropped(uint32_t uid, uint32_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (getresuid(&r, &e, &s) == -1 || getresgid(&rg, &eg, &sg) == -1)
		return failed("getresuid");
	if (r != uid || e != uid || s != uid || rg != gid || eg != gid ||
	    sg != gid || (uid != 0 && setuid(0) == 0)) {
		errno = EPERM;
		return failed("identity check");
	}
	return 0;
}

int
sandbox_become(int root_fd, uint32_t uid, uint32_t gid)
{
	static const cap_value_t chroot_only[] = { CAP_SYS_CHROOT };

	if (uid == 0 || gid == 0) {
		errno = EPERM;
		return failed("become root");
	}
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 ||
	    setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		return failed("become user");
	if (set_caps(chroot_only, 1) == -1)
		return failed("capabilities");
	if (enter_root(root_fd) == -1)
		return -1;
	if (set_caps(NULL, 0) == -1)
		return failed("capabilities");
	return check_dropped(uid, gid);
}

int
sandbox_identity(int root_fd, uint32_t uid, uint32_t gid, bool keep_spawner)
{
	static const cap_value_t spawner[] = { CAP_SETUID, CAP_SETGID,
		CAP_SYS_CHROOT };

	if (drop_bounding() == -1)
		return failed("bounding set");
	if (!keep_spawner)
		return sandbox_become(root_fd, uid, gid);
	if (enter_root(root_fd) == -1)
		return -1;
	if (setgroups(0, NULL) == -1)
		return failed("setgroups");
	if (set_caps(spawner, ARRAY_LEN(spawner)) == -1)
		return failed("capabilities");
	return 0;
}

static int
limit(int what, rlim_t n)
{
	const struct rlimit r = { n, n };

	return setrlimit((__rlimit_resource_t)what, &r);
}

/* As many as wanted, or as many as this host lets us have. */
static int
limit_files(rlim_t want)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1)
		return -1;
	if (want > r.rlim_max) {
		log_warn("event=few-files wanted=%llu allowed=%llu",
		    (unsigned long long)want, (unsigned long long)r.rlim_max);
		want = r.rlim_max;
	}
	return limit(RLIMIT_NOFILE, want);
}

int
sandbox_limits(uint64_t max_files)
{
	if (limit_files(max_files == 0 ? 1024 : max_files) == -1)
		return failed("RLIMIT_NOFILE");
	if (limit(RLIMIT_CORE, 0) == -1)
		return failed("RLIMIT_CORE");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return failed("dumpable");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return failed("no_new_privs");
	return 0;
}
