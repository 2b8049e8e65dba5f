# Front and usher are programs of their own: the usher and its sessions
# link no TLS.
PROGRAMS        += pop3d pop3-usher
pop3d_MAIN      := pop3d/main_front.c
pop3d_LIBS      := -levent_core -lssl -lcrypto -lconfuse -lseccomp -lcap
pop3-usher_MAIN := pop3d/main_usher.c
pop3-usher_LIBS := -levent_core -lconfuse -lseccomp -lcap
pop3-usher_LINK  = $(USHER_LINK)
