#ifndef RELAY_EHLO_H
#define RELAY_EHLO_H

#include <stdint.h>

#include "common/smtp/reply.h"

/* ehlo - what a server says it can do (RFC 5321 §4.1.1.1). */
#define EHLO_PIPELINING 0x001U /* RFC 2920 */
#define EHLO_SIZE       0x002U /* RFC 1870 */
#define EHLO_8BITMIME   0x004U /* RFC 6152 */
#define EHLO_SMTPUTF8   0x008U /* RFC 6531 */
#define EHLO_STARTTLS   0x010U /* RFC 3207 */
#define EHLO_DSN        0x020U /* RFC 3461 */
#define EHLO_CHUNKING   0x040U /* RFC 3030 */
#define EHLO_AUTH_PLAIN 0x080U /* RFC 4616 */
#define EHLO_AUTH_LOGIN 0x100U
#define EHLO_ENHANCED   0x200U /* RFC 2034 */

struct ehlo {
	unsigned offers;     /* EHLO_ bits */
	uint64_t size_limit; /* bytes, 0: none said */
	char name[256];      /* whom it says it is; "" when it says nothing */
};

/* Read the 250 reply to EHLO or HELO. */
void ehlo_read(struct ehlo *e, const struct smtp_reply *r);

#endif
