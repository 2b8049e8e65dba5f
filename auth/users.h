#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "common/table/table.h"
#include "common/table/userdb.h"

/* users - the user database, users.db in our root. */
struct config;
struct users;

struct users *users_open(void) MUST_USE;
void users_close(struct users *u);

/*
 * The account of a canonical name: TABLE_FOUND with slices lent until the
 * next call, TABLE_NOT_FOUND, or TABLE_ERROR after logging.
 */
enum table_result users_find(
    struct users *u, const char *name, struct userdb_record *a) MUST_USE;

/*
 * Some real user's hash, to spend the same time on users who are not there;
 * "" when the database has none. Valid until the next call of users_find().
 */
const char *users_sample(const struct users *u);

/*
 * The canonical form of a name somebody logs in with, in lower case; a name
 * without a domain is in the first of ours. False when it is no address:
 * name is then "".
 */
bool users_name(
    const struct config *c, struct slice given, char name[321]) MUST_USE;

#endif
