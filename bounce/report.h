#ifndef BOUNCE_REPORT_H
#define BOUNCE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc/work.h"

/*
 * report - jobs of the queue's become mails handed back to it. A job is
 * done only when queue has said that the report is durable; a job that
 * comes again carries the same token, so its report is taken once.
 */
struct reports;

struct report_counts {
	size_t open; /* jobs not answered yet */
	size_t sent; /* of them, reports at queue that it has not taken yet */
	uint64_t done;
};

/* hostname: who reports; borrowed. Never NULL. */
struct reports *reports_new(const char *hostname) MUST_USE;

/* After a reload; borrowed. */
void reports_hostname(struct reports *rs, const char *hostname);

/*
 * A whole WORK of kind WORK_BOUNCE_…: w is taken. Answered with a RESULT
 * for each recipient and a CREDIT, perhaps at once.
 */
void reports_add(struct reports *rs, struct work *w);

/* INTAKE_STATE: may we submit, and how much? */
void reports_state(struct reports *rs, const struct ipc_intake_state *m);

/* Queue has gone: what it gave us it will give again. */
void reports_forget(struct reports *rs);

/* done(arg) whenever no report is at queue unanswered; for the stop. */
void reports_when_quiet(struct reports *rs, void (*done)(void *arg), void *arg);

struct report_counts reports_counts(const struct reports *rs);

#endif
