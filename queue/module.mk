PROGRAMS += queue
queue_MAIN := queue/main.c
queue_LIBS := -levent_core -lconfuse -lseccomp -lcap -lpthread
