/* Ready, reload and stop of the whole. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "master/master.h"

#define CONFIG_MAX    ((size_t)4 * 1024 * 1024)
#define DRAIN_MS      10000  /* of a stop, each phase */
#define GENERATION_MS 600000 /* of an old generation after a reload */
#define PHASES        3
#define GENERATIONS   8 /* old ones at a time; then the oldest has to go */

int
lifecycle_config(struct master *m)
{
	struct buf text = BUF_INIT(CONFIG_MAX);
	int fd = memfd_create("wemmick.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc = -1;

	if (fd != -1 && config_print(m->config, &text) == 0 &&
	    write_all(fd, text.data, text.len) == 0 &&
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		rc = 0;
	buf_free(&text);
	if (rc == -1) {
		log_error("event=no-memfd error=%s", strerror(errno));
		fd_close(fd);
		return -1;
	}
	fd_close(m->config_fd);
	m->config_fd = fd;
	return 0;
}

void
lifecycle_start(struct master *m)
{
	const struct service *s;

	for (size_t i = 0; (s = service_at(i)) != NULL; i++)
		slots_create(m, s);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (m->slots[i].state == SLOT_STARTING)
			slot_go(&m->slots[i], false);
}

static size_t
count_state(const struct master *m, enum slot_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (m->slots[i].state == state)
			n++;
	return n;
}

static void
become_ready(struct master *m)
{
	m->ready = true;
	log_info("event=ready processes=%zu", count_state(m, SLOT_RUNNING));
	(void)sd_notifyf(0, "READY=1\nSTATUS=%zu processes\nMAINPID=%d",
	    count_state(m, SLOT_RUNNING), (int)getpid());
	if (m->ready_fd != -1) {
		if (write_all(m->ready_fd, "READY\n", 6) == -1)
			log_warn("event=ready-fd-lost");
		fd_close(m->ready_fd);
		m->ready_fd = -1;
	}
}

/*
 * The old generation finishes what it has. Clients that stay for long must
 * not let generations pile up: the oldest is wound down as for a stop.
 */
static void
retire_slot(struct slot *s)
{
	if (!s->old || s->state == SLOT_EMPTY)
		return;
	if (s->state != SLOT_DRAINING)
		slot_stop(s, GENERATION_MS);
	else if (s->generation + GENERATIONS == s->master->generation)
		slot_stop(s, DRAIN_MS);
}

static void
tell_reloaders(struct master *m, const char *who, const char *what)
{
	char *why = xasprintf("%s %s", who, what);

	admin_reloaded(m, why);
	free(why);
}

/* The new generation is up. */
static void
retire_old(struct master *m)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		retire_slot(&m->slots[i]);
	listeners_leave(m);
	m->reloading = false;
	if (m->refused == NULL) {
		log_info("event=reload-done");
		(void)sd_notify(0, "READY=1\nSTATUS=reloaded");
		admin_reloaded(m, NULL);
		return;
	}
	log_error("event=reload-incomplete proc=%s mend=\"see its lines above, "
		  "and reload again\"",
	    m->refused);
	(void)sd_notify(0, "READY=1\nSTATUS=reloaded in part");
	tell_reloaders(m, m->refused,
	    "goes on with what it had, the others have the new configuration; "
	    "mend what its lines in the log say, and reload again");
}

void
lifecycle_reloaded(struct slot *s, bool refused)
{
	struct master *m = s->master;

	if (s->asked == 0)
		return;
	s->asked--;
	if (s->asked == 0 && refused)
		m->refused = proc_name(s->service->proc);
	lifecycle_progress(m);
}

void
lifecycle_not_up(const struct slot *s)
{
	if (s->master->reloading && !s->old)
		tell_reloaders(s->master, proc_name(s->service->proc),
		    "does not start; mend what its lines in the log say, and "
		    "reload again");
}

static size_t
stop_slots(struct master *m, unsigned phase)
{
	size_t living = 0;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (s->state == SLOT_EMPTY || s->service->stop_phase > phase)
			continue;
		if (s->state != SLOT_DRAINING || s->service->sessions)
			slot_stop(s, DRAIN_MS);
		if (s->state != SLOT_EMPTY)
			living++;
	}
	return living;
}

static size_t
living_of_phase(const struct master *m, unsigned phase)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (m->slots[i].state != SLOT_EMPTY &&
		    m->slots[i].service->stop_phase <= phase)
			n++;
	return n;
}

static void
stop_progress(struct master *m)
{
	while (
	    m->stop_phase < PHASES && living_of_phase(m, m->stop_phase) == 0) {
		m->stop_phase++;
		if (m->stop_phase < PHASES)
			(void)stop_slots(m, m->stop_phase);
	}
	if (m->stop_phase == PHASES)
		(void)event_base_loopbreak(m->base);
}

static bool
new_generation_up(const struct master *m)
{
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *s = &m->slots[i];

		if (!s->old &&
		    (s->state == SLOT_STARTING || s->state == SLOT_WAITING ||
			(s->state == SLOT_RUNNING && s->asked > 0)))
			return false;
	}
	return true;
}

void
lifecycle_progress(struct master *m)
{
	if (m->stopping) {
		stop_progress(m);
		return;
	}
	if (!m->ready && count_state(m, SLOT_STARTING) == 0 &&
	    count_state(m, SLOT_WAITING) == 0)
		become_ready(m);
	if (m->reloading && new_generation_up(m))
		retire_old(m);
}

/* What cannot change while processes hold it. */
static const char *
needs_restart(const struct config *a, const struct config *b)
{
	if (strcmp(a->state_directory, b->state_directory) != 0)
		return "state-directory";
	if (strcmp(a->run_directory, b->run_directory) != 0)
		return "run-directory";
	if (strcmp(a->table_directory, b->table_directory) != 0)
		return "table-directory";
	if (a->base_uid != b->base_uid)
		return "base-uid";
	return NULL;
}

/*
 * Processes of a generation that did not come up, as it happens with a key
 * that cannot be read. The one before serves on, and who has clients already
 * finishes with them.
 */
static void
give_up_generation(struct master *m)
{
	log_info("event=reload-replaced");
	admin_reloaded(m, "another reload has taken its place");
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (s->state == SLOT_EMPTY || s->old || !s->service->sessions)
			continue;
		s->old = true;
		slot_stop(s, GENERATION_MS);
	}
}

static void
start_generation(struct master *m)
{
	size_t alive = 0;
	const struct service *service;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (s->state == SLOT_WAITING && s->service->sessions)
			slot_stop(s, 0); /* the new one takes its place */
		if (!slot_alive(s) || s->state == SLOT_DRAINING)
			continue;
		alive++;
		if (s->service->sessions) {
			s->old = true;
			continue;
		}
		/* One that starts says itself when it is up. */
		s->asked += s->state == SLOT_RUNNING;
		slot_configure(s);
		slot_go(s, true);
	}
	log_debug("event=reloading processes=%zu", alive);
	for (size_t i = 0; (service = service_at(i)) != NULL; i++)
		if (service->sessions)
			slots_create(m, service);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (m->slots[i].state == SLOT_STARTING && !m->slots[i].old &&
		    m->slots[i].service->sessions)
			slot_go(&m->slots[i], false);
}

/* Found at the start where the configuration does not say it. */
static void
swap_programs(struct config *a, struct config *b)
{
	char *was = a->program_directory;

	a->program_directory = b->program_directory;
	b->program_directory = was;
}

/* All of it, or nothing: then the log says why, and next is free. */
static int
put_in_force(struct master *m, struct config *next)
{
	bool given = next->program_directory[0] != '\0';
	struct config *old = m->config;
	int log;

	if (!given)
		swap_programs(next, old);
	m->config = next;
	log = places_log(m);
	if (log != -1 && places_prepare(m) == 0 && listeners_open(m) == 0 &&
	    lifecycle_config(m) == 0) {
		places_log_to(m, log); /* which cannot be taken back */
		config_free(old);
		return 0;
	}
	fd_close(log);
	if (!given)
		swap_programs(next, old);
	m->config = old;
	config_free(next);
	/* All of them are open; an old generation may want more. */
	if (listeners_open(m) == 0 && !m->reloading)
		listeners_leave(m);
	return -1;
}

const char *
lifecycle_reload(struct master *m, struct buf *problems)
{
	struct config *next = config_read(m->config_path, problems);
	const char *fixed;

	if (m->stopping || !m->ready || !slots_have_room(m)) {
		config_free(next);
		return "another change is under way";
	}
	if (next == NULL)
		return "the configuration has errors; nothing was changed";
	fixed = needs_restart(m->config, next);
	if (fixed != NULL) {
		(void)!buf_printf(problems,
		    "%s: %s changes only with a restart\n", m->config_path,
		    fixed);
		config_free(next);
		return "not by reload; nothing was changed";
	}
	if (put_in_force(m, next) == -1)
		return "the log says why; nothing was changed";
	if (m->reloading)
		give_up_generation(m);
	else
		m->generation++; /* so that each number is retired once */
	m->reloading = true;
	m->refused = NULL;
	start_generation(m);
	lifecycle_progress(m);
	return NULL;
}

void
lifecycle_stop(struct master *m)
{
	if (m->stopping)
		return;
	m->stopping = true;
	log_info("event=stopping");
	admin_reloaded(m, "the suite stops");
	/* Users' sessions finish what they are at, say goodbye and end. */
	fd_close(m->alive[1]);
	m->alive[1] = -1;
	(void)sd_notify(0, "STOPPING=1");
	(void)stop_slots(m, 0);
	stop_progress(m);
}

void
lifecycle_failed(struct master *m, const char *why)
{
	if (m->stopping)
		return;
	log_error("event=start-given-up proc=%s mend=\"see its lines "
		  "above\"",
	    why);
	m->exit_code = 1;
	lifecycle_stop(m);
}
