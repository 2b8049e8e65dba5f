#ifndef ROUTER_TABLES_H
#define ROUTER_TABLES_H

#include "router/lookup.h"

/* tables - the real tables behind the rules, reached from our root. */
struct config;
struct tables;

/*
 * Open what the configuration names, seen from a process whose root is the
 * table directory. NULL after logging when a specification is wrong; a
 * file that is missing shows itself at the first lookup.
 */
struct tables *tables_open(const struct config *c) MUST_USE;
void tables_close(struct tables *t);

/* For the rules; valid as long as t. */
struct lookup tables_lookup(struct tables *t);

/* Lookups that failed since the start. */
unsigned long tables_failures(const struct tables *t);

#endif
