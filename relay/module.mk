PROGRAMS += relay
relay_MAIN := relay/main.c
relay_LIBS := -levent_core -lssl -lcrypto -lconfuse -lseccomp -lcap
