#ifndef POP3D_CAPA_H
#define POP3D_CAPA_H

#include "common/login/sasl.h"

/*
 * capa - the answer to CAPA (RFC 2449 §6), the same in both states but for
 * STLS and for what needs TLS.
 */
#define CAPA_BEGIN                                                             \
	"+OK Capabilities follow\r\n"                                          \
	"TOP\r\n"                                                              \
	"UIDL\r\n"                                                             \
	"RESP-CODES\r\n"                                                       \
	"AUTH-RESP-CODE\r\n"                                                   \
	"PIPELINING\r\n"                                                       \
	"EXPIRE NEVER\r\n"
#define CAPA_STLS "STLS\r\n"
#define CAPA_LOGIN                                                             \
	"USER\r\n"                                                             \
	"SASL " SASL_MECHANISMS "\r\n"
#define CAPA_END                                                               \
	"IMPLEMENTATION Wemmick\r\n"                                           \
	".\r\n"

#endif
