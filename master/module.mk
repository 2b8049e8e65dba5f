PROGRAMS    += master mkcert
master_MAIN := master/main.c
master_LIBS := -levent_core -lconfuse -lseccomp -lcap -lsystemd
mkcert_MAIN := master/main_mkcert.c
mkcert_LIBS := -lcrypto
