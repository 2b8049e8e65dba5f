#ifndef RESOLVER_CONTEXT_H
#define RESOLVER_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/slice.h"
#include "common/ipc/messages.h"
#include "resolver/answer.h"

/*
 * context - libunbound on our event loop, made from one configuration.
 * Made before the sandbox or inside it: it reads no file and starts no
 * thread or process. Several may live at once; after a reload the old one
 * goes on until its last question is answered.
 */
struct config;
struct context;
struct event_base;

/*
 * anchors: text of the trust anchor file, empty for no validation. NULL
 * after logging why.
 */
struct context *context_new(struct event_base *base, const struct config *conf,
    struct slice anchors) MUST_USE;

/*
 * Ask for a name (of name_ask()) and a type. done is called exactly once,
 * perhaps before this returns, with what was found; answer is lent until
 * it returns. Bogus and failed questions are answers too.
 */
typedef void context_done(void *arg, const struct answer *answer, bool secure);
void context_ask(struct context *c, const char *name, enum ipc_dns type,
    context_done *done, void *arg);

/* No more questions; freed when the last is answered. NULL is fine. */
void context_retire(struct context *c);

/* Put the TCP ports of all configured servers into ports; how many. */
size_t context_ports(const struct config *conf, uint16_t *ports, size_t cap);

#endif
