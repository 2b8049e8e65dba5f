#ifndef CLI_MAIL_OUT_H
#define CLI_MAIL_OUT_H

#include "cli/mail_in.h"

/*
 * mail_out - hand a mail to the SMTP port of this host, as `sendmail` does.
 * Plain blocking code; a reply is waited for as long as RFC 5321 §4.5.3.2
 * asks of a client.
 */
enum mail_out {
	MAIL_OUT_TAKEN = 0,
	MAIL_OUT_LATER,   /* nobody listens, or a 4xx */
	MAIL_OUT_REFUSED, /* a 5xx; the reply is in why */
};

/*
 * where: "address:port" of listen-smtp; "*" is loopback. why gets one line
 * of text when the mail was not taken. A mail is taken for all recipients
 * or for none.
 */
enum mail_out mail_out_send(const struct mail_in *m, const char *where,
    const char *sender, struct buf *why) MUST_USE;

#endif
