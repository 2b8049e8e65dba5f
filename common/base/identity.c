#include "common/base/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/owner.h"
#include "common/base/rand.h"

#define MARK   ".identity"
#define DIGITS 32U

struct identity {
	char text[DIGITS + 1]; /* empty: there is none */
};

static bool
is_number(const char *p, size_t n)
{
	for (size_t i = 0; i < DIGITS; i++)
		if (i >= n || ascii_hex(p[i]) == -1)
			return false;
	return n == DIGITS + 1 && p[DIGITS] == '\n';
}

/* The directory's owner may be a daemon: nothing but a file is read. */
static int
read_one(int dir, const char *name, struct identity *id)
{
	char raw[DIGITS + 2];
	struct stat st;
	ssize_t n = -1;
	int fd = openat(dir, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);

	id->text[0] = '\0';
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread(fd, raw, sizeof(raw), 0);
	fd_close(fd);
	if (n < 0 || !is_number(raw, (size_t)n)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(id->text, raw, DIGITS);
	id->text[DIGITS] = '\0';
	return 0;
}

static int
write_one(int dir, const char *name, const struct identity *id)
{
	char row[DIGITS + 2];
	char tmp[64];

	(void)snprintf(row, sizeof(row), "%s\n", id->text);
	(void)snprintf(tmp, sizeof(tmp), "%s.new", name);
	return file_publish(dir, tmp, name, slice_of(row, DIGITS + 1), 0600);
}

/* Both directories and what they say. */
struct pair {
	int state;
	int dir;        /* -1: it is not there */
	struct stat st; /* of dir */
	struct identity known;
	struct identity mark;
	char record[48];
};

static void
pair_close(struct pair *p)
{
	fd_close(p->state);
	fd_close(p->dir);
}

static int
open_marked(struct pair *p, const char *name)
{
	int rc = -1;

	if (owner_enter(p->st.st_uid, p->st.st_gid) == -1)
		return -1;
	p->dir = openat(p->state, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir != -1)
		rc = read_one(p->dir, MARK, &p->mark);
	owner_leave();
	/* Versions before this one made it root's; now root still may. */
	if (rc == -1 && p->dir != -1 && errno == EACCES) {
		rc = read_one(p->dir, MARK, &p->mark);
		if (rc == 0)
			rc = fchownat(p->dir, MARK, p->st.st_uid, p->st.st_gid,
			    AT_SYMLINK_NOFOLLOW);
	}
	return rc;
}

static int
write_mark(struct pair *p)
{
	int rc;

	if (owner_enter(p->st.st_uid, p->st.st_gid) == -1)
		return -1;
	rc = write_one(p->dir, MARK, &p->mark);
	owner_leave();
	return rc;
}

static int
open_pair(struct pair *p, const char *state, const char *name)
{
	*p = (struct pair){ .dir = -1 };
	(void)snprintf(p->record, sizeof(p->record), "identity.%s", name);
	p->state = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->state == -1)
		return errno == ENOENT ? 0 : -1;
	if (read_one(p->state, p->record, &p->known) == -1)
		return -1;
	if (fstatat(p->state, name, &p->st, 0) == -1)
		return errno == ENOENT ? 0 : -1;
	return open_marked(p, name);
}

int
identity_check(const char *state, const char *name)
{
	struct pair p;
	int rc = open_pair(&p, state, name);

	if (rc == -1) {
		log_error("event=identity-unreadable path=%s/%s error=%s",
		    state, name, strerror(errno));
	} else if (p.known.text[0] != '\0' &&
		   strcmp(p.known.text, p.mark.text) != 0) {
		log_error("event=wrong-directory path=%s/%s expected=%s "
			  "found=%s mend=\"mount what belongs there; if it "
			  "is meant to be another one now, remove %s/%s\"",
		    state, name, p.known.text,
		    p.mark.text[0] == '\0' ? "none" : p.mark.text, state,
		    p.record);
		rc = -1;
	}
	pair_close(&p);
	return rc;
}

/* The mark first: what is remembered must be there after a power cut. */
static int
settle(struct pair *p)
{
	if (p->dir == -1) {
		errno = ENOENT;
		return -1;
	}
	if (p->mark.text[0] == '\0') {
		(void)snprintf(p->mark.text, sizeof(p->mark.text),
		    "%016" PRIx64 "%016" PRIx64, rand_u64(), rand_u64());
		if (write_mark(p) == -1)
			return -1;
	}
	if (p->known.text[0] != '\0')
		return 0;
	return write_one(p->state, p->record, &p->mark);
}

int
identity_settle(const char *state, const char *name)
{
	struct pair p;
	int rc = open_pair(&p, state, name);

	if (rc == 0)
		rc = settle(&p);
	if (rc == -1)
		log_error("event=identity-not-written path=%s/%s error=%s",
		    state, name, strerror(errno));
	pair_close(&p);
	return rc;
}
