#ifndef DELIVER_LOOP_H
#define DELIVER_LOOP_H

#include <stdbool.h>

#include "common/ipc/work.h"

/*
 * Does the header of w hold "Delivered-To: address"? Then it has been in
 * this mailbox before and comes back (RFC 5321 §6.3). At most the first
 * 64 KiB are looked at.
 */
bool loop_found(const struct work *w, struct slice address);

#endif
