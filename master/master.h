#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "master/services.h"

/*
 * master - the supervisor. This header holds its whole state; each file
 * beside it does one thing with it:
 *
 *	services.c   the table of processes and of who talks to whom
 *	places.c     directories, uids, the certificate made at first start
 *	listeners.c  sockets opened or taken from systemd, held for life
 *	slots.c      one process each: start, watch, restart
 *	backoff.c    how long until it starts again
 *	broker.c     socketpairs between those who may talk
 *	lifecycle.c  ready, reload, stop
 *	admin.c      the control socket
 */
#define SLOTS_MAX  4096 /* three generations on 256 CPUs */
#define ASKERS_MAX 8    /* of each thing, at a time */

struct event;
struct event_base;
struct master;

enum slot_state {
	SLOT_EMPTY,
	SLOT_STARTING, /* the process runs, READY has not come */
	SLOT_RUNNING,
	SLOT_DRAINING, /* was told to stop */
	SLOT_WAITING,  /* dead; starts again when its timer comes */
};

struct slot {
	struct master *master;
	const struct service *service;
	enum slot_state state;
	uint32_t instance;
	unsigned generation; /* of the reload it was started by */
	bool old;            /* of an older generation: not restarted */
	pid_t pid;           /* 0 when none */
	struct ipc_chan *control;
	struct event *timer; /* restart, or kill while draining */
	int64_t started_ms;
	int64_t pinged_ms; /* a ping without answer since; 0: none */
	unsigned asked;    /* reloads it has not answered yet */
	uint32_t ping;     /* the number that answers it */
	bool drained;      /* said that it ends of its own will */
	unsigned failures; /* in a row */
	unsigned restarts; /* in all */
	uint32_t heap_kib; /* as it said last */
	char status[257];  /* what it said of itself */
};

/* A pair of living processes with a channel. */
struct pair {
	struct slot *a;
	struct slot *b;
	uint32_t epoch;
	int64_t made_ms;
	bool lost;         /* one of them says so; it is looked at soon */
	unsigned failures; /* in a row */
};

struct listener {
	enum daemon_service service;
	char address[128]; /* as configured */
	int fd;
	bool wanted; /* by the configuration in force */
};

/* An administrator who has asked for the status or a reload. */
struct asker {
	struct ipc_chan *c;
	uint32_t request;
};

struct master {
	const char *config_path;
	struct config *config;
	int config_fd; /* sealed memfd of its text */
	int stderr_fd; /* as we were started, for the log */
	bool log_time;
	struct event_base *base;
	struct slot slots[SLOTS_MAX];
	unsigned generation; /* counts reloads */
	struct pair *pairs;
	size_t pair_count;
	uint32_t last_instance;
	uint32_t last_epoch;
	struct listener listeners[64];
	size_t listener_count;
	int alive[2]; /* pipe: its end of file says master is gone */
	int ready_fd; /* --ready-fd, or -1 */
	bool ready;   /* all were up once */
	bool reloading;
	const char *refused; /* who will not have the new configuration */
	bool stopping;
	unsigned stop_phase;
	int exit_code;
	struct event *stop_timer;
	struct event *ping_timer;
	struct event *reload;            /* asked for by a signal */
	struct asker askers[ASKERS_MAX]; /* until everybody has answered */
	size_t asker_count;
	struct event *answer_timer;
	struct asker reloaders[ASKERS_MAX]; /* until it is done, or is not */
	size_t reloader_count;
	struct event *reload_timer;
	struct acceptor *acceptor; /* of the control socket */
};

/* -- places.c: all log and return -1 on failure -- */
int places_prepare(const struct master *m) MUST_USE;
int places_root(const struct master *m, enum root_kind kind) MUST_USE;
/* The user and the group a service runs as. */
int places_ids(const struct master *m, const struct service *s, uint32_t *uid,
    uint32_t *gid) MUST_USE;
/* Descriptor of a file of FILE_ bits: -1 and errno 0 when not configured. */
int places_file(const struct master *m, const char *name) MUST_USE;
/* A copy of standard error as it is now, which never waits; or -1. */
int places_stderr(void) MUST_USE;
/* Open what the configuration names as the log. */
int places_log(const struct master *m) MUST_USE;
/* Lines go there from here on, to fd, which is closed. */
void places_log_to(struct master *m, int fd);

/* -- listeners.c -- */
/* Those of the configuration; others that are open are wanted no more. */
int listeners_open(struct master *m) MUST_USE;
/* Nobody accepts any more from those that are not wanted: close them. */
void listeners_leave(struct master *m);
/* A daemon may have shut the socket it shares with us: listen again. */
void listener_revive(const struct listener *l);

/* -- slots.c -- */
/* Is there room for another generation? */
bool slots_have_room(const struct master *m);
void slots_create(struct master *m, const struct service *s);
void slot_start(struct slot *s);
void slot_configure(struct slot *s); /* START, FILEs again, for a reload */
void slot_go(struct slot *s, bool reload);
void slot_stop(struct slot *s, uint32_t grace_ms);
void slots_reap(struct master *m);
void slots_ping(struct master *m);
bool slots_answered(const struct master *m); /* all that were pinged */
bool slot_alive(const struct slot *s);

/* -- broker.c -- */
void broker_connect(struct slot *s); /* with all who live */
void broker_forget(struct slot *s, bool for_good);
void broker_lost(
    struct slot *s, enum proc p, uint32_t instance, uint32_t epoch);

/* -- lifecycle.c -- */
int lifecycle_config(struct master *m) MUST_USE;
void lifecycle_start(struct master *m);
void lifecycle_progress(struct master *m); /* a slot changed its state */
/* A process has answered to a reload, or has ended before it was up. */
void lifecycle_reloaded(struct slot *s, bool refused);
void lifecycle_not_up(const struct slot *s);
/* NULL when it is under way, or the problems in words. */
const char *lifecycle_reload(struct master *m, struct buf *problems) MUST_USE;
void lifecycle_stop(struct master *m);
void lifecycle_failed(struct master *m, const char *why);

/* -- admin.c -- */
void admin_listen(struct master *m);
void admin_answered(struct master *m); /* a daemon has, to a ping */
/* What has become of the reload: why it is not done, or NULL. */
void admin_reloaded(struct master *m, const char *why);

#endif
