PROGRAMS += bounce
bounce_MAIN := bounce/main.c
bounce_LIBS := -levent_core -lcrypto -lconfuse -lseccomp -lcap
