#include "common/address/idna.h"

#include <errno.h>
#include <idn2.h>

#include "common/address/path.h"
#include "common/base/utf8.h"

int
idna_to_ascii(char *dst, size_t cap, const char *name)
{
	char *ascii = NULL;
	int rc = idn2_to_ascii_8z(
	    name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);

	if (rc != IDN2_OK) {
		errno = rc == IDN2_MALLOC ? ENOMEM : EILSEQ;
		return -1;
	}
	rc = slice_copy(dst, cap, slice_str(ascii));
	idn2_free(ascii);
	if (rc == -1)
		errno = ENAMETOOLONG;
	return rc;
}

int
idna_path(struct path *p)
{
	char ascii[PATH_DOMAIN_MAX + 1];

	if (!utf8_has_8bit(slice_str(p->domain)))
		return 0;
	if (idna_to_ascii(ascii, sizeof(ascii), p->domain) == -1)
		return errno == ENOMEM ? -1 : 0;
	/* U+FF20 is mapped to '@', others to what else no domain has. */
	if (path_check_domain(slice_str(ascii), false) != PATH_OK ||
	    slice_copy(p->domain, sizeof(p->domain), slice_str(ascii)) == -1)
		return 0;
	p->utf8 = utf8_has_8bit(slice_str(p->local));
	return 0;
}
