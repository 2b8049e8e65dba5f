PROGRAMS += router
router_MAIN := router/main.c
router_LIBS := -levent_core -ldb-5.3 -lidn2 -lconfuse -lseccomp -lcap
