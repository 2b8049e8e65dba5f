/* Given to cppcheck, which reads no system header: the lists of sys/queue.h. */
#define TAILQ_HEAD(n, t)                                                       \
	struct n {                                                             \
		struct t *tqh_first;                                           \
	}
#define TAILQ_ENTRY(t)                                                         \
	struct {                                                               \
		struct t *tqe_next;                                            \
	}
#define TAILQ_FIRST(h)   ((h)->tqh_first)
#define TAILQ_NEXT(e, f) ((e)->f.tqe_next)
#define TAILQ_EMPTY(h)   ((h)->tqh_first == 0)
#define TAILQ_FOREACH(v, h, f)                                                 \
	for ((v) = TAILQ_FIRST(h); (v); (v) = TAILQ_NEXT(v, f))
#define STAILQ_HEAD(n, t)       TAILQ_HEAD(n, t)
#define STAILQ_ENTRY(t)         TAILQ_ENTRY(t)
#define STAILQ_FIRST(h)         TAILQ_FIRST(h)
#define STAILQ_NEXT(e, f)       TAILQ_NEXT(e, f)
#define STAILQ_EMPTY(h)         TAILQ_EMPTY(h)
#define STAILQ_FOREACH(v, h, f) TAILQ_FOREACH(v, h, f)
#define LIST_HEAD(n, t)         TAILQ_HEAD(n, t)
#define LIST_ENTRY(t)           TAILQ_ENTRY(t)
#define LIST_FIRST(h)           TAILQ_FIRST(h)
#define LIST_NEXT(e, f)         TAILQ_NEXT(e, f)
#define LIST_EMPTY(h)           TAILQ_EMPTY(h)
#define LIST_FOREACH(v, h, f)   TAILQ_FOREACH(v, h, f)
