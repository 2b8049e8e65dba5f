PROGRAMS += resolver
resolver_MAIN := resolver/main.c
# libunbound itself hangs on the whole libevent: one copy of the loop.
resolver_LIBS := -lunbound -levent -lidn2 -lconfuse -lseccomp -lcap
