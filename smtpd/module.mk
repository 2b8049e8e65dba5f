PROGRAMS += smtpd
smtpd_MAIN := smtpd/main.c
smtpd_LIBS := -levent_core -lssl -lcrypto -lconfuse -lseccomp -lcap
