#ifndef TESTS_FUZZ_HOME_H
#define TESTS_FUZZ_HOME_H

/*
 * home - a user's home for fuzzers of what stands in one, in memory where
 * that can be had. Its name has the process in it, so that who runs fuzzers
 * can remove what a finding leaves behind.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "store/account.h"
#include "store/append.h"
#include "store/home.h"
#include "store/mailbox.h"

static const uint8_t home_boot_id[16] = "boot";

static inline void
home_path(char path[64])
{
	(void)snprintf(path, 64, "%s/wm-fuzz-%d",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
}

static inline void
home_remove_at(int at, const char *name)
{
	struct dirent *e;
	DIR *d;
	int fd;

	if (unlinkat(at, name, 0) == 0)
		return;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd == -1 || (d = fdopendir(fd)) == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			home_remove_at(fd, e->d_name);
	closedir(d);
	unlinkat(at, name, AT_REMOVEDIR);
}

static inline void
home_remove(int home)
{
	char path[64];

	home_path(path);
	if (home != -1)
		close(home);
	home_remove_at(AT_FDCWD, path);
}

static inline void
home_forget(void)
{
	home_remove(-1);
}

/* Its path, where nothing is: one of our number may have died there. */
static inline void
home_claim(char path[64])
{
	home_path(path);
	if (access(path, F_OK) == 0)
		home_forget();
}

/* An empty one; returns its descriptor. */
static inline int
home_make(void)
{
	static bool known;
	struct home_owner owner = { geteuid(), getegid(), (uid_t)-1 };
	char path[64];
	int home;

	if (!known && atexit(home_forget) == 0)
		known = true;
	log_level(LOG_FAIL + 1);
	home_claim(path);
	if (mkdir(path, 0700) == -1)
		abort();
	home = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (home == -1 || home_fill(home, &owner) == -1)
		abort();
	return home;
}

static inline struct account *
home_account(int home)
{
	struct account_config c = { .retention_s = 0 };

	memcpy(c.boot_id, home_boot_id, sizeof(home_boot_id));
	return account_open(home, &c);
}

/* Append to the INBOX of an account. */
static inline void
home_append(struct account *a, struct slice text, unsigned flags)
{
	const struct append_about about = { .flags = flags };
	struct append *ap = append_begin(a, SLICE("INBOX"));

	if (ap == NULL || append_message(ap, &about) == -1 ||
	    append_write(ap, text.p, text.len) == -1 ||
	    append_commit(ap, NULL, NULL) == -1)
		abort();
	append_free(ap);
}

#endif
