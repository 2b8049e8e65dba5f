PROGRAMS     += wemmick
wemmick_MAIN := cli/main.c
wemmick_LIBS := -levent_core -lconfuse -ldb-5.3 -lcrypt -lacl -lssl -lcrypto \
                -lcap -lseccomp
