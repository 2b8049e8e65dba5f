#include "cli/password.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/base/mem.h"
#include "common/table/entry.h"

int
password_line(FILE *f, struct buf *b)
{
	int c;

	buf_truncate(b, 0);
	while ((c = getc(f)) != EOF && c != '\n') {
		if (buf_append_byte(b, (char)c) == -1) {
			cli_fail("a line of input is too long");
			return -1;
		}
	}
	if (ferror(f)) {
		cli_fail("cannot read: %s", strerror(errno));
		return -1;
	}
	if (b->len > 0 && b->data[b->len - 1] == '\r')
		buf_truncate(b, b->len - 1);
	return c == EOF && b->len == 0 ? 1 : 0;
}

/* One prompt; echo is off and comes back in any case but a signal's. */
static int
prompt(FILE *tty, const char *text, const char *address, struct buf *b)
{
	struct termios old, quiet;
	int rc;

	(void)fprintf(tty, "%s %s: ", text, address);
	(void)fflush(tty);
	if (tcgetattr(fileno(tty), &old) == -1) {
		cli_fail("cannot ask: %s", strerror(errno));
		return -1;
	}
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
	rc = password_line(tty, b);
	(void)tcsetattr(fileno(tty), TCSAFLUSH, &old);
	(void)fputc('\n', tty);
	(void)fflush(tty);
	return rc == 0 ? 0 : -1;
}

int
password_ask(const char *address, struct buf *b)
{
	struct buf again = BUF_INIT(b->max);
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	FILE *tty = fd == -1 ? NULL : fdopen(fd, "r+");
	int rc = -1;

	if (tty == NULL) {
		cli_fail("no terminal to ask for the password at; give it "
			 "with --stdin or --hash");
		if (fd != -1)
			(void)close(fd);
		return -1;
	}
	setvbuf(tty, NULL, _IONBF, 0); /* no copy of the secret stays there */
	if (prompt(tty, "Password for", address, b) == 0 &&
	    prompt(tty, "Again, for", address, &again) == 0)
		rc = 0;
	(void)fclose(tty);
	if (rc == 0 && !slice_eq(buf_slice(b), buf_slice(&again))) {
		cli_fail("the two passwords differ");
		rc = -1;
	}
	buf_wipe(&again);
	return rc;
}

static bool
password_fine(const struct buf *p)
{
	if (p->len == 0)
		cli_fail("an empty password");
	else if (p->len >= PASSWORD_MAX)
		cli_fail("a password of more than %d bytes", PASSWORD_MAX - 1);
	else if (!entry_text_fine(buf_slice(p)))
		cli_fail("a password with control bytes");
	else
		return true;
	return false;
}

char *
password_hash(const struct buf *password)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	char *hash = NULL;

	if (!password_fine(password))
		return NULL;
	if (crypt_gensalt_rn(
		"$y$", 0, NULL, 0, setting, (int)sizeof(setting)) == NULL) {
		cli_fail("cannot make a salt: %s", strerror(errno));
		return NULL;
	}
	data = xcalloc(1, sizeof(*data));
	if (crypt_r(buf_str(password), setting, data) != NULL &&
	    data->output[0] == '$')
		hash = xstrdup(data->output);
	else
		cli_fail("cannot hash: %s", strerror(errno));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return hash;
}

bool
password_hash_fine(const char *hash)
{
	int rc;

	if (!entry_text_fine(slice_str(hash)) || strchr(hash, '\t') != NULL ||
	    strlen(hash) > PASSWORD_MAX) {
		cli_fail("a hash with control bytes, or too long");
		return false;
	}
	if (strcmp(hash, "*") == 0)
		return true;
	if (strncmp(hash, "{PLAIN}", 7) == 0)
		return hash[7] != '\0';
	rc = crypt_checksalt(hash);
	/* Any two letters would be a salt of the old DES scheme. */
	if (hash[0] == '$' &&
	    (rc == CRYPT_SALT_OK || rc == CRYPT_SALT_METHOD_LEGACY))
		return true;
	cli_fail("not a hash crypt(3) understands (begins with $y$, $2b$, $6$ "
		 "or $5$), nor {PLAIN}secret");
	return false;
}

const char *
password_scheme(const char *hash)
{
	/* clang-format off */
	static const char *const schemes[][2] = {
		{ "$y$", "yescrypt" }, { "$gy$", "gost-yescrypt" },
		{ "$7$", "scrypt" },   { "$2", "bcrypt" },
		{ "$6$", "sha512" },   { "$5$", "sha256" },
		{ "$1$", "md5" },      { "{PLAIN}", "plain" },
		{ "*", "locked" },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strncmp(hash, schemes[i][0], strlen(schemes[i][0])) == 0)
			return schemes[i][1];
	return "unknown";
}
