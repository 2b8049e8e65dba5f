/* The trigger: how a daemon becomes its own attacker. */
#include "tests/attack/attack.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/log.h"

/* Beyond the attempts of calls.c. */
#define NUMBER_TALK   50000U /* small: TALK_ bits */
#define NUMBER_MASTER 50001U /* small: message type */
#define NUMBER_FLOOD  50002U /* small: message type, large: peer */
#define NUMBER_DEAF   50003U /* ignore what asks for the end */

static struct attacker self;

void __real_peers_start(struct daemon *d);
void __wrap_peers_start(struct daemon *d);
struct ipc_chan *__real_ipc_chan_new(struct event_base *base, int fd,
    enum proc proc, enum proc peer, uint32_t instance);
struct ipc_chan *__wrap_ipc_chan_new(struct event_base *base, int fd,
    enum proc proc, enum proc peer, uint32_t instance);
int __real_daemon_become_user(
    struct daemon *d, int home_fd, uint32_t uid, const int *keep, size_t keeps);
int __wrap_daemon_become_user(
    struct daemon *d, int home_fd, uint32_t uid, const int *keep, size_t keeps);

static void
try_one(unsigned number)
{
	const struct attempt *t = attempt_at(number);
	int rc;

	if (t == NULL)
		return;
	errno = 0;
	rc = t->run != NULL ? t->run(&self)
			    : (int)syscall(t->call, 0L, 0L, 0L, 0L, 0L, 0L);
	log_info("event=attack name=%s result=%s", t->name,
	    rc == 0 ? "worked" : strerrorname_np(errno));
}

static void
on_trigger(int sig, siginfo_t *info, void *context)
{
	uint64_t value = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
	unsigned number = ATTACK_NUMBER(value);
	unsigned small = ATTACK_SMALL(value);

	(void)sig;
	(void)context;
	if (number == NUMBER_TALK) {
		talk_start(self.daemon, small);
	} else if (number == NUMBER_MASTER) {
		talk_to_master(self.daemon, small);
	} else if (number == NUMBER_FLOOD) {
		talk_flood(self.daemon, (enum proc)ATTACK_LARGE(value), small);
	} else if (number == NUMBER_DEAF) {
		(void)signal(SIGTERM, SIG_IGN);
		log_info("event=attack name=deaf result=worked");
	} else {
		self.victim = (pid_t)ATTACK_LARGE(value);
		try_one(number);
	}
}

/* The walls stand. */
void
__wrap_peers_start(struct daemon *d)
{
	struct sigaction act = { .sa_sigaction = on_trigger,
		.sa_flags = SA_SIGINFO | SA_RESTART };

	self.daemon = d;
	if (sigaction(ATTACK_SIGNAL, &act, NULL) == -1)
		log_die("event=attack-impossible");
	__real_peers_start(d);
}

struct ipc_chan *
__wrap_ipc_chan_new(struct event_base *base, int fd, enum proc proc,
    enum proc peer, uint32_t instance)
{
	struct ipc_chan *c =
	    __real_ipc_chan_new(base, fd, proc, peer, instance);

	talk_channel(c, fd);
	return c;
}

int
__wrap_daemon_become_user(
    struct daemon *d, int home_fd, uint32_t uid, const int *keep, size_t keeps)
{
	self.session = true;
	return __real_daemon_become_user(d, home_fd, uid, keep, keeps);
}
