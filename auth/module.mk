PROGRAMS += auth
auth_MAIN := auth/main.c
auth_LIBS := -levent_core -ldb-5.3 -lcrypt -lcrypto -lconfuse -lseccomp -lcap \
             -lpthread
