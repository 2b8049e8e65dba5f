#ifndef POP3D_FRONT_H
#define POP3D_FRONT_H

#include <stdbool.h>

#include "common/login/sasl.h"
#include "common/login/talk.h"

/*
 * front - POP3 before login (RFC 1939 §4, the AUTHORIZATION state): CAPA,
 * USER and PASS, AUTH (RFC 5034), STLS (RFC 2595), QUIT. APOP is not
 * offered: it would need passwords in clear on our side.
 */
enum pop3_mode {
	POP3_COMMAND,  /* the next line is a command */
	POP3_RESPONSE, /* the next line answers a challenge of AUTH */
	POP3_SKIP,     /* throw away up to the next CRLF: was too long */
};

struct pop3_talk {
	struct talk talk;
	enum pop3_mode mode;
	bool has_user; /* USER was given, talk.who.user holds it */
	struct sasl sasl;
};

extern const struct talk_protocol pop3_protocol;

#endif
