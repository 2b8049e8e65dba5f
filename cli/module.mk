PROGRAMS     += wemmick
wemmick_MAIN := cli/main.c
wemmick_LIBS := -levent_core -lconfuse -ldb-5.3 -lcrypt -lacl -lssl -lcrypto \
                -lidn2 -lcap -lseccomp

PROGRAMS      += sendmail
sendmail_MAIN := cli/main_sendmail.c
sendmail_LIBS := -lconfuse
