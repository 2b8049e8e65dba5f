#ifndef AUTH_PENALTY_H
#define AUTH_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * penalty - guessing passwords gets slower. Failures are counted for the
 * client (IPv4 address, IPv6 /64) and for the user, and forgiven with time.
 * The wait comes before the password is looked at, so that hanging up early
 * tells a guesser nothing; guesses of one client wait in line. A user's own
 * wait is short, so that nobody can lock somebody else out.
 */
#define PENALTY_FREE_CLIENT 4U /* failures that cost nothing */
#define PENALTY_FREE_USER   10U
#define PENALTY_STEP_MS     250  /* the first wait; then doubled */
#define PENALTY_CLIENT_MS   8000 /* the longest */
#define PENALTY_USER_MS     4000
#define PENALTY_LINE_MS     20000 /* a longer line is sent away */
#define PENALTY_FORGIVE_MS  30000 /* one failure less */
#define PENALTY_SCORE_MAX   32U
#define PENALTY_ENTRIES     8192U /* of each kind; the oldest goes */
#define PENALTY_PARALLEL    4U    /* attempts of one client at a time */
#define PENALTY_KEY_MAX     64

struct penalties;

struct penalties *penalties_new(void) MUST_USE;
void penalties_free(struct penalties *p);

/*
 * How long must this attempt wait? Milliseconds, or -1: do not even try,
 * the line is too long.
 */
int64_t penalties_wait(struct penalties *p, struct slice client,
    struct slice user, int64_t now_ms) MUST_USE;

/*
 * It was wrong. attempt: a keyed digest of user and password: a client that
 * repeats the same mistake (an old password in its settings) counts once.
 */
void penalties_fail(struct penalties *p, struct slice client, struct slice user,
    uint64_t attempt, int64_t now_ms);

/*
 * Attempts of one client are verified a few at a time, so that a burst of
 * guesses is slowed like guesses one after the other, and so that nobody
 * has the workers for himself. False: not now.
 */
bool penalties_enter(
    struct penalties *p, struct slice client, int64_t now_ms) MUST_USE;
void penalties_leave(struct penalties *p, struct slice client, int64_t now_ms);

/* Bytes that are the same for addresses of one client. Their number. */
size_t penalties_key(struct slice client, char key[PENALTY_KEY_MAX]);

/* Failures that count against the client now. */
unsigned penalties_score(
    struct penalties *p, struct slice client, int64_t now_ms);

#endif
