#ifndef RELAY_NEXT_HOP_H
#define RELAY_NEXT_HOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/slice.h"

/*
 * next_hop - where the queue wants a mail to go: "domain" (its mail
 * servers are asked for), "[host]" or "[192.0.2.1]" or "[IPv6:2001:db8::1]"
 * (this host itself), each with ":port" or without.
 */
struct next_hop {
	char name[256]; /* domain, host or address text, without brackets */
	bool direct;    /* no MX lookup */
	bool literal;   /* name is an IP address */
	uint16_t port;  /* 0: none said */
};

/* 0, or -1 when text is none of these. */
int next_hop_parse(struct next_hop *n, struct slice text) MUST_USE;

#endif
