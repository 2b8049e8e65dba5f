#include "bounce/report.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "bounce/dsn.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"

#define CODE_OK 250

struct report {
	TAILQ_ENTRY(report) entry;
	struct reports *rs;
	struct work *w;   /* owned */
	uint32_t request; /* of the SUBMIT; 0: waits for its turn */
	size_t bytes;     /* at queue */
};

TAILQ_HEAD(report_list, report);

struct reports {
	const char *hostname;
	struct report_list waiting;
	struct report_list sent;
	size_t sent_bytes;
	uint16_t code;   /* of INTAKE_STATE; 0: none came yet */
	uint64_t window; /* bytes queue lets us have unanswered */
	void (*quiet)(void *arg);
	void *quiet_arg;
	struct report_counts counts;
};

static void submit_waiting(struct reports *rs);

struct reports *
reports_new(const char *hostname)
{
	struct reports *rs = xcalloc(1, sizeof(*rs));

	TAILQ_INIT(&rs->waiting);
	TAILQ_INIT(&rs->sent);
	rs->hostname = hostname;
	return rs;
}

void
reports_hostname(struct reports *rs, const char *hostname)
{
	rs->hostname = hostname;
}

struct report_counts
reports_counts(const struct reports *rs)
{
	return rs->counts;
}

/* -- the end of a job ----------------------------------------------------- */

struct verdict {
	enum ipc_status status;
	uint16_t code;
	struct slice enhanced;
	struct slice text;
};

static const struct verdict nothing_to_report = {
	.status = STATUS_DONE,
	.code = CODE_OK,
	.enhanced = { "2.0.0", 5 },
	.text = { "nobody wants a report", 21 },
};

static void
send_results(const struct work *w, const struct verdict *v)
{
	const struct ipc_credit credit = { .jobs = 1 };

	for (size_t i = 0; i < w->rcpt_count; i++) {
		const struct ipc_result m = { .job = w->m.job,
			.number = w->rcpts[i].number,
			.status = (uint8_t)v->status,
			.code = v->code,
			.enhanced = v->enhanced,
			.text = v->text };

		if (ipc_send_msg(w->c, result, 0, 0, &m) == -1)
			log_warn("event=queue-gone");
	}
	if (ipc_send_msg(w->c, credit, 0, 0, &credit) == -1)
		log_warn("event=queue-gone");
}

/* r is on no list. */
static void
finish(struct report *r, const struct verdict *v)
{
	struct reports *rs = r->rs;

	rs->counts.open--;
	if (v->status == STATUS_DONE)
		rs->counts.done++;
	send_results(r->w, v);
	work_free(r->w);
	free(r);
}

static void
finish_badly(struct report *r, const char *what)
{
	const struct verdict v = { .status = STATUS_DEFERRED,
		.code = 451,
		.enhanced = SLICE("4.3.0"),
		.text = slice_str(what) };

	log_error(
	    "event=report-failed id=%.*s what=%s", SLICE_FMT(r->w->m.id), what);
	finish(r, &v);
}

static void
unlist_sent(struct report *r)
{
	struct reports *rs = r->rs;

	TAILQ_REMOVE(&rs->sent, r, entry);
	rs->counts.sent--;
	rs->sent_bytes -= r->bytes;
}

static const char *
kind_name(const struct work *w)
{
	if (w->m.kind == WORK_BOUNCE_DELAY)
		return "delay";
	return w->m.kind == WORK_BOUNCE_SUCCESS ? "success" : "failure";
}

static void
take_answer(struct report *r, const struct ipc_submitted *m)
{
	struct verdict v = { .status = STATUS_DONE,
		.code = m->code,
		.enhanced = m->enhanced,
		.text = m->text };

	if (m->code == CODE_OK && r->w->m.kind == WORK_BOUNCE_FAILURE) {
		log_info("event=bounced id=%.*s to=%.*s report=%.*s",
		    SLICE_FMT(r->w->m.id), SLICE_FMT(r->w->m.sender),
		    SLICE_FMT(m->id));
	} else if (m->code == CODE_OK) {
		log_info("event=reported id=%.*s kind=%s to=%.*s report=%.*s",
		    SLICE_FMT(r->w->m.id), kind_name(r->w),
		    SLICE_FMT(r->w->m.sender), SLICE_FMT(m->id));
	} else {
		v.status = m->code / 100 == 5 ? STATUS_FAILED : STATUS_DEFERRED;
		log_warn("event=report-refused id=%.*s code=%u text=%.*s",
		    SLICE_FMT(r->w->m.id), m->code, SLICE_FMT(m->text));
	}
	finish(r, &v);
}

/* SUBMITTED, or the end of the channel. */
static void
on_submitted(void *arg, struct ipc_frame *f)
{
	struct report *r = arg;
	struct reports *rs = r->rs;
	struct ipc_submitted m;

	r->request = 0;
	if (f == NULL)
		return; /* reports_forget() follows */
	unlist_sent(r);
	if (f->type != IPC_SUBMITTED ||
	    ipc_submitted_decode(&m, f->payload) == -1)
		finish_badly(r, "queue's answer cannot be read");
	else
		take_answer(r, &m);
	if (rs->quiet != NULL && rs->counts.sent == 0)
		rs->quiet(rs->quiet_arg);
	else
		submit_waiting(rs);
}

/* -- handing it to queue -------------------------------------------------- */

/* What SUBMIT says beside the content. */
struct envelope {
	uint8_t token[DSN_TOKEN_LEN];
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned sum_len;
	struct buf rcpt;
	uint8_t flags;
};

static int
envelope_make(struct envelope *e, const struct work *w, struct slice content,
    bool to_postmaster)
{
	const struct ipc_rcpt rcpt = {
		.address = to_postmaster ? SLICE("postmaster") : w->m.sender,
		.notify = IPC_NOTIFY_NEVER
	};

	buf_init(&e->rcpt, 4096);
	if (dsn_token(w, e->token) == -1 ||
	    EVP_Digest(content.p, content.len, e->sum, &e->sum_len,
		EVP_sha256(), NULL) != 1)
		return -1;
	return ipc_rcpt_put(&rcpt, &e->rcpt);
}

static int
send_first(struct report *r, const struct envelope *e, struct slice content)
{
	const struct ipc_submit m = {
		.token = slice_of(e->token, DSN_TOKEN_LEN),
		.source = SOURCE_BOUNCE,
		.flags = e->flags,
		.helo = slice_str(r->rs->hostname),
		.length = content.len,
		.sha256 = slice_of(e->sum, e->sum_len),
		.recipients = buf_slice(&e->rcpt),
		.content = slice_sub(content, 0, IPC_CHUNK),
	};

	r->request = ipc_expect(r->w->c, on_submitted, r);
	if (ipc_send_msg(r->w->c, submit,
		content.len > IPC_CHUNK ? IPC_MORE : 0, r->request, &m) == 0)
		return 0;
	ipc_forget(r->w->c, r->request);
	r->request = 0;
	return -1;
}

/*
 * Queue would wait for what cannot be sent as long as the channel lives: then
 * it ends, as if we had died, and r with it. Its job comes again.
 */
static void
send_rest(struct report *r, struct slice rest)
{
	while (rest.len > 0) {
		const struct ipc_submit_more m = { .content = slice_sub(
						       rest, 0, IPC_CHUNK) };

		rest = slice_sub(rest, IPC_CHUNK, rest.len);
		if (ipc_send_msg(r->w->c, submit_more,
			rest.len > 0 ? IPC_MORE : 0, r->request, &m) == 0)
			continue;
		r->rs->code = 0; /* for nobody else either */
		ipc_chan_fail(r->w->c, "submit cut off by us");
		return;
	}
}

static int
make_report(struct report *r, struct buf *text, uint8_t *flags)
{
	uint64_t random[2];
	char boundary[64];
	const struct dsn d = { .work = r->w,
		.hostname = r->rs->hostname,
		.now_s = clock_wall_s(),
		.boundary = boundary,
		.to_postmaster = r->w->m.sender.len == 0 };

	rand_bytes(random, sizeof(random));
	(void)snprintf(boundary, sizeof(boundary), "report.%016llx%016llx",
	    (unsigned long long)random[0], (unsigned long long)random[1]);
	return dsn_build(&d, text, flags);
}

/* r is on no list; it goes on sent, or is finished. */
static void
submit(struct report *r)
{
	struct reports *rs = r->rs;
	struct buf text = BUF_INIT(DSN_MAX);
	struct envelope e = { .flags = 0 };

	if (make_report(r, &text, &e.flags) == -1) {
		finish_badly(r, strerror(errno));
	} else if (envelope_make(&e, r->w, buf_slice(&text),
		       r->w->m.sender.len == 0) == -1) {
		finish_badly(r, "no digest");
	} else if (send_first(r, &e, buf_slice(&text)) == -1) {
		finish_badly(r, "queue does not read");
	} else {
		TAILQ_INSERT_TAIL(&rs->sent, r, entry);
		r->bytes = text.len;
		rs->counts.sent++;
		rs->sent_bytes += r->bytes;
		send_rest(r, slice_sub(buf_slice(&text), IPC_CHUNK, text.len));
	}
	buf_free(&text);
	buf_free(&e.rcpt);
}

static void
submit_waiting(struct reports *rs)
{
	struct report *r;

	while (rs->quiet == NULL && rs->code == CODE_OK &&
	       (r = TAILQ_FIRST(&rs->waiting)) != NULL) {
		/* One may always go, whatever its size. */
		if (rs->sent_bytes > 0 &&
		    rs->sent_bytes + DSN_FULL_MAX > rs->window)
			return;
		TAILQ_REMOVE(&rs->waiting, r, entry);
		submit(r);
	}
}

/* -- the owner's side ----------------------------------------------------- */

/*
 * A mail without a sender is answered to nobody; of one that fails the
 * postmaster may hear, once: his own copy has NOTIFY=NEVER.
 */
static bool
wanted(const struct work *w)
{
	if (w->m.sender.len == 0 && w->m.kind != WORK_BOUNCE_FAILURE)
		return false;
	return dsn_any_wanted(w);
}

void
reports_add(struct reports *rs, struct work *w)
{
	struct report *r = xcalloc(1, sizeof(*r));

	r->rs = rs;
	r->w = w;
	rs->counts.open++;
	if (!wanted(w)) {
		log_info("event=report-not-wanted id=%.*s kind=%s",
		    SLICE_FMT(w->m.id), kind_name(w));
		finish(r, &nothing_to_report);
		return;
	}
	TAILQ_INSERT_TAIL(&rs->waiting, r, entry);
	submit_waiting(rs);
}

void
reports_state(struct reports *rs, const struct ipc_intake_state *m)
{
	rs->code = m->code;
	rs->window = m->window;
	submit_waiting(rs);
}

static void
forget_list(struct reports *rs, struct report_list *list)
{
	struct report *r;

	while ((r = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, r, entry);
		rs->counts.open--;
		if (r->request != 0)
			ipc_forget(r->w->c, r->request);
		work_free(r->w);
		free(r);
	}
}

void
reports_forget(struct reports *rs)
{
	forget_list(rs, &rs->waiting);
	forget_list(rs, &rs->sent);
	rs->counts.sent = 0;
	rs->sent_bytes = 0;
	rs->code = 0;
	if (rs->quiet != NULL)
		rs->quiet(rs->quiet_arg);
}

void
reports_when_quiet(struct reports *rs, void (*done)(void *arg), void *arg)
{
	rs->quiet = done;
	rs->quiet_arg = arg;
	if (rs->counts.sent == 0)
		done(arg);
}
