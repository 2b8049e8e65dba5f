/*
 * mkcert NAME CERT KEY: a self-signed certificate and its key, for the
 * first start of a host that has none. Run once by master, apart from it
 * so that the supervisor does not hold a cryptographic library.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#define YEARS_10_S (10L * 365 * 86400)

static int
add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int rc = e != NULL && X509_add_ext(x, e, -1) == 1;

	X509_EXTENSION_free(e);
	return rc;
}

static X509 *
make(EVP_PKEY *key, const char *name)
{
	X509 *x = X509_new();
	X509_NAME *subject = x == NULL ? NULL : X509_get_subject_name(x);
	char *alt = xasprintf("DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", name);

	if (x == NULL || X509_set_version(x, 2) != 1 ||
	    ASN1_INTEGER_set_uint64(
		X509_get_serialNumber(x), (uint64_t)time(NULL)) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(x), -3600) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(x), YEARS_10_S) == NULL ||
	    X509_set_pubkey(x, key) != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0) != 1 ||
	    X509_set_issuer_name(x, subject) != 1 ||
	    !add_extension(x, NID_basic_constraints, "critical,CA:TRUE") ||
	    !add_extension(x, NID_subject_alt_name, alt) ||
	    X509_sign(x, key, EVP_sha256()) == 0)
		log_die("event=no-certificate what=openssl");
	free(alt);
	return x;
}

/* Write to PATH.tmp by put, sync, rename to path. */
static void
publish(const char *path, mode_t mode, EVP_PKEY *key, X509 *cert)
{
	char *tmp = xasprintf("%s.tmp", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	FILE *f = fd == -1 ? NULL : fdopen(fd, "w");

	if (f == NULL ||
	    (key != NULL &&
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1) ||
	    (cert != NULL && PEM_write_X509(f, cert) != 1) || fflush(f) != 0 ||
	    fsync(fd) == -1 || rename(tmp, path) == -1)
		log_die("event=no-certificate path=%s error=%s", path,
		    strerror(errno));
	(void)fclose(f);
	free(tmp);
}

int
main(int argc, char **argv)
{
	EVP_PKEY *key;

	log_open("mkcert", 2, true);
	if (argc != 4) {
		(void)fputs("usage: mkcert NAME CERT KEY\n", stderr);
		return 2;
	}
	key = EVP_EC_gen("P-256");
	if (key == NULL)
		log_die("event=no-certificate what=key");
	/* The key last: while it is missing, the next start tries again. */
	publish(argv[2], 0644, NULL, make(key, argv[1]));
	publish(argv[3], 0600, key, NULL);
	log_info("event=certificate-made name=%s path=%s", argv[1], argv[2]);
	return 0;
}
