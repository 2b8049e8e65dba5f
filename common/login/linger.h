#ifndef COMMON_LOGIN_LINGER_H
#define COMMON_LOGIN_LINGER_H

/*
 * linger - the end of a session whose client may not have expected it.
 *
 * Closing while bytes of the client are unread would reset the connection,
 * and that may destroy what we have just said. So say that no more comes and
 * read on, for two seconds at most, until the client closes fd or alive (-1:
 * none) becomes readable.
 */
void linger(int fd, int alive);

#endif
