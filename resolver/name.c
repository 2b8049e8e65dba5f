#include "resolver/name.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/address/idna.h"
#include "common/base/ascii.h"
#include "common/base/utf8.h"

#define LABEL_MAX 63

static int
reverse4(char dst[DNS_NAME_MAX], const uint8_t a[4])
{
	int n = snprintf(dst, DNS_NAME_MAX, "%u.%u.%u.%u.in-addr.arpa", a[3],
	    a[2], a[1], a[0]);

	return n > 0 && n < DNS_NAME_MAX ? 0 : -1;
}

static int
reverse6(char dst[DNS_NAME_MAX], const uint8_t a[16])
{
	static const char hex[] = "0123456789abcdef";
	static const char tail[] = "ip6.arpa";
	size_t at = 0;

	for (size_t i = 16; i-- > 0;) {
		dst[at++] = hex[a[i] & 15];
		dst[at++] = '.';
		dst[at++] = hex[a[i] >> 4];
		dst[at++] = '.';
	}
	memcpy(dst + at, tail, sizeof(tail));
	return 0;
}

/* 0 when text was an address and dst is its reverse name. */
static int
reverse(char dst[DNS_NAME_MAX], const char *text)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
		0xff };
	uint8_t a[16];

	if (inet_pton(AF_INET, text, a) == 1)
		return reverse4(dst, a);
	if (inet_pton(AF_INET6, text, a) != 1)
		return -1;
	if (memcmp(a, mapped, sizeof(mapped)) == 0)
		return reverse4(dst, a + 12);
	return reverse6(dst, a);
}

/* Letters, digits, '-' and '_' in labels of 1 to 63; made lower case. */
static int
check(char *name)
{
	size_t label = 0;
	char *c;

	for (c = name; *c != '\0'; c++) {
		*c = ascii_lower(*c);
		if (*c == '.') {
			if (label == 0)
				return -1;
			label = 0;
			continue;
		}
		if ((!ascii_alnum(*c) && *c != '-' && *c != '_') ||
		    ++label > LABEL_MAX)
			return -1;
	}
	return label > 0 ? 0 : -1;
}

int
name_ask(char dst[DNS_NAME_MAX], struct slice name, enum ipc_dns type)
{
	char text[DNS_NAME_MAX];

	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	if (slice_copy(text, sizeof(text), name) == -1)
		return -1;
	if (type == DNS_PTR && reverse(dst, text) == 0)
		return 0;
	if (utf8_has_8bit(name)) {
		if (!utf8_valid(name) ||
		    idna_to_ascii(dst, DNS_NAME_MAX, text) == -1)
			return -1;
	} else {
		memcpy(dst, text, name.len + 1);
	}
	return check(dst);
}
