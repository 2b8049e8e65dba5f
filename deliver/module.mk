PROGRAMS     += deliver
deliver_MAIN := deliver/main.c
deliver_LIBS := -levent_core -lconfuse -lseccomp -lcap -lcrypto -lpthread \
                -lacl
