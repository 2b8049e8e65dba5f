PROGRAMS += auth
auth_MAIN := auth/main.c
# The sanitizers' own crypt_r() hides that libcrypt is needed.
auth_LIBS := -Wl,--no-as-needed -lcrypt -Wl,--as-needed \
             -levent_core -ldb-5.3 -lcrypto -lconfuse -lseccomp -lcap \
             -lpthread
